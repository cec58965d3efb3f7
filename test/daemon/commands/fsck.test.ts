/** `tallyd fsck` on stores that real daemons made, and that something happened to since. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { startDaemon, type TestDaemon } from '../../support/daemon.ts'
import { chooseSeed, Random } from '../../support/random.ts'
import { numberedChunk } from '../../support/wire.ts'

const MAIN = join(import.meta.dirname, '../../../daemon/main.ts')
const CHUNK_BYTES = 65_536
const BLOCK_BYTES = 262_144

interface Fscked {
  readonly status: number | null
  readonly stderr: string
  readonly findings: readonly Record<string, unknown>[]
  readonly summary: Record<string, unknown>
}

function tallyd(...args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', env: { ...process.env, TALLY_STORE: '' } })
}

function fsck(store: string, ...args: readonly string[]): Fscked {
  const { status, stdout, stderr } = tallyd('fsck', '--store', store, '--json', ...args)
  const lines = stdout.split('\n').filter(line => line !== '').map(line => JSON.parse(line) as Record<string, unknown>)
  return { status, stderr, findings: lines.slice(0, -1), summary: lines.at(-1) ?? {} }
}

interface Made {
  readonly daemon: TestDaemon
  readonly fid: string
  /** Sent of each file, in chunks of 64 KiB. */
  readonly contents: readonly Buffer[]
  blobOf(file: number): string
}

/** A store with one transfer whose files have these sizes; of a file with `sent` only so many chunks were sent. The daemon is stopped. */
async function makeStore(t: Test, files: readonly { size: number; sent?: number; tags?: readonly string[] }[]): Promise<Made> {
  const random = new Random(chooseSeed())
  t.comment(`TALLY_TEST_SEED=${random.seed}`)
  const daemon = await startDaemon(t)
  const client = await daemon.client()
  const fid = random.uuid()
  const contents = files.map(({ size }) => random.bytes(size))
  const announced = files.map(({ size, tags = [] }, number) => ({ name: `file ${number}`, size, tags }))
  t.equal((await client.authenticate(daemon.token(), { fid, files: announced, 'chunk-size': CHUNK_BYTES })).response, 'Ok')
  for (const [number, bytes] of contents.entries()) {
    const chunks = files[number]?.sent ?? Math.ceil(bytes.length / CHUNK_BYTES)
    const answers = Array.from({ length: chunks }, (_, chunk) =>
      client.sendChunk(numberedChunk(fid, number, chunk), bytes.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES)))
    t.ok((await Promise.all(answers)).every(({ response }) => response === 'Ok'), `${answers.length} chunks of file ${number}`)
  }
  await daemon.kill('SIGTERM')
  const blobOf = (file: number) => join(daemon.store, 'blobs', '000', (file + 1).toString(16).padStart(8, '0'))
  return { daemon, fid, contents, blobOf }
}

function flipBit(file: string, offset: number): void {
  const bytes = readFileSync(file)
  bytes[offset] = (bytes[offset] as number) ^ 1
  writeFileSync(file, bytes)
}

t.test('a store that nothing happened to is clean', async t => {
  const { daemon } = await makeStore(t, [{ size: 1_000_000 }, { size: 0 }, { size: 300_000, sent: 2 }])
  t.match(fsck(daemon.store), {
    status: 0, stderr: '', findings: [], summary: { kind: 'summary', files: 2, unfinished: 1, bytes: 1_000_000, problems: 0, orphans: 0 },
  })
  const { status, stdout } = tallyd('fsck', '--store', daemon.store)
  t.equal(status, 0)
  t.match(stdout, /all is well/)
})

