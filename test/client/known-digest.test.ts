/**
 * Content that the user has stored already, put again from elsewhere: nothing of it is sent, and nothing is read twice where that would
 * not pay. What was sent is counted at the daemon.
 */
import { createHash } from 'node:crypto'
import {
  appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, truncateSync, utimesSync, writeFileSync,
} from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type ClientEvent, type FoundFile, type PutOptions, type Tally, TallyError, connect } from '../../client/index.ts'
import { MESSAGE_TYPE } from '../../protocol/index.ts'
import { TestDaemon } from '../support/daemon.ts'
import { contentOf } from '../support/random.ts'
import { type FakeDaemon, fakeDaemon } from './fake-daemon.ts'

const MB = 1_000_000
const SIZE_BYTES = 5 * MB + 7

interface Setting {
  readonly daemon: TestDaemon
  readonly tally: Tally
  /** A path in a directory of its own. */
  path(directory: string, name?: string): string
  /** With what it told, and how many chunks the daemon took meanwhile. */
  put(content: string | Uint8Array, options?: PutOptions): Promise<Put>
}

interface Put {
  readonly sentBytes: number
  readonly fid: string
  readonly digest: string
  readonly hashedFirst: boolean
  readonly chunks: number
}

async function setUp(t: Test, args: readonly string[] = [], scope?: string): Promise<Setting> {
  const metrics = join(mkdtempSync(join(tmpdir(), 'tally-known-')), 'metrics.sock')
  const daemon = new TestDaemon({ args: ['--metrics', `unix:${metrics}`, '--scrub-rate', '0', ...args] })
  t.teardown(() => daemon.dispose())
  await daemon.start()
  while (!daemon.stderr.includes('tallyd is ready')) await new Promise(resolve => setTimeout(resolve, 5))
  const who = scope === undefined ? { secretFile: daemon.secretFile } : { token: daemon.token({ sub: 'ada', scope }) }
  const tally = await connect({ socket: daemon.socket, ...who })
  t.teardown(() => tally.close())
  const root = folder(t)
  return {
    daemon,
    tally,
    path: (directory, name = 'film.mkv') => {
      mkdirSync(join(root, directory), { recursive: true })
      return join(root, directory, name)
    },
    put: async (content, options = {}) => {
      const before = await chunksTaken(metrics)
      const events: ClientEvent[] = []
      const { sentBytes, fid, digest } = await tally.put(content, { ...options, onEvent: event => events.push(event) })
      const hashedFirst = events.some(({ type }) => type === 'hashing')
      return { sentBytes, fid, digest, hashedFirst, chunks: await chunksTaken(metrics) - before }
    },
  }
}

function folder(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'tally-known-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  return directory
}

function chunksTaken(socketPath: string): Promise<number> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path: '/metrics', agent: false }, response => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => { text += part })
      response.on('end', () => resolve(Number(/^tally_chunks_total (\d+)$/m.exec(text)?.[1])))
    }).on('error', reject).end()
  })
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

async function bytesOf(tally: Tally, fid: string): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of tally.stream({ fid, file: 0 })) parts.push(part)
  return Buffer.concat(parts)
}

t.test('a file that is put again from another directory is stored at once: not a chunk of it is sent', async t => {
  const { tally, path, put } = await setUp(t)
  const bytes = contentOf(1, SIZE_BYTES)
  writeFileSync(path('a'), bytes)
  const first = await put(path('a'))
  t.match(first, { hashedFirst: false, digest: digestOf(bytes), sentBytes: SIZE_BYTES, chunks: 20 })
  cpSync(path('a'), path('b'))
  const second = await put(path('b'), { tags: ['again'] })
  t.match(second, { hashedFirst: true, digest: digestOf(bytes), sentBytes: 0, chunks: 0 })
  t.not(second.fid, first.fid)
  t.ok((await bytesOf(tally, second.fid)).equals(bytes))
  t.match(await Array.fromAsync(tally.find({ tags: ['again'] })), [{ fid: second.fid, name: 'film.mkv', sizeBytes: SIZE_BYTES }])
  t.match(await put(path('b')), { hashedFirst: false, fid: second.fid, sentBytes: 0, chunks: 0 }, 'its transfer is known: nothing is hashed')
  await tally.remove({ fid: second.fid })
  t.match(await put(path('b')), { hashedFirst: true, sentBytes: 0, chunks: 0 }, 'as a new transfer')
})

