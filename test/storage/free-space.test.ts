/** What stays free on a disk whose figures the test sets. */
import t from 'tap'
import { FreeSpace } from '../../daemon/storage/local/free-space.ts'

t.test('what was written since the disk was asked counts, and it is asked again before anything is refused', async t => {
  const disk = { freeBytes: 1000, asked: 0 }
  const space = new FreeSpace('/', 400, () => {
    disk.asked++
    return disk.freeBytes
  })
  space.spend(300)
  space.spend(300)
  t.equal(disk.asked, 1)
  space.spend(1)
  t.equal(disk.asked, 2, 'that would have been too much')
  disk.freeBytes = 450
  t.throws(() => space.spend(600), { code: 'storage-full', details: { limit: 400, free: 450 } })
  space.spend(50)
  t.throws(() => space.spend(51), { code: 'storage-full' })
  disk.freeBytes = 399
  t.throws(() => space.spend(60), { code: 'storage-full' })
  disk.freeBytes = 1000
  space.spend(600)
})

t.test('with nothing to keep free the disk is not asked', async () => {
  new FreeSpace('/', 0, () => {
    throw new Error('asked')
  }).spend(2 ** 53)
})

t.test('a monitor is told when a chunk would be refused, with the figures, without anything being spent', async t => {
  const disk = { freeBytes: 400 + 2 ** 20 }
  const space = new FreeSpace('/', 400, () => disk.freeBytes)
  t.match(space.room(), { freeBytes: disk.freeBytes, minFreeBytes: 400, refusal: undefined })
  disk.freeBytes--
  t.match(space.room().refusal, { code: 'storage-full', details: { limit: 400, free: disk.freeBytes } })
  t.match(new FreeSpace('/', 0, () => 2 ** 20).room(), { minFreeBytes: 0, refusal: undefined })
  t.match(new FreeSpace('/', 0, () => 2 ** 20 - 1).room().refusal, { code: 'storage-full' }, 'a full disk, too')
  t.match(new FreeSpace('/nonexistent/store', 0).room().refusal, { code: 'storage-failed' })
})
