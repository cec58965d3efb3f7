/** `tallyd export` beside a daemon that takes uploads and removals, and `tallyd import` of what came out. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startDaemon } from '../../support/daemon.ts'
import { chooseSeed, Random } from '../../support/random.ts'
import type { RawClient } from '../../support/raw-client.ts'
import { numberedChunk, TYPE } from '../../support/wire.ts'

const MAIN = join(import.meta.dirname, '../../../daemon/main.ts')
const CHUNK_BYTES = 65_536

function tallyd(...args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', env: { ...process.env, TALLY_STORE: '' } })
}

async function sendChunks(client: RawClient, fid: string, bytes: Buffer, chunks: number): Promise<void> {
  for (let chunk = 0; chunk < chunks; chunk++) {
    await client.sendChunk(numberedChunk(fid, 0, chunk), bytes.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES))
  }
}

t.test('an export taken during uploads and removals, imported: fsck is clean, all that was stored is there, what was under way goes on', async t => {
  const random = new Random(chooseSeed())
  t.comment(`TALLY_TEST_SEED=${random.seed}`)
  const daemon = await startDaemon(t)
  const client = await daemon.client()
  const put = async (size: number, chunks = Math.ceil(size / CHUNK_BYTES)) => {
    const fid = random.uuid()
    const bytes = random.bytes(size)
    await client.authenticate(daemon.token(), { fid, files: [{ name: fid, size }], 'chunk-size': CHUNK_BYTES, tags: ['t'] })
    await sendChunks(client, fid, bytes, chunks)
    return { fid, bytes }
  }
  const stored: Awaited<ReturnType<typeof put>>[] = []
  for (let i = 0; i < 10; i++) stored.push(await put(random.between(0, 500_000)))
  const doomed = [await put(300_000), await put(300_000)]
  const unfinished = await put(10 * CHUNK_BYTES, 6)
  const copy = join(daemon.directory, 'copy')
  const exporting = spawn(process.execPath, [MAIN, 'export', '--store', daemon.store, '--to', copy], { stdio: 'ignore' })
  let status: number | null | undefined
  exporting.once('exit', code => { status = code })
  for (let i = 0; status === undefined; i++) {
    await put(random.between(1, 200_000))
    const gone = i % 4 === 3 ? doomed.pop() : undefined
    if (gone !== undefined) await client.request(TYPE.remove, { fid: gone.fid })
  }
  t.equal(status, 0)
  await daemon.kill()
  const store = join(daemon.directory, 'imported')
  const imported = tallyd('import', '--from', copy, '--store', store, '--json')
  t.equal(imported.status, 0, imported.stdout + imported.stderr)
  t.equal(tallyd('fsck', '--store', store).status, 0)
  t.equal(statSync(store).mode & 0o777, 0o700)

  const other = await startDaemon(t, { store })
  const reader = await other.client()
  await reader.authenticate(other.token())
  for (const { fid, bytes } of stored) t.ok((await reader.fetch({ fid, file: 0 })).bytes.equals(bytes))
  const report = await reader.authenticate(other.token(), { fid: unfinished.fid })
  t.strictSame(report.files?.[0]?.missing, [[6, 4]])
  const answers = await Promise.all([6, 7, 8, 9].map(chunk =>
    reader.sendChunk(numberedChunk(unfinished.fid, 0, chunk), unfinished.bytes.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES))))
  t.match(answers.at(-1), { stored: { file: 0 } })
  t.ok((await reader.fetch({ fid: unfinished.fid, file: 0 })).bytes.equals(unfinished.bytes))
})

t.test('what was acknowledged is in an export during which the upload ends, and shares content that was there', { timeout: 300_000 }, async t => {
  const random = new Random(chooseSeed())
  t.comment(`TALLY_TEST_SEED=${random.seed}`)
  const daemon = await startDaemon(t)
  const client = await daemon.client()
  const bytes = random.bytes(10 * CHUNK_BYTES)
  const announce = async () => {
    const fid = random.uuid()
    await client.authenticate(daemon.token(), { fid, files: [{ name: fid, size: bytes.length }], 'chunk-size': CHUNK_BYTES })
    return fid
  }
  // Contents are copied first: enough of them, and the copy can be stopped before it comes to the unfinished file.
  const ballast = random.bytes(2 ** 20)
  for (let i = 0; i < 100; i++) {
    const fid = random.uuid()
    ballast.writeUInt32BE(i)
    await client.authenticate(daemon.token(), { fid, files: [{ name: 'ballast', size: ballast.length }], 'chunk-size': ballast.length })
    await client.sendChunk(numberedChunk(fid, 0, 0), ballast)
  }
  await sendChunks(client, await announce(), bytes, 10)
  const blobs = () => readdirSync(join(daemon.store, 'blobs', '000'))
  const whole = blobs()
  const ended = async (copy: string): Promise<string | undefined> => {
    const fid = await announce()
    await sendChunks(client, fid, bytes, 6)
    const blob = blobs().find(name => !whole.includes(name)) as string
    const exporting = spawn(process.execPath, [MAIN, 'export', '--store', daemon.store, '--to', copy], { stdio: 'ignore' })
    const exited = new Promise(resolve => exporting.once('exit', resolve))
    const copied = join(copy, 'blobs', '000')
    while (!existsSync(copied) && exporting.exitCode === null) await sleep(1)
    exporting.kill('SIGSTOP')
    for (let chunk = 6; chunk < 10; chunk++) {
      await client.sendChunk(numberedChunk(fid, 0, chunk), bytes.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES))
    }
    while (blobs().includes(blob)) await sleep(50)
    const isBefore = existsSync(copied) && !readdirSync(copied).includes(blob)
    exporting.kill('SIGCONT')
    t.equal(await exited, 0)
    return isBefore ? fid : undefined
  }
  let fid: string | undefined
  let copy = ''
  for (let round = 0; fid === undefined && round < 20; round++) fid = await ended(copy = join(daemon.directory, `copy ${round}`))
  if (fid === undefined) throw new Error('the copy was always faster')
  await daemon.kill()
  const store = join(daemon.directory, 'imported')
  t.match(tallyd('import', '--from', copy, '--store', store), { status: 0 })
  const other = await startDaemon(t, { store })
  const reader = await other.client()
  t.strictSame((await reader.authenticate(other.token(), { fid })).files?.[0]?.missing, [[6, 4]])
  for (let chunk = 6; chunk < 10; chunk++) {
    await reader.sendChunk(numberedChunk(fid, 0, chunk), bytes.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES))
  }
  t.ok((await reader.fetch({ fid, file: 0 })).bytes.equals(bytes))
})

t.test('an import names what is damaged in the export, and exit code 1 says so', async t => {
  const daemon = await startDaemon(t)
  const client = await daemon.client()
  const fid = new Random(chooseSeed()).uuid()
  await client.authenticate(daemon.token(), { fid, files: [{ name: 'a', size: 1000 }], 'chunk-size': 1000 })
  t.equal((await client.sendChunk(numberedChunk(fid, 0, 0), Buffer.alloc(1000, 7))).response, 'Ok')
  const copy = join(daemon.directory, 'copy')
  t.equal(tallyd('export', '--store', daemon.store, '--to', copy).status, 0)
  writeFileSync(join(copy, 'blobs', '000', readdirSync(join(copy, 'blobs', '000'))[0] as string), Buffer.alloc(1000, 8))
  t.match(tallyd('import', '--from', copy, '--store', join(daemon.directory, 'imported')), { status: 1, stdout: /damaged {2}\S+\/0 {2}"a"/ })
})

t.test('neither writes into what is not empty, nor copies what is no store', async t => {
  const daemon = await startDaemon(t)
  const full = join(daemon.directory, 'full')
  mkdirSync(full)
  writeFileSync(join(full, 'diary'), 'x')
  t.match(tallyd('export', '--store', daemon.store, '--to', full), { status: 2, stderr: /not empty/ })
  t.match(tallyd('import', '--from', daemon.store, '--store', full), { status: 2, stderr: /not empty/ })
  t.match(tallyd('import', '--from', full, '--store', join(daemon.directory, 'new')), { status: 2, stderr: /no tally store/ })
  t.notOk(existsSync(join(daemon.directory, 'new')))
  t.match(tallyd('export', '--store', daemon.store), { status: 2, stderr: /--to/ })
  t.match(tallyd('import'), { status: 2, stderr: /--from/ })
  t.equal(readFileSync(join(full, 'diary'), 'utf8'), 'x')
})

t.test('no copy is written into the store itself, also through a link, and nothing is made there', async t => {
  const daemon = await startDaemon(t)
  await daemon.kill('SIGTERM')
  const link = join(daemon.directory, 'link')
  symlinkSync(join(daemon.store, 'blobs'), link)
  const before = readdirSync(daemon.store, { recursive: true })
  for (const to of [daemon.store, join(daemon.store, 'copy'), join(daemon.store, 'blobs', 'deep', 'copy'), join(link, 'copy'), link]) {
    t.match(tallyd('export', '--store', daemon.store, '--to', to), { status: 2, stderr: `tallyd: ${to} lies in the store ${daemon.store}` })
    t.match(tallyd('import', '--from', daemon.store, '--store', to), { status: 2, stderr: `tallyd: ${to} lies in the store ${daemon.store}` })
  }
  t.strictSame(readdirSync(daemon.store, { recursive: true }), before)
  const beside = `${daemon.store}-copy`
  t.match(tallyd('export', '--store', daemon.store, '--to', beside), { status: 0 })
})

t.test('a directory where nothing can be made is told as such: the daemon does not try for ever', async t => {
  const daemon = await startDaemon(t)
  await daemon.kill('SIGTERM')
  const nowhere = '/proc/tally-test/copy'
  const started = spawnSync(process.execPath, [MAIN, '--store', nowhere, '--secret-file', daemon.secretFile], { encoding: 'utf8', timeout: 20_000, killSignal: 'SIGKILL' })
  t.equal(started.status, 1)
  t.match(started.stderr, `tallyd: the store's directory ${nowhere} cannot be made: the file system lets nothing be made there\n`)
  const listening = ['--socket', '/proc/tally-test/sock', '--store', daemon.store, '--secret-file', daemon.secretFile]
  t.equal(spawnSync(process.execPath, [MAIN, ...listening], { timeout: 20_000, killSignal: 'SIGKILL' }).status, 1)
  const copied = spawnSync(process.execPath, [MAIN, 'export', '--store', daemon.store, '--to', nowhere], { encoding: 'utf8', timeout: 20_000, killSignal: 'SIGKILL' })
  t.match(copied, { status: 2, stderr: `the copy in ${nowhere} could not be finished: the file system lets nothing be made there; ` })
})