t.test('one that was renamed is known by its time, one within a tree by its last name, a blob by its name', async t => {
  const { path, put } = await setUp(t)
  const bytes = contentOf(2, SIZE_BYTES)
  writeFileSync(path('a'), bytes)
  await put(path('a'), { name: 'tree/x/film.mkv' })
  renameSync(path('a'), path('b', 'other'))
  t.match(await put(path('b', 'other')), { hashedFirst: true, chunks: 0 })
  writeFileSync(path('c'), bytes)
  utimesSync(path('c'), 1, 1)
  t.match(await put(path('c')), { hashedFirst: true, chunks: 0 })
  t.match(await put(bytes, { name: 'up/film.mkv' }), { sentBytes: 0, chunks: 0 })
})

t.test('what only has a size in common with what is stored is not read twice, unless that is asked for', async t => {
  const { path, put } = await setUp(t)
  const bytes = contentOf(3, SIZE_BYTES)
  writeFileSync(path('a'), bytes)
  await put(path('a'))
  for (const [name, ms] of [['one', 1], ['two', 2], ['three', 3]] as const) {
    writeFileSync(path('b', name), bytes)
    utimesSync(path('b', name), ms, ms)
  }
  t.match(await put(path('b', 'one')), { hashedFirst: false, chunks: 20, sentBytes: SIZE_BYTES })
  t.match(await put(path('b', 'two'), { digestFirst: true }), { hashedFirst: true, chunks: 0, sentBytes: 0 })
  cpSync(path('a'), path('c'))
  t.match(await put(path('c'), { digestFirst: false }), { hashedFirst: false, chunks: 20 })
})

t.test('changed content of the same name and size is sent, once', async t => {
  const { tally, path, put } = await setUp(t)
  writeFileSync(path('a'), contentOf(4, SIZE_BYTES))
  await put(path('a'))
  const bytes = contentOf(5, SIZE_BYTES)
  writeFileSync(path('b'), bytes)
  const { fid, ...sent } = await put(path('b'))
  t.match(sent, { hashedFirst: true, chunks: 20, sentBytes: SIZE_BYTES, digest: digestOf(bytes) })
  t.ok((await bytesOf(tally, fid)).equals(bytes))
})

for (const [what, harm] of [
  ['short', blob => truncateSync(blob, SIZE_BYTES - 9)],
  ['absent', blob => rmSync(blob)],
  ['changed in its last block', blob => {
    const bytes = readFileSync(blob)
    bytes[SIZE_BYTES - 1] = (bytes[SIZE_BYTES - 1] as number) ^ 1
    writeFileSync(blob, bytes)
  }],
] as readonly [string, (blob: string) => void][]) {
  t.test(`content that is ${what} at the daemon is not had: it is sent, and both files are whole`, async t => {
    const { daemon, tally, path, put } = await setUp(t)
    const bytes = contentOf(6, SIZE_BYTES)
    writeFileSync(path('a'), bytes)
    const first = await put(path('a'))
    const [blob] = readdirSync(join(daemon.store, 'blobs', '000')).map(name => join(daemon.store, 'blobs', '000', name))
    harm(blob as string)
    cpSync(path('a'), path('b'))
    const second = await put(path('b'))
    t.match(second, { hashedFirst: true, chunks: 20, sentBytes: SIZE_BYTES })
    for (const { fid } of [first, second]) t.ok((await bytesOf(tally, fid)).equals(bytes))
  })
}

