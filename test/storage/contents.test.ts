/** The local contents where the disk misbehaves: power cuts, failed syncs, full disks, short writes, too many files. */
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'tap'
import type { Test } from 'tap'
import { blobPath } from '../../daemon/storage/local/blob-path.ts'
import type { FileSystem } from '../../daemon/storage/local/file-system.ts'
import { realFileSystem } from '../../daemon/storage/local/file-system.ts'
import { openLocalStore } from '../../daemon/storage/local/index.ts'
import type { Durability, Store } from '../../daemon/storage/storage.ts'
import { chooseSeed, Random } from '../support/random.ts'
import { codeOf, newFile, newTransfer, sha256 } from './samples.ts'
import { ForgetfulDisk, freshDirectory, systemError } from './support.ts'

async function openWith(t: Test, directory: string, fileSystem: FileSystem, durability: Durability = 'power'): Promise<Store> {
  const store = await openLocalStore({ path: directory, durability, faults: { fileSystem } })
  t.teardown(() => store.close())
  return store
}

/** Runs a seeded script of writes and syncs; answers the blobs whose synced bytes a power cut at some moment would have lost. */
async function lostBlobs(t: Test, seed: number, overrides: (disk: () => ForgetfulDisk) => Partial<FileSystem>): Promise<number[]> {
  const random = new Random(seed)
  const root = path.join(freshDirectory(t), 'store')
  const disk: ForgetfulDisk = new ForgetfulDisk(path.join(root, 'blobs'), overrides(() => disk))
  const { contents } = await openWith(t, root, disk.fileSystem)
  const written = new Map<number, Buffer>()
  const lost = new Set<number>()
  for (let step = 0; step < 60; step++) {
    // Three directories, so that a directory's own name matters too.
    const group = Array.from({ length: random.between(1, 4) }, () => random.between(0, 2) * 4096 + random.between(1, 5))
    await Promise.all(group.map(async blob => {
      const before = written.get(blob) ?? Buffer.alloc(0)
      const bytes = random.bytes(random.between(1, 2000))
      written.set(blob, Buffer.concat([before, bytes]))
      await contents.write(blob, before.length, [bytes.subarray(0, 1), bytes.subarray(1)])
    }))
    if (random.chance(0.3)) await contents.release(random.pick(group))
    await contents.sync(group)
    const survivors = disk.survivors()
    for (const blob of group) {
      const bytes = survivors.get(blobPath(path.join(root, 'blobs'), blob).file)
      if (bytes === undefined || !(written.get(blob) as Buffer).equals(bytes)) lost.add(blob)
    }
  }
  return [...lost]
}

test('what a sync returned for survives a power cut, bytes and names', async t => {
  const seed = chooseSeed()
  t.comment(`TALLY_TEST_SEED=${seed}`)
  t.same(await lostBlobs(t, seed, () => ({})), [])
})

test('the same check catches a disk whose syncs do nothing', async t => {
  t.ok((await lostBlobs(t, 1, () => ({ syncData: async () => {} }))).length > 0, 'of bytes')
  t.ok((await lostBlobs(t, 1, () => ({ syncDirectory: async () => {} }))).length > 0, 'of names')
})

test('a sync that began before a write ended does not stand for it', async t => {
  const root = path.join(freshDirectory(t), 'store')
  const gate = Promise.withResolvers<void>()
  const disk = new ForgetfulDisk(path.join(root, 'blobs'), {
    write: async (fd, pieces, offset) => {
      await gate.promise
      return realFileSystem.write(fd, pieces, offset)
    },
  })
  const { contents } = await openWith(t, root, disk.fileSystem)
  await contents.write(1, 0, [Buffer.from('x')])
  const bytes = Buffer.alloc(200_000, 1)
  const writing = contents.write(1, 0, [bytes])
  await contents.sync([1])
  gate.resolve()
  await writing
  await contents.sync([1])
  t.ok(disk.survivors().get(blobPath(path.join(root, 'blobs'), 1).file)?.equals(bytes))
})

test('a removal is durable when it returns', async t => {
  const root = path.join(freshDirectory(t), 'store')
  const disk = new ForgetfulDisk(path.join(root, 'blobs'))
  const { contents } = await openWith(t, root, disk.fileSystem)
  await contents.write(1, 0, [Buffer.from('x')])
  await contents.sync([1])
  const { file } = blobPath(path.join(root, 'blobs'), 1)
  t.ok(disk.survivors().has(file))
  await contents.remove(1)
  t.notOk(disk.survivors().has(file))
})

