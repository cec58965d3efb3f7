/** The thread of small files: what it says of each, that it comes late, passes on what others had better do, and what its end means. */
import { mkdtempSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { FileThread } from '../../client/file-thread.ts'
import type { NewFile } from '../../client/small-file-now.ts'

interface Setting {
  thread: FileThread
  directory: string
  fileOf(name: string, text: string, force?: boolean): NewFile
}

/** With a thread that runs. */
async function setUp(t: Test, slowMs?: number): Promise<Setting> {
  const directory = mkdtempSync(join(tmpdir(), 'tally-thread-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const thread = new FileThread(slowMs)
  t.teardown(() => thread.close())
  let files = 1
  while (!thread.takes(1)) {
    files++
    await new Promise(resolve => setTimeout(resolve, 1))
  }
  t.ok(files > 64, 'a few files are not worth a thread')
  const fileOf = (name: string, text: string, force = false): NewFile => (
    { path: join(directory, name), partial: join(directory, `.${name}.part`), bytes: Buffer.from(text), force }
  )
  return { thread, directory, fileOf }
}

t.test('each file is made, or something is in its way, or the file system says why not', async t => {
  const { thread, directory, fileOf } = await setUp(t)
  t.notOk(thread.takes(65_537), 'a large file is made otherwise')
  writeFileSync(join(directory, 'there'), 'old')
  const outcomes = await Promise.allSettled([
    fileOf('new', 'new'), fileOf('there', 'new'), fileOf('none/new', 'new'), fileOf('empty', ''),
  ].map(file => thread.make(file)))
  t.match(outcomes, [{ value: true }, { value: false }, { status: 'rejected', reason: { code: 'ENOENT', syscall: 'open' } }, { value: true }])
  t.equal(await thread.make(fileOf('there', 'newer', true)), true)
  t.same(readdirSync(directory).sort(), ['empty', 'new', 'there'])
  t.equal(readFileSync(join(directory, 'there'), 'utf8'), 'newer')
})

t.test('a small file is read as it is in one moment; what is none is passed on', async t => {
  const { thread, directory } = await setUp(t)
  for (const size of [0, 1, 65_536, 65_537]) writeFileSync(join(directory, `${size}`), Buffer.alloc(size, 7))
  utimesSync(join(directory, '1'), 1, 1_700_000_000.5)
  const read = await Promise.all([0, 1, 65_536, 65_537, '.'].map(name => thread.read(join(directory, `${name}`))))
  t.same(read.map(each => each?.bytes.length), [0, 1, 65_536, undefined, undefined])
  t.equal(read[1]?.modifiedMs, 1_700_000_000_500)
  t.ok(read[2]?.bytes.every(byte => byte === 7))
  await t.rejects(thread.read(join(directory, 'absent')), { code: 'ENOENT', syscall: 'stat' })
})

t.test('where files take long it has one at a time, and others make the rest', async t => {
  const { thread, fileOf } = await setUp(t, 0)
  t.equal(await thread.make(fileOf('first', 'x')), true)
  const made = await Promise.all(Array.from({ length: 10 }, (_, index) => thread.make(fileOf(`${index}`, 'x'))))
  t.same(made, [true, ...Array<boolean>(9).fill(false)])
})

t.test('after its end nothing is taken, and what was asked for fails', async t => {
  const { thread, fileOf } = await setUp(t)
  const making = thread.make(fileOf('f', 'x'))
  await Promise.all([thread.close(), t.rejects(making, { code: 'closed' })])
  t.notOk(thread.takes(1))
  await t.rejects(thread.make(fileOf('g', 'x')), { code: 'closed' })
})