t.test('absent, short and changed contents are told with user, name, tags and bytes', async t => {
  const { daemon, fid, blobOf } = await makeStore(t, [{ size: 400_000, tags: ['gone'] }, { size: 700_000, tags: ['short'] }, { size: 1000, tags: ['flipped'] }])
  rmSync(blobOf(0))
  truncateSync(blobOf(1), BLOCK_BYTES + 1)
  flipBit(blobOf(2), 77)
  const { status, findings, summary } = fsck(daemon.store)
  t.equal(status, 1)
  const common = { kind: 'damaged', user: 'ada', fid }
  t.match(findings, [
    { ...common, file: 0, name: 'file 0', tags: ['gone'], ranges: [[0, 400_000]] },
    { ...common, file: 1, name: 'file 1', tags: ['short'], ranges: [[BLOCK_BYTES, 700_000 - BLOCK_BYTES]] },
    { ...common, file: 2, name: 'file 2', tags: ['flipped'], ranges: [[0, 1000]] },
  ])
  t.match(summary, { problems: 3 })
  t.match(tallyd('fsck', '--store', daemon.store).stdout, new RegExp(`damaged  ${fid}/1  "file 1"  #short .*bytes 262144–699999 of 700000`))
})

t.test('one flipped bit of a large file is told with its block; that is noted until the block is whole again, and not by a dry run', async t => {
  const { daemon, fid, contents, blobOf } = await makeStore(t, [{ size: 20 * BLOCK_BYTES }])
  flipBit(blobOf(0), 7 * BLOCK_BYTES + 1234)
  const refusal = { response: 'Error', code: 'content-damaged', file: 0 }
  const fetched = async () => {
    await daemon.start()
    const client = await daemon.client()
    await client.authenticate(daemon.token())
    const before = client.bytesRead
    const { answer, bytes } = await client.fetch({ fid, file: 0 })
    const readBytes = client.bytesRead - before
    await daemon.kill('SIGTERM')
    return { answer, bytes, readBytes }
  }
  const finding = { status: 1, findings: [{ kind: 'damaged', file: 0, ranges: [[7 * BLOCK_BYTES, BLOCK_BYTES]] }] }
  t.match(fsck(daemon.store, '--dry-run'), finding)
  t.match(fsck(daemon.store), finding)
  t.match(fsck(daemon.store, '--dry-run'), finding)
  const { answer, readBytes } = await fetched()
  t.match(answer, refusal)
  t.ok(readBytes < 1000, 'it is refused before anything is sent')
  flipBit(blobOf(0), 7 * BLOCK_BYTES + 1234)
  t.match(fsck(daemon.store), { status: 0, findings: [] })
  t.ok((await fetched()).bytes.equals(contents[0] as Buffer))
})

t.test('marked chunks that the blob no longer has are told, and missing from then on; what was not marked is not missed', async t => {
  const { daemon, fid, contents: [bytes = Buffer.alloc(0)], blobOf } = await makeStore(t, [{ size: 20 * CHUNK_BYTES, sent: 10 }])
  truncateSync(blobOf(0), 6 * CHUNK_BYTES + 5)
  const finding = { status: 1, findings: [{ kind: 'incomplete', file: 0, ranges: [[6 * CHUNK_BYTES, 4 * CHUNK_BYTES]] }], summary: { problems: 1 } }
  t.match(fsck(daemon.store, '--dry-run'), finding)
  t.match(fsck(daemon.store), finding)
  t.match(fsck(daemon.store), { status: 0, findings: [] })
  await daemon.start()
  const client = await daemon.client()
  t.strictSame((await client.authenticate(daemon.token(), { fid })).files?.[0]?.missing, [[6, 14]])
  for (let chunk = 6; chunk < 20; chunk++) {
    await client.sendChunk(numberedChunk(fid, 0, chunk), bytes.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES))
  }
  t.ok((await client.fetch({ fid, file: 0 })).bytes.equals(bytes))
})