test('after a failed sync every change is refused until the store is opened anew, and reads go on', async t => {
  const directory = freshDirectory(t)
  let fails = false
  const store = await openWith(t, directory, {
    ...realFileSystem,
    syncData: async fd => {
      if (fails) throw systemError('EIO', 'fdatasync')
      await realFileSystem.syncData(fd)
    },
  })
  const transfer = await store.catalog.announce(newTransfer(1, [newFile()]))
  await store.contents.write(1, 0, [Buffer.from('safe')])
  await store.contents.sync([1])
  await store.contents.write(1, 4, [Buffer.from('lost')])
  fails = true
  t.equal(await codeOf(store.contents.sync([1])), 'storage-failed')
  fails = false
  t.equal(await codeOf(store.contents.sync([1])), 'storage-failed', 'a later sync would prove nothing')
  t.equal(await codeOf(store.contents.sync([2])), 'storage-failed')
  t.equal(await codeOf(store.contents.write(2, 0, [Buffer.from('x')])), 'storage-failed')
  t.equal(await codeOf(store.catalog.announce(newTransfer(2, [newFile()]))), 'storage-failed')
  t.equal(await codeOf(store.catalog.remove(transfer.id, undefined, 1)), 'storage-failed')
  t.equal((await store.catalog.load('ann', transfer.fid))?.state, 'open')
  const reader = await store.contents.open(1)
  t.same(Buffer.from(await reader.read(0, 4)), Buffer.from('safe'))
  await reader.close()
  await store.close()
  const again = await openWith(t, directory, realFileSystem)
  await again.contents.write(1, 4, [Buffer.from('anew')])
  await again.contents.sync([1])
  t.equal((await again.catalog.announce(newTransfer(2, [newFile()]))).state, 'open')
})

test('a sync that fails for want of room is a failed sync', async t => {
  const { contents } = await openWith(t, freshDirectory(t), { ...realFileSystem, syncData: async () => { throw systemError('ENOSPC', 'fdatasync') } })
  await contents.write(1, 0, [Buffer.from('x')])
  t.equal(await codeOf(contents.sync([1])), 'storage-failed')
})

test('a failing sync of a directory is a failed sync too, one that only met too many open files is not', async t => {
  let code = 'EMFILE'
  const { contents } = await openWith(t, freshDirectory(t), {
    ...realFileSystem,
    syncDirectory: async () => {
      throw systemError(code, code === 'EIO' ? 'fsync' : 'open')
    },
  })
  await contents.write(1, 0, [Buffer.from('x')])
  t.equal(await codeOf(contents.sync([1])), 'busy')
  code = 'EIO'
  t.equal(await codeOf(contents.sync([1])), 'storage-failed')
})

test('a full disk refuses a write and nothing else; a failing one refuses everything after', async t => {
  let code: string | undefined = 'ENOSPC'
  const fail = (): never => { throw systemError(code as string, 'write') }
  const { contents } = await openWith(t, freshDirectory(t), {
    ...realFileSystem,
    write: async (fd, pieces, offset) => (code === undefined ? realFileSystem.write(fd, pieces, offset) : fail()),
    writeNow: (fd, pieces, offset) => (code === undefined ? realFileSystem.writeNow(fd, pieces, offset) : fail()),
  })
  t.equal(await codeOf(contents.write(1, 0, [Buffer.alloc(10)])), 'storage-full')
  t.equal(await codeOf(contents.write(1, 0, [Buffer.alloc(1_000_000)])), 'storage-full')
  code = undefined
  await contents.write(1, 0, [Buffer.alloc(10, 1)])
  await contents.sync([1])
  t.equal((await contents.digest(1, 10)).digest, sha256(Buffer.alloc(10, 1)))
  code = 'EIO'
  t.equal(await codeOf(contents.write(1, 0, [Buffer.alloc(10)])), 'storage-failed')
  code = undefined
  t.equal(await codeOf(contents.write(1, 0, [Buffer.alloc(10)])), 'storage-failed')
})

