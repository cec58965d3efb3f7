/**
 * Holds "The store by hand" of docs/guarantees.md to real stores: its queries and shell recipes, taken from the page, get every byte out of
 * the copy of a store whose daemon was killed, or stopped in order. Receipts are decoded here by the words of the page, not by our code.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite'
import t, { type Test } from 'tap'
import { ChunkSet } from '../../protocol/chunk-set.ts'
import { SCHEMA } from '../../daemon/storage/local/schema.ts'
import { STORE_VERSION } from '../../daemon/storage/local/version.ts'
import { startDaemon } from '../support/daemon.ts'
import { chooseSeed, Random } from '../support/random.ts'
import { numberedChunk } from '../support/wire.ts'
import { type Block, blocks, readPage, table } from './page.ts'

type Row = Record<string, SQLOutputValue>

const page = readPage('guarantees.md')
const named = (word: string, name: string): string => (blocks(page, word).find(({ label }) => label === `${word} ${name}`) as Block).text
const skip = spawnSync('sqlite3', ['--version']).status === 0 ? false : 'there is no sqlite3 here'
const CHUNK_BYTES = 16_384

for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
  t.test(`the queries of the page find every file and byte after ${signal}`, async t => {
    const { store, files, unfinished } = await makeStore(t, signal)
    const database = new DatabaseSync(join(store, 'catalog.db'), { readOnly: true })
    t.teardown(() => database.close())
    const stored = database.prepare(named('sql', 'stored')).all() as Row[]
    t.strictSame(stored.map(({ name }) => name), files.map(({ name }) => name))
    for (const [index, { name, bytes }] of files.entries()) {
      const row = stored[index] as Row
      t.match(row, { user: 'ada', size: bytes.length, digest: `sha256:${sha256(bytes)}` }, name)
      if (bytes.length === 0) t.equal(row['path'], null)
      else t.ok(readFileSync(join(store, row['path'] as string)).subarray(0, bytes.length).equals(bytes), `${name} is in ${row['path']}`)
    }
    t.equal(stored[0]?.['path'], stored[1]?.['path'], 'equal content is there once')

    const rows = database.prepare(named('sql', 'unfinished')).all() as Row[]
    t.equal(rows.length, 1)
    const row = rows[0] as Row
    t.match(row, { name: 'unfinished', size: unfinished.bytes.length, chunk_size: CHUNK_BYTES, held: 3, received: 19 * CHUNK_BYTES })
    t.strictSame(chunksOf(row['receipts'] as string), unfinished.chunks)
    const blob = readFileSync(join(store, row['path'] as string))
    for (const { offset, bytes } of database.prepare('SELECT offset, bytes FROM held WHERE file = ?').all(row['id'] as number)) {
      const expected = unfinished.bytes.subarray(offset as number, (offset as number) + CHUNK_BYTES)
      t.ok(expected.equals(bytes as Uint8Array), 'held bytes')
    }
    for (const chunk of unfinished.chunks.slice(0, 5)) {
      const at = chunk * CHUNK_BYTES
      t.ok(blob.subarray(at, at + CHUNK_BYTES).equals(unfinished.bytes.subarray(at, at + CHUNK_BYTES)), `chunk ${chunk} is in the blob`)
    }
  })

  t.test(`the shell recipes of the page get the bytes out after ${signal}`, { skip }, async t => {
    const { store, files, unfinished } = await makeStore(t, signal)
    const out = join(store, '..', 'out')
    mkdirSync(out)
    const env = { ...process.env, STORE: store, OUT: out }
    const run = (script: string) => spawnSync('sh', ['-eu', '-c', script], { env, encoding: 'utf8' })
    t.match(run(named('sh', 'stored')), { status: 0, stderr: '', stdout: '' })
    const got = readdirSync(out).sort((a, b) => Number(a) - Number(b)).map(name => readFileSync(join(out, name)))
    t.strictSame(got.map(sha256), files.filter(({ bytes }) => bytes.length > 0).map(({ bytes }) => sha256(bytes)))
    rmSync(out, { recursive: true })
    mkdirSync(out)
    t.match(run(named('sh', 'unfinished')), { status: 0, stderr: '', stdout: '' })
    const [name] = readdirSync(out).filter(name => name !== 'held')
    const bytes = readFileSync(join(out, name as string))
    for (const chunk of unfinished.chunks) {
      const at = chunk * CHUNK_BYTES
      t.ok(bytes.subarray(at, at + CHUNK_BYTES).equals(unfinished.bytes.subarray(at, at + CHUNK_BYTES)), `chunk ${chunk}`)
    }
  })
}

t.test('the examples of receipts mean what the page says, to our decoder and to one made from its words', t => {
  const rows = table(page, '| bytes of a page |')
  t.equal(rows.length, 4)
  for (const [cell = '', meaning = ''] of rows) {
    const [hex = '', zeros] = cell.split(', then ')
    let bytes = Buffer.from(hex.replace(/[` ]/g, ''), 'hex')
    if (zeros !== undefined) bytes = Buffer.concat([bytes, Buffer.alloc(Number(zeros.replace(/ .*$/, '').replace(',', '')))])
    const chunks = meaning.split(', ').flatMap(run => {
      const [first, last = first] = run.split('–').map(Number) as [number, number?]
      return Array.from({ length: last - first + 1 }, (_, i) => first + i)
    })
    const set = ChunkSet.fromPages([{ page: 0, bytes }])
    t.strictSame([...set.runs()].flatMap(([first, count]) => Array.from({ length: count }, (_, i) => first + i)), chunks, meaning)
    t.strictSame(chunksOf(`0:${bytes.toString('hex')}`), chunks, meaning)
  }
  t.end()
})

t.test('the tables and files that the page names are those of the store', async t => {
  const { store } = await makeStore(t, 'SIGKILL')
  const tables = [...SCHEMA.matchAll(/CREATE TABLE (\w+)/g)].map(([, name]) => name)
  const described = table(page, '| table | a row is |').flatMap(([cell = '']) => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name))
  t.strictSame(described.sort(), tables.sort())
  t.equal(readFileSync(join(store, 'version'), 'utf8'), `${STORE_VERSION}\n`)
  t.match(page, `from format ${STORE_VERSION}`)
  const files = table(page, '| in the store |').map(([cell = '']) => cell).join(' ')
  for (const name of readdirSync(store)) t.ok(files.includes(`\`${name}`), `${name} stands in the page`)
  t.end()
})

/** The copy of a store with stored files (two of equal content, one of nothing), and one with sixteen chunks in its blob and three held. */
async function makeStore(t: Test, signal: NodeJS.Signals) {
  const random = new Random(chooseSeed())
  t.comment(`TALLY_TEST_SEED=${random.seed}`)
  const daemon = await startDaemon(t, { durability: 'power' })
  const client = await daemon.client()
  const same = random.bytes(100_000)
  const files = [
    { name: 'one', bytes: same },
    { name: 'the same\n"again"', bytes: same },
    { name: 'nothing', bytes: Buffer.alloc(0) },
    { name: 'small', bytes: random.bytes(5) },
  ]
  const fid = random.uuid()
  const announced = files.map(({ name, bytes }) => ({ name, size: bytes.length }))
  await client.authenticate(daemon.token(), { fid, files: announced, 'chunk-size': CHUNK_BYTES })
  for (const [file, { bytes }] of files.entries()) {
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      const answer = await client.sendChunk(numberedChunk(fid, file, at / CHUNK_BYTES), bytes.subarray(at, at + CHUNK_BYTES))
      t.equal(answer.response, 'Ok')
    }
  }
  const unfinished = { bytes: random.bytes(30 * CHUNK_BYTES), chunks: [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 17, 18, 20, 23, 25] }
  const other = random.uuid()
  const lacking = [{ name: 'unfinished', size: unfinished.bytes.length }]
  await client.authenticate(daemon.token(), { fid: other, files: lacking, 'chunk-size': CHUNK_BYTES })
  for (const chunk of unfinished.chunks) {
    const data = unfinished.bytes.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES)
    t.equal((await client.sendChunk(numberedChunk(other, 0, chunk), data)).response, 'Ok')
    // 256 KiB are held: they move to the blob beside the answers, which a report waits for; the next mark releases them.
    if (chunk === unfinished.chunks[15]) await client.authenticate(daemon.token(), { fid: other, files: lacking })
  }
  // Another user's files are there, too, and are not to be found under this one's name.
  await client.authenticate(daemon.token({ sub: 'bob' }), { files: [{ name: 'of bob', size: 0 }] })
  await daemon.kill(signal)
  const directory = mkdtempSync(join(tmpdir(), 'tally-copy-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const store = join(directory, 'store')
  cpSync(daemon.store, store, { recursive: true })
  t.ok(existsSync(join(store, 'catalog.db')))
  return { store, files, unfinished }
}

/** `page:hex page:hex …` as chunk numbers, by the words of the page. */
function chunksOf(receipts: string): number[] {
  return receipts.split(' ').flatMap(receipt => {
    const [number = '', hex = ''] = receipt.split(':')
    const bytes = Buffer.from(hex, 'hex')
    const chunks = bytes[0] === 2 ? fromBitmap(bytes.subarray(1)) : fromRuns(bytes.subarray(1))
    return chunks.map(chunk => Number(number) * 16_384 + chunk)
  })
}

function fromBitmap(bytes: Buffer): number[] {
  return Array.from({ length: 16_384 }, (_, i) => i).filter(i => ((bytes[Math.floor(i / 8)] as number) >> (i % 8)) % 2 === 1)
}

function fromRuns(bytes: Buffer): number[] {
  const numbers: number[] = []
  let value = 0
  let scale = 1
  for (const byte of bytes) {
    value += (byte % 128) * scale
    scale *= 128
    if (byte >= 128) continue
    numbers.push(value)
    value = 0
    scale = 1
  }
  const chunks: number[] = []
  let at = 0
  for (let i = 0; i < numbers.length; i += 2) {
    at += numbers[i] as number
    for (let count = numbers[i + 1] as number; count > 0; count--) chunks.push(at++)
  }
  return chunks
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
