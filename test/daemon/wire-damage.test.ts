/**
 * What a client sees of stored bytes that changed on the disk: no wrong byte is sent, the refusal names the file, and what is whole is
 * served on.
 */
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'
import { chooseSeed, Random } from '../support/random.ts'
import type { Answer, RawClient } from '../support/raw-client.ts'
import { numberedChunk, TYPE, type Fields } from '../support/wire.ts'

const BLOCK_BYTES = 262_144
const CHUNK_BYTES = 32_768

interface Stored {
  readonly daemon: TestDaemon
  readonly client: RawClient
  readonly fid: string
  readonly contents: readonly Buffer[]
  readonly random: Random
  announce(fields?: Fields): Promise<Answer>
  blobOf(file: number): string
}

/** A running daemon that has stored files of these sizes. */
async function storeFiles(t: Test, sizes: readonly number[], durability: 'power' | 'process' = 'process'): Promise<Stored> {
  const random = new Random(chooseSeed())
  t.comment(`TALLY_TEST_SEED=${random.seed}`)
  const daemon = await startDaemon(t, { durability })
  const client = await daemon.client()
  const fid = random.uuid()
  const contents = sizes.map(size => random.bytes(size))
  const files = sizes.map((size, number) => ({ name: `file ${number}`, size }))
  const announce = (fields: Fields = {}) => client.authenticate(daemon.token(), { fid, files, 'chunk-size': CHUNK_BYTES, ...fields })
  await announce()
  for (const [number, bytes] of contents.entries()) {
    const answers = Array.from({ length: Math.ceil(bytes.length / CHUNK_BYTES) }, (_, chunk) =>
      client.sendChunk(numberedChunk(fid, number, chunk), bytes.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES)))
    t.ok((await Promise.all(answers)).every(({ response }) => response === 'Ok'), `${answers.length} chunks of file ${number}`)
  }
  return { daemon, client, fid, contents, random, announce, blobOf: file => join(daemon.store, 'blobs', '000', (file + 1).toString(16).padStart(8, '0')) }
}

function flipBit(file: string, offset: number): void {
  const bytes = readFileSync(file)
  bytes[offset] = (bytes[offset] as number) ^ 1
  writeFileSync(file, bytes)
}

for (const chunkSize of [1000, 65_536, 1_048_576]) {
  t.test(`FETCH in chunks of ${chunkSize} gives the bytes, whole and in part, of large and small files`, async t => {
    const { client, fid, contents } = await storeFiles(t, [3 * BLOCK_BYTES + 77, BLOCK_BYTES, 5, 0])
    for (const [file, bytes] of contents.entries()) {
      const fetched = await client.fetch({ fid, file }, chunkSize)
      t.ok(fetched.bytes.equals(bytes), `file ${file}`)
    }
    const part = await client.fetch({ fid, file: 0, offset: BLOCK_BYTES - 1, length: 2 }, chunkSize)
    const from = Math.floor((BLOCK_BYTES - 1) / chunkSize) * chunkSize
    const to = Math.ceil((BLOCK_BYTES + 1) / chunkSize) * chunkSize
    t.ok(part.bytes.subarray(from, to).equals((contents[0] as Buffer).subarray(from, to)))
  })
}

t.test('one flipped bit: not a byte of its block is sent, and soon nothing of the file', async t => {
  const { client, fid, contents, blobOf } = await storeFiles(t, [4 * BLOCK_BYTES, 1000])
  flipBit(blobOf(0), 2 * BLOCK_BYTES + 12_345)
  const first = await fetchCounting(client, fid, 0)
  t.match(first.answer, { response: 'Error', code: 'content-damaged', file: 0 })
  t.ok(first.chunks <= 2 * BLOCK_BYTES / CHUNK_BYTES, `${first.chunks} chunks came before the damage`)
  const untilMs = Date.now() + 60_000
  let refused = first
  // Once the damage is written down, a FETCH is refused before anything is sent.
  while (refused.chunks > 0 && Date.now() < untilMs) refused = await fetchCounting(client, fid, 0)
  t.match(refused, { answer: { response: 'Error', code: 'content-damaged', file: 0 }, chunks: 0 })
  t.ok((await client.fetch({ fid, file: 1 })).bytes.equals(contents[1] as Buffer), 'another file is served on')
})