test('writes that a disk takes in part are continued, reads too', async t => {
  const seed = chooseSeed()
  t.comment(`TALLY_TEST_SEED=${seed}`)
  const random = new Random(seed)
  const some = (pieces: readonly Uint8Array[]): Uint8Array[] => {
    const whole = Buffer.concat(pieces)
    return [whole.subarray(0, random.between(1, whole.length))]
  }
  const { contents } = await openWith(t, freshDirectory(t), {
    ...realFileSystem,
    write: (fd, pieces, offset) => realFileSystem.write(fd, some(pieces), offset),
    writeNow: (fd, pieces, offset) => realFileSystem.writeNow(fd, some(pieces), offset),
    read: (fd, buffer, offset) => realFileSystem.read(fd, buffer.subarray(0, random.between(1, buffer.length)), offset),
  }, 'process')
  const bytes = random.bytes(400_000)
  const pieces = [bytes.subarray(0, 1000), bytes.subarray(1000, 1001), bytes.subarray(1001, 300_000), bytes.subarray(300_000)]
  await contents.write(1, 17, pieces)
  await contents.write(2, 0, pieces.slice(0, 2))
  const [first, second] = [await contents.open(1), await contents.open(2)]
  t.ok(bytes.equals(await first.read(17, bytes.length)))
  t.ok(bytes.subarray(0, 1001).equals(await second.read(0, 1001)))
  await first.close()
  await second.close()
})

test('more blobs than descriptors: all are written and synced, few are open', async t => {
  const root = path.join(freshDirectory(t), 'store')
  const disk = new ForgetfulDisk(path.join(root, 'blobs'))
  const { contents } = await openWith(t, root, disk.fileSystem)
  const blobs = Array.from({ length: 900 }, (_, i) => i + 1)
  await Promise.all(blobs.map(blob => contents.write(blob, 0, [Buffer.from(String(blob))])))
  await contents.sync(blobs)
  const survivors = disk.survivors()
  t.same(blobs.filter(blob => survivors.get(blobPath(path.join(root, 'blobs'), blob).file)?.toString() !== String(blob)), [])
  t.ok(disk.openMax <= 400, `${disk.openMax} were open`)
})

test('a file that is removed while its bytes are on the way leaves nothing behind', async t => {
  const root = path.join(freshDirectory(t), 'store')
  const { contents } = await openWith(t, root, realFileSystem)
  const results = await Promise.allSettled([
    contents.write(1, 0, [Buffer.alloc(1_000_000)]),
    contents.remove(1),
    contents.write(1, 5, [Buffer.alloc(10)]),
    contents.sync([1]),
  ])
  t.same(results.map(({ status }) => status), Array(4).fill('fulfilled'))
  const left = fs.readdirSync(path.join(root, 'blobs'), { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  t.same(left, [])
})

test('blobs and directories are for their owner only', async t => {
  const root = path.join(freshDirectory(t), 'store')
  const { contents } = await openWith(t, root, realFileSystem)
  await contents.write(1, 0, [Buffer.from('x')])
  const { directory, file } = blobPath(path.join(root, 'blobs'), 1)
  for (const at of [root, path.join(root, 'blobs'), directory]) t.equal(fs.statSync(at).mode & 0o777, 0o700, at)
  t.equal(fs.statSync(file).mode & 0o777, 0o600)
})

test('a removal waits for the repair that writes to the same blob, which might make it anew', async t => {
  const root = path.join(freshDirectory(t), 'store')
  const { contents } = await openWith(t, root, realFileSystem)
  const [content, blob] = [1, 2]
  await Promise.all([content, blob].map(each => contents.write(each, 0, [Buffer.alloc(1_000_000, each)])))
  await contents.sync([content, blob])
  const sizeBytes = 1_000_000
  const repair = { blob, content, digest: sha256(Buffer.alloc(sizeBytes, blob)), sizeBytes, ranges: [[0, sizeBytes] as const] }
  const order: string[] = []
  await Promise.all([
    contents.repair(repair).then(() => order.push('repaired')),
    contents.remove(content).then(() => order.push('removed')),
  ])
  t.same(order, ['repaired', 'removed'])
  t.equal(fs.existsSync(blobPath(path.join(root, 'blobs'), content).file), false)
  t.equal(await codeOf(contents.repair(repair)), 'not-found')
})