t.test('a put that was broken off goes on with what is missing, also where the content came to be known since', async t => {
  const { tally, path, put } = await setUp(t)
  const bytes = contentOf(7, SIZE_BYTES)
  writeFileSync(path('a'), bytes)
  const stop = new AbortController()
  const aborting = tally.put(path('a'), {
    chunkSizeBytes: 10_000, windowChunks: 20, signal: stop.signal,
    onEvent: event => { if (event.type === 'progress' && event.acknowledgedBytes > MB) stop.abort(new Error('enough')) },
  })
  await t.rejects(aborting, { message: 'enough' })
  cpSync(path('a'), path('b'))
  const whole = await put(path('b'))
  t.match(whole, { hashedFirst: false, chunks: 20 }, 'what is not stored yet is no reason to hash')
  const resumed = await put(path('a'))
  t.equal(resumed.hashedFirst, false)
  t.ok(resumed.chunks > 0 && resumed.chunks <= 400, `${resumed.chunks} chunks of 10,000 bytes`)
  t.equal(resumed.digest, whole.digest)
})

t.test('known content counts neither for the quota nor for the room that is left', async t => {
  const { path, put } = await setUp(t, ['--quota', `${SIZE_BYTES + 1000}`])
  writeFileSync(path('a'), contentOf(8, SIZE_BYTES))
  await put(path('a'))
  cpSync(path('a'), path('b'))
  t.match(await put(path('b')), { chunks: 0 })
})

t.test('a token that may not find puts as before', async t => {
  const { path, put } = await setUp(t, [], 'put')
  writeFileSync(path('a'), contentOf(9, SIZE_BYTES))
  cpSync(path('a'), path('b'))
  t.match(await put(path('a')), { hashedFirst: false, chunks: 20 })
  t.match(await put(path('b')), { hashedFirst: false, chunks: 20 })
})

/** A client of a daemon in the test's hands, and files of new content. */
async function setUpFake(t: Test): Promise<{ fake: FakeDaemon; tally: Tally; file(name: string, bytes?: Uint8Array): string }> {
  const fake = await fakeDaemon(t)
  const tally = await connect({ socket: fake.socket, token: 'a.b.c', timings: { backOffFirstMs: 1, backOffMaxMs: 5 } })
  t.teardown(() => tally.close())
  const directory = folder(t)
  const file = (name: string, bytes: Uint8Array = contentOf(10, 3 * MB)): string => {
    writeFileSync(join(directory, name), bytes)
    return join(directory, name)
  }
  return { fake, tally, file }
}

/** As FIND lists it. */
function stored(name: string, sizeBytes: number): FoundFile {
  return { fid: '0b6f7a3e-0000-4000-8000-000000000000', file: 0, name, sizeBytes, tags: [], state: 'stored', receivedBytes: sizeBytes, createdMs: 1 }
}

function askedFor(fake: FakeDaemon, type: number): number {
  return fake.log.filter(message => message.type === type).length
}

for (const code of ['forbidden', 'unsupported-type'] as const) {
  t.test(`a daemon that answers the question with ${code} is asked once`, async t => {
    const { fake, tally, file } = await setUpFake(t)
    fake.script = (message, peer) => {
      if (message.type !== MESSAGE_TYPE.FIND) return
      peer.refuse(message.messageId, new TallyError(code, 'no'))
      return true
    }
    for (const name of ['a', 'b']) t.equal((await tally.put(file(name))).sentBytes, 3 * MB)
    t.equal(askedFor(fake, MESSAGE_TYPE.FIND), 1)
    t.strictSame(fake.announcements().map(({ files }) => files[0]?.digest === undefined), [true, false, true, false])
  })
}