for (const [what, harm] of [
  ['a flipped bit of a small file', (blob: string) => flipBit(blob, 3)],
  ['a short blob', (blob: string) => truncateSync(blob, 100)],
  ['an absent blob', (blob: string) => rmSync(blob)],
] as const) {
  t.test(`${what} is content-damaged, also after a restart`, async t => {
    const { daemon, client, fid, blobOf } = await storeFiles(t, [1000])
    harm(blobOf(0))
    t.match((await client.fetch({ fid, file: 0 })).answer, { response: 'Error', code: 'content-damaged', file: 0 })
    await daemon.restart()
    const again = await daemon.client()
    await again.authenticate(daemon.token())
    t.match((await again.fetch({ fid, file: 0 })).answer, { response: 'Error', code: 'content-damaged', file: 0 })
  })
}

t.test('one bit of 100 MB: sending it again moves one block, and then it is fetched', { timeout: 300_000 }, async t => {
  const bytes = 400 * BLOCK_BYTES
  const { daemon, client, fid, contents, announce, blobOf } = await storeFiles(t, [bytes, BLOCK_BYTES])
  flipBit(blobOf(0), 123 * BLOCK_BYTES + 4567)
  t.match((await client.fetch({ fid, file: 0 })).answer, { code: 'content-damaged' })
  let report: Answer
  // The check of the whole content runs in the background.
  do report = await announce(); while (report.files?.[0]?.state === 'stored')
  const first = 123 * BLOCK_BYTES / CHUNK_BYTES
  const count = BLOCK_BYTES / CHUNK_BYTES
  t.match(report.files, [{ state: 'receiving', missing: [[first, count]] }, { state: 'stored', missing: [] }])
  t.equal(report.files?.[0]?.missing.length, 1)
  t.match((await client.fetch({ fid, file: 0 })).answer, { code: 'content-damaged' }, 'not before it is whole')
  await daemon.restart()
  const again = await daemon.client()
  const resumed = await again.authenticate(daemon.token(), { fid })
  t.strictSame(resumed.files?.[0]?.missing, [[first, count]], 'the repair outlives the daemon')
  const before = again.socket.bytesWritten
  for (let chunk = first; chunk < first + count; chunk++) {
    const answer = await again.sendChunk(numberedChunk(fid, 0, chunk), (contents[0] as Buffer).subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES))
    t.match(answer, chunk < first + count - 1 ? { response: 'Ok' } : { response: 'Ok', stored: { file: 0 } })
  }
  const moved = again.socket.bytesWritten - before
  t.ok(moved < BLOCK_BYTES + 10_000, `${moved} bytes were sent`)
  t.ok((await again.fetch({ fid, file: 0 }, 1_048_576)).bytes.equals(contents[0] as Buffer))
  t.match(await again.authenticate(daemon.token(), { fid }), { files: [{ state: 'stored', missing: [] }, { state: 'stored' }] })
})

t.test('a repair with other bytes is a digest-mismatch, spoils nothing, and asks for all chunks then', async t => {
  const { daemon, client, fid, contents, announce, blobOf } = await storeFiles(t, [4 * BLOCK_BYTES])
  const bytes = contents[0] as Buffer
  flipBit(blobOf(0), BLOCK_BYTES)
  await client.fetch({ fid, file: 0 })
  let report: Answer
  do report = await announce(); while (report.files?.[0]?.state === 'stored')
  const blob = readFileSync(blobOf(0))
  const perBlock = BLOCK_BYTES / CHUNK_BYTES
  const wrong = Array.from({ length: perBlock }, (_, i) => client.sendChunk(numberedChunk(fid, 0, perBlock + i), Buffer.alloc(CHUNK_BYTES)))
  t.match((await Promise.all(wrong)).at(-1), { response: 'Error', code: 'digest-mismatch' })
  t.ok(readFileSync(blobOf(0)).equals(blob))
  t.strictSame((await announce()).files?.[0]?.missing, [[0, 4 * perBlock]])
  const right = Array.from({ length: 4 * perBlock }, (_, i) => client.sendChunk(numberedChunk(fid, 0, i), bytes.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES)))
  t.match((await Promise.all(right)).at(-1), { response: 'Ok', stored: { file: 0 } })
  t.ok((await client.fetch({ fid, file: 0 })).bytes.equals(bytes))
  await daemon.kill('SIGTERM')
})