t.test('a file of opaque chunks that lacks some is removed: nobody would send them again', async t => {
  const random = new Random(chooseSeed())
  t.comment(`TALLY_TEST_SEED=${random.seed}`)
  const daemon = await startDaemon(t)
  const client = await daemon.client()
  const fid = random.uuid()
  await client.authenticate(daemon.token(), { fid, files: [{ name: 'a', size: 10_000 }] })
  for (let chunk = 0; chunk < 6; chunk++) await client.sendChunk(random.uuid(), random.bytes(1000))
  await daemon.kill('SIGTERM')
  const db = new DatabaseSync(join(daemon.store, 'catalog.db'))
  db.exec('DELETE FROM held')
  db.close()
  rmSync(join(daemon.store, 'blobs', '000', '00000001'), { force: true })
  t.match(fsck(daemon.store), { status: 1, findings: [{ kind: 'incomplete', ranges: [[0, 6000]] }] })
  t.match(fsck(daemon.store), { status: 0, findings: [] })
  await daemon.start()
  t.match(await (await daemon.client()).authenticate(daemon.token(), { fid }), { code: 'conflict', state: 'gone' })
})

t.test('orphans are told and are no problem', async t => {
  const { daemon } = await makeStore(t, [{ size: 1000 }])
  mkdirSync(join(daemon.store, 'blobs', '001'))
  writeFileSync(join(daemon.store, 'blobs', '001', '00001234'), 'twelve bytes')
  writeFileSync(join(daemon.store, 'blobs', '000', 'stranger'), '')
  const { status, findings } = fsck(daemon.store)
  t.equal(status, 0)
  t.match(findings, [
    { kind: 'orphan', path: 'blobs/000/stranger', sizeBytes: 0 },
    { kind: 'orphan', path: 'blobs/001/00001234', sizeBytes: 12 },
  ])
})

t.test('a catalog whose records contradict each other, or that is none, is told', async t => {
  const { daemon } = await makeStore(t, [{ size: 1000, tags: ['x'] }])
  const catalog = join(daemon.store, 'catalog.db')
  const db = new DatabaseSync(catalog)
  db.exec('PRAGMA foreign_keys = OFF; UPDATE file SET received = size + 1; UPDATE label SET files = 2; UPDATE user SET bytes = bytes + 1, files = 7')
  db.close()
  const { status, findings } = fsck(daemon.store)
  t.equal(status, 1)
  t.match(findings, [/more bytes/, /counts other files/, /counts other bytes/, /tag counts/].map(problem => ({ kind: 'catalog', problem })))
  const { findings: left } = fsck(daemon.store)
  t.notMatch(left, [{ problem: /counts other (files|bytes)/ }], 'what a user counts was put right')
  t.match(left, [/more bytes/, /tag counts/].map(problem => ({ kind: 'catalog', problem })))
  for (const suffix of ['-wal', '-shm']) rmSync(`${catalog}${suffix}`, { force: true })
  const bytes = readFileSync(catalog)
  bytes.fill(0xff, 4096, 40_000)
  writeFileSync(catalog, bytes)
  t.match(fsck(daemon.store), { status: 1, findings: [{ kind: 'catalog' }] })
})

t.test('what is no store, or is in use, cannot be checked: exit code 2, and nothing is made', async t => {
  const { daemon } = await makeStore(t, [{ size: 0 }])
  const absent = join(daemon.directory, 'absent')
  t.match(tallyd('fsck', '--store', absent), { status: 2, stderr: /no tally store/ })
  t.notOk(existsSync(absent))
  await daemon.start()
  t.match(tallyd('fsck', '--store', daemon.store), { status: 2, stderr: /in use/ })
})

t.test('commands have a help of their own, and unknown ones are refused with the nearest', async t => {
  t.match(tallyd('fsck', '--help'), { status: 0, stdout: /^tallyd fsck: .*\n\n {2}tallyd fsck {2}/ })
  t.match(tallyd('--help').stdout, /tallyd fsck/)
  t.match(tallyd('fsk'), { status: 2, stderr: /did you mean fsck/ })
  t.match(tallyd('fsck', '--stoer', '/x'), { status: 2, stderr: /did you mean --store.*tallyd fsck --help/ })
  t.match(tallyd('fsck', 'extra'), { status: 2, stderr: /extra/ })
})