t.test('a daemon that does not answer the question, or answers what was not asked, is sent to as before', async t => {
  const { fake, tally, file } = await setUpFake(t)
  fake.script = message => message.type === MESSAGE_TYPE.FIND ? true : undefined
  t.equal((await tally.put(file('a'))).sentBytes, 3 * MB)
  fake.script = (message, peer) => {
    if (message.type !== MESSAGE_TYPE.FIND) return
    peer.ok(message.messageId, { files: [stored('b', 7)] })
    return true
  }
  const events: string[] = []
  t.equal((await tally.put(file('b'), { onEvent: ({ type }) => events.push(type) })).sentBytes, 3 * MB)
  t.notOk(events.includes('hashing'))
})

t.test('a question that meets an expired token is asked again with a new one', async t => {
  const { fake, tally, file } = await setUpFake(t)
  let refusals = 0
  fake.script = (message, peer) => {
    if (message.type !== MESSAGE_TYPE.FIND) return
    if (refusals++ === 0) peer.refuse(message.messageId, new TallyError('token-expired', 'old'))
    else peer.ok(message.messageId, { files: [stored('a', 3 * MB)] })
    return true
  }
  const events: string[] = []
  await tally.put(file('a'), { onEvent: ({ type }) => events.push(type) })
  t.ok(events.includes('hashing'))
  t.notOk(events.includes('retry'))
})

t.test('small content, streams and a digest that is given are no question, nor is digestFirst', async t => {
  const { fake, tally, file } = await setUpFake(t)
  const bytes = contentOf(10, 3 * MB)
  await tally.put(new Uint8Array(MB), { name: 'small' })
  await tally.put([bytes], { name: 'stream', digestFirst: true })
  await tally.put(file('a'), { digest: digestOf(bytes) })
  await tally.put(file('b'), { digestFirst: true })
  await tally.put(file('c'), { digestFirst: false })
  t.equal(askedFor(fake, MESSAGE_TYPE.FIND), 0)
})

t.test('a digest that is given is announced first, and known content is not even read', async t => {
  const { tally, path, put } = await setUp(t)
  const bytes = contentOf(11, SIZE_BYTES)
  const digest = digestOf(bytes)
  writeFileSync(path('a'), bytes)
  t.match(await put(path('a'), { digest: digest.toUpperCase().replace('SHA256', 'sha256') }), { chunks: 20, digest })
  writeFileSync(path('b'), bytes)
  t.match(await put(path('b'), { digest }), { hashedFirst: false, chunks: 0, sentBytes: 0, digest })
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000)
  }
  const stream = await tally.put(pieces(), { name: 'stream', digest })
  t.match(stream, { sizeBytes: SIZE_BYTES, digest })
  t.ok((await bytesOf(tally, stream.fid)).equals(bytes))
  await t.rejects(tally.put(path('b'), { digest: 'sha256:x' }), { code: 'malformed', details: { field: 'digest' } })
})

for (const sizeBytes of [0, 1000, SIZE_BYTES]) {
  t.test(`a digest that is not that of ${sizeBytes} bytes is digest-mismatch, and nothing of them stays`, async t => {
    const { tally, path, put } = await setUp(t)
    const bytes = contentOf(12, sizeBytes)
    const [wrong, right] = [digestOf(Buffer.from('others')), digestOf(bytes)]
    writeFileSync(path('a'), bytes)
    const expected = { code: 'digest-mismatch', details: { expected: wrong, actual: right } }
    await t.rejects(tally.put(path('a'), { digest: wrong }), expected)
    await t.rejects(tally.put(bytes, { name: 'bytes', digest: wrong }), expected)
    if (sizeBytes > 0) await t.rejects(tally.put([bytes], { name: 'stream', digest: wrong }), expected)
    for (const state of ['receiving', 'finishing', 'stored'] as const) t.strictSame(await Array.fromAsync(tally.find({ state })), [])
    t.match(await put(path('a')), { digest: right })
    const all = await Array.fromAsync(tally.putAll([{ path: path('a'), name: 'x', digest: wrong }, { path: path('a'), name: 'y', digest: right }]))
    t.match(all.find(({ error }) => error !== undefined), { error: expected })
    t.match(all.find(({ error }) => error === undefined), { digest: right, sentBytes: 0 })
  })
}