t.test('an absent file is asked for whole; the same content under another fid makes it whole, too', async t => {
  const { daemon, client, fid, contents, announce, blobOf } = await storeFiles(t, [2 * BLOCK_BYTES])
  rmSync(blobOf(0))
  await client.fetch({ fid, file: 0 })
  let report: Answer
  do report = await announce(); while (report.files?.[0]?.state === 'stored')
  t.strictSame(report.files?.[0]?.missing, [[0, 2 * BLOCK_BYTES / CHUNK_BYTES]])
  const other = '00000000-0000-4000-8000-000000000001'
  await client.authenticate(daemon.token(), { fid: other, files: [{ name: 'other', size: 2 * BLOCK_BYTES }], 'chunk-size': BLOCK_BYTES })
  for (const chunk of [0, 1]) {
    const answer = await client.sendChunk(numberedChunk(other, 0, chunk), (contents[0] as Buffer).subarray(chunk * BLOCK_BYTES, (chunk + 1) * BLOCK_BYTES))
    t.equal(answer.response, 'Ok')
  }
  for (const wanted of [fid, other]) t.ok((await client.fetch({ fid: wanted, file: 0 })).bytes.equals(contents[0] as Buffer))
  t.match((await announce()).files, [{ state: 'stored', missing: [] }])
})

t.test('WHY says which bytes of which file are damaged and what to do, how far a repair is, and nothing more once it is whole', async t => {
  const { daemon, client, fid, contents, announce, blobOf } = await storeFiles(t, [3 * BLOCK_BYTES + 77, BLOCK_BYTES, 1000])
  const admin = await daemon.client()
  t.teardown(() => admin.destroy())
  await admin.authenticate(daemon.token({ sub: 'root', scope: 'admin' }))
  const why = async () => ((await admin.request(TYPE.why, { user: 'ada', fid }))['result'] as { because: string[] }).because
  const sound = ['The transfer has 3 files: 3 stored, 0 removed, 0 not finished.', 'Nothing is missing.']
  t.strictSame(await why(), sound)
  for (const offset of [BLOCK_BYTES, 3 * BLOCK_BYTES + 76]) flipBit(blobOf(0), offset)
  flipBit(blobOf(2), 0)
  for (const file of [0, 2]) t.equal((await client.fetch({ fid, file })).answer.code, 'content-damaged')
  const damage = [
    'File 0 "file 0" is stored, but its content is damaged: bytes 262144–524287, 786432–786508 of 786509.',
    'File 2 "file 2" is stored, but its content is damaged: bytes 0–999 of 1000.',
  ] as const
  const repaired = 'It cannot be fetched until it is repaired: put the same file again, and only its damaged blocks are sent.'
  let told = await why()
  // The contents are read whole in the background.
  for (const untilMs = Date.now() + 60_000; told.length < 3 && Date.now() < untilMs;) told = await why()
  t.strictSame(told, [sound[0], `${damage[0]} ${repaired}`, `${damage[1]} ${repaired}`])
  await announce()
  const perBlock = BLOCK_BYTES / CHUNK_BYTES
  const goOn = 'Put the same file again to go on with it.'
  const [, first, second, ...rest] = await why()
  t.equal(first, `${damage[0]} A repair is under way and lacks ${perBlock + 1} chunks: ${perBlock} to ${2 * perBlock - 1}, ${3 * perBlock}. ${goOn}`)
  t.equal(second, `${damage[1]} A repair is under way and lacks 1 chunk: 0. ${goOn}`)
  t.match(rest, ['It is open on 1 connection.', /^The last chunk came \d+ s ago; without another one the repair is given up in 7\.0 days\.$/])
  const send = (file: number, chunk: number) =>
    client.sendChunk(numberedChunk(fid, file, chunk), (contents[file] as Buffer).subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES))
  t.ok((await send(2, 0)).stored)
  for (let chunk = perBlock; chunk < 2 * perBlock; chunk++) await send(0, chunk)
  t.match(await why(), [sound[0], `${damage[0]} A repair is under way and lacks 1 chunk: ${3 * perBlock}. ${goOn}`, /./, /./])
  t.ok((await send(0, 3 * perBlock)).stored)
  t.strictSame(await why(), sound)
})

t.test('WHY of a damaged file that came in opaque chunks asks for another fid', async t => {
  const daemon = await startDaemon(t)
  const client = await daemon.client()
  t.teardown(() => client.destroy())
  const fid = '3f2504e0-4f89-41d3-9a0c-0305e82c3301'
  await client.authenticate(daemon.token({ sub: 'ada', scope: 'put get admin' }), { fid, files: [{ name: 'a', size: 1000 }] })
  t.equal((await client.sendChunk('11111111-2222-4333-8444-555555555555', Buffer.alloc(1000))).response, 'Ok')
  flipBit(join(daemon.store, 'blobs', '000', '00000001'), 3)
  t.equal((await client.fetch({ fid, file: 0 })).answer.code, 'content-damaged')
  const why = async () => ((await client.request(TYPE.why, { user: 'ada', fid }))['result'] as { because: string[] }).because
  let told = await why()
  for (const untilMs = Date.now() + 60_000; told[1] === 'Nothing is missing.' && Date.now() < untilMs;) told = await why()
  t.strictSame(told.slice(1), ['File 0 "a" is stored, but its content is damaged: bytes 0–999 of 1000. ' +
    'It cannot be fetched until it is repaired: put the same content again, under another fid.'])
})

