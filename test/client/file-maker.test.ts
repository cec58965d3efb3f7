/** The thread that makes small files: what it says of each, that it comes late and only where it can, and what its end means. */
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { FileMaker } from '../../client/file-maker.ts'
import type { NewFile } from '../../client/new-file.ts'

interface Setting {
  maker: FileMaker
  directory: string
  fileOf(name: string, text: string, force?: boolean): NewFile
}

/** With a thread that runs. */
async function setUp(t: Test, slowMs?: number): Promise<Setting> {
  const directory = mkdtempSync(join(tmpdir(), 'tally-maker-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const maker = new FileMaker(slowMs)
  t.teardown(() => maker.close())
  let files = 1
  while (!maker.takes(1)) {
    files++
    await new Promise(resolve => setTimeout(resolve, 1))
  }
  t.ok(files > 64, 'a few files are not worth a thread')
  const fileOf = (name: string, text: string, force = false): NewFile => (
    { path: join(directory, name), partial: join(directory, `.${name}.part`), bytes: Buffer.from(text), force }
  )
  return { maker, directory, fileOf }
}

t.test('each file is made, or something is in its way, or the file system says why not', async t => {
  const { maker, directory, fileOf } = await setUp(t)
  t.notOk(maker.takes(65_537), 'a large file is made otherwise')
  writeFileSync(join(directory, 'there'), 'old')
  const outcomes = await Promise.allSettled([
    fileOf('new', 'new'), fileOf('there', 'new'), fileOf('none/new', 'new'), fileOf('empty', ''),
  ].map(file => maker.make(file)))
  t.match(outcomes, [{ value: true }, { value: false }, { status: 'rejected', reason: { code: 'ENOENT', syscall: 'open' } }, { value: true }])
  t.equal(await maker.make(fileOf('there', 'newer', true)), true)
  t.same(readdirSync(directory).sort(), ['empty', 'new', 'there'])
  t.equal(readFileSync(join(directory, 'there'), 'utf8'), 'newer')
})

t.test('where files take long it has one at a time, and others make the rest', async t => {
  const { maker, fileOf } = await setUp(t, 0)
  t.equal(await maker.make(fileOf('first', 'x')), true)
  const made = await Promise.all(Array.from({ length: 10 }, (_, index) => maker.make(fileOf(`${index}`, 'x'))))
  t.same(made, [true, ...Array<boolean>(9).fill(false)])
})

t.test('after its end nothing is taken, and what was asked for fails', async t => {
  const { maker, fileOf } = await setUp(t)
  const making = maker.make(fileOf('f', 'x'))
  await Promise.all([maker.close(), t.rejects(making, { code: 'closed' })])
  t.notOk(maker.takes(1))
  await t.rejects(maker.make(fileOf('g', 'x')), { code: 'closed' })
})