t.test('a wrong digest for what is stored from there already, or begun, is digest-mismatch too, and takes nothing away', async t => {
  const { tally, path, put } = await setUp(t)
  const [bytes, wrong] = [contentOf(15, SIZE_BYTES), digestOf(Buffer.from('others'))]
  const expected = { code: 'digest-mismatch', details: { expected: wrong, actual: digestOf(bytes) } }
  writeFileSync(path('a'), bytes)
  const { fid } = await put(path('a'))
  await t.rejects(tally.put(path('a'), { digest: wrong }), expected)
  t.ok((await bytesOf(tally, fid)).equals(bytes))
  await tally.remove({ fid })
  const stop = new AbortController()
  const begun = tally.put(path('a'), {
    digestFirst: true, chunkSizeBytes: 10_000, windowChunks: 20, signal: stop.signal,
    onEvent: event => { if (event.type === 'progress' && event.acknowledgedBytes > MB) stop.abort(new Error('enough')) },
  })
  await t.rejects(begun, { message: 'enough' })
  await t.rejects(tally.put(path('a'), { digest: wrong }), expected)
  t.ok((await put(path('a'))).chunks <= 400)
})

t.test('a wrong digest among small files that are put together is told of its file alone', async t => {
  const { tally, path } = await setUp(t)
  const items = Array.from({ length: 30 }, (_, index) => {
    const bytes = contentOf(100 + index, 500)
    writeFileSync(path('small', `${index}`), bytes)
    return { path: path('small', `${index}`), digest: index === 7 ? digestOf(Buffer.from('others')) : digestOf(bytes) }
  })
  const failed = (await Array.fromAsync(tally.putAll(items))).filter(({ error }) => error !== undefined)
  t.match(failed, [{ path: items[7]?.path, error: { code: 'digest-mismatch' } }])
  t.equal(failed.length, 1)
  t.equal((await Array.fromAsync(tally.find())).length, 29)
})

t.test('a digest that is given for a transfer whose chunks are all here is compared by the daemon, and told in the same way', async t => {
  const { fake, tally, file } = await setUpFake(t)
  const bytes = contentOf(13, 3 * MB)
  const wrong = digestOf(Buffer.from('others'))
  const path = file('a', bytes)
  fake.script = (message, peer) => {
    // Its last chunk arrived, and the answer did not.
    if (message.type !== MESSAGE_TYPE.AUTHENTICATION || message.files.length === 0) return
    peer.refuse(message.messageId, new TallyError('digest-mismatch', 'differs', { expected: wrong }))
    return true
  }
  await t.rejects(tally.put(path, { digest: wrong }), { code: 'digest-mismatch', details: { expected: wrong, actual: digestOf(bytes) } })
})

t.test('hashing ends at once when the put is aborted, and a file that changes meanwhile is told', async t => {
  const { fake, tally, file } = await setUpFake(t)
  const path = file('a', contentOf(14, 60 * MB))
  const stop = new AbortController()
  const seen: number[] = []
  const aborted = tally.put(path, {
    digestFirst: true, signal: stop.signal,
    onEvent: event => {
      if (event.type !== 'hashing') return
      seen.push(event.hashedBytes)
      if (event.hashedBytes > MB) stop.abort(new Error('enough'))
    },
  })
  await t.rejects(aborted, { message: 'enough' })
  t.ok((seen.at(-1) ?? 0) < 30 * MB, `${seen.at(-1)} bytes were hashed`)
  let changed = false
  const changing = tally.put(path, {
    digestFirst: true,
    onEvent: event => {
      if (event.type === 'hashing' && !changed) appendFileSync(path, 'x')
      changed = true
    },
  })
  await t.rejects(changing, { code: 'file-changed' })
  t.equal(fake.announcements().length, 0)
})