for (const durability of ['power', 'process'] as const) {
  t.test(`killed at any moment of a repair, durability ${durability}: no acknowledged chunk is asked for again, and it ends whole`, async t => {
    const { daemon, fid, contents, blobOf, random, ...first } = await storeFiles(t, [8 * BLOCK_BYTES], durability)
    const bytes = contents[0] as Buffer
    for (const block of [0, 3, 4, 7]) flipBit(blobOf(0), block * BLOCK_BYTES + 77)
    t.match((await first.client.fetch({ fid, file: 0 })).answer, { code: 'content-damaged' })
    do { /* the check runs in the background */ } while ((await first.announce()).files?.[0]?.state === 'stored')
    const acknowledged = new Set<number>()
    let kills = 0
    for (let isStored = false; !isStored && kills < 40; kills++) {
      await daemon.restart()
      const client = await daemon.client()
      const report = (await client.authenticate(daemon.token(), { fid })).files?.[0]
      isStored = report?.state === 'stored'
      const missing = (report?.missing ?? []).flatMap(([chunk, count]) => Array.from({ length: count }, (_, i) => chunk + i))
      t.strictSame(missing.filter(chunk => acknowledged.has(chunk)), [])
      // All are there: it is killed in the middle of finishing, or that is waited for.
      while (missing.length === 0 && !isStored && kills % 3 === 2) {
        isStored = (await client.authenticate(daemon.token(), { fid })).files?.[0]?.state === 'stored'
      }
      const sent = missing.slice(0, random.between(4, 16))
      // Killed with so many answered; every third time all, so that it gets somewhere.
      const answered = kills % 3 === 2 ? sent.length : random.between(0, sent.length)
      let left = answered
      await new Promise<void>(enough => {
        if (left === 0) enough()
        for (const chunk of sent) {
          const data = bytes.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES)
          void client.sendChunk(numberedChunk(fid, 0, chunk), data).then(answer => {
            t.equal(answer.response, 'Ok')
            acknowledged.add(chunk)
            if (--left === 0) enough()
          }, () => undefined)
        }
      })
    }
    t.comment(`${kills} kills`)
    const client = await daemon.client()
    await client.authenticate(daemon.token())
    t.ok((await client.fetch({ fid, file: 0 })).bytes.equals(bytes))
    await daemon.kill('SIGTERM')
  })
}

/** The last answer of a FETCH, and how many chunks came before it. */
async function fetchCounting(client: RawClient, fid: string, file: number): Promise<{ answer: Answer; chunks: number }> {
  const before = client.bytesRead
  const { answer } = await client.fetch({ fid, file }, CHUNK_BYTES)
  return { answer, chunks: Math.floor((client.bytesRead - before) / CHUNK_BYTES) }
}

t.test('the blob of an unfinished file that is gone: its chunks are missing again, and the file can be finished', async t => {
  const random = new Random(chooseSeed())
  t.comment(`TALLY_TEST_SEED=${random.seed}`)
  const daemon = await startDaemon(t)
  const client = await daemon.client()
  const [fid, bytes] = [random.uuid(), random.bytes(3 * 65_536)]
  const announced = { fid, files: [{ name: 'a', size: bytes.length }], 'chunk-size': 65_536 }
  const send = (to: typeof client, chunk: number) => to.sendChunk(numberedChunk(fid, 0, chunk), bytes.subarray(chunk * 65_536, (chunk + 1) * 65_536))
  await client.authenticate(daemon.token(), announced)
  for (const chunk of [1, 2]) t.equal((await send(client, chunk)).response, 'Ok')
  await daemon.kill()
  rmSync(join(daemon.store, 'blobs', '000', '00000001'))
  await daemon.start()
  const again = await daemon.client()
  await again.authenticate(daemon.token(), announced)
  t.match(await send(again, 0), { response: 'Error', code: 'digest-mismatch' })
  t.strictSame((await again.authenticate(daemon.token(), announced)).files?.[0]?.missing, [[0, 3]])
  for (const chunk of [0, 1]) t.equal((await send(again, chunk)).response, 'Ok')
  t.match(await send(again, 2), { stored: { file: 0 } })
  t.ok((await again.fetch({ fid, file: 0 })).bytes.equals(bytes))
})
