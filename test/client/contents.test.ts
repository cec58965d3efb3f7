/** What may be put, and what becomes of it: each kind of content, what is said of a file, and streams that fail or are broken off. */
import { createHash } from 'node:crypto'
import { openAsBlob } from 'node:fs'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { type ClientEvent, type PutContent, type Tally, TallyError, connect } from '../../client/index.ts'
import { MESSAGE_TYPE } from '../../protocol/index.ts'
import { startDaemon } from '../support/daemon.ts'
import { contentOf } from '../support/random.ts'
import { fakeDaemon } from './fake-daemon.ts'

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

function folder(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'tally-contents-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  return directory
}

async function bytesOf(tally: Tally, fid: string): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of tally.stream({ fid, file: 0 })) parts.push(part)
  return Buffer.concat(parts)
}

function* pieces(bytes: Buffer): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 10_007) yield bytes.subarray(at, at + 10_007)
}

t.test('every kind of content is stored as it is', async t => {
  const daemon = await startDaemon(t)
  await using tally = await connect({ socket: daemon.socket, secretFile: daemon.secretFile })
  const bytes = contentOf(1, 700_001)
  const path = join(folder(t), 'file')
  writeFileSync(path, bytes)
  const [first, second] = bytes.length > 300_000 ? [bytes.subarray(0, 300_000), bytes.subarray(300_000)] : [bytes, bytes]
  const kinds: Record<string, () => PutContent | Promise<PutContent>> = {
    'a path': () => path,
    'a Uint8Array': () => new Uint8Array(bytes),
    'a Blob': () => new Blob([first, second]),
    'a Blob over a file': () => openAsBlob(path),
    'a Node stream': () => Readable.from(pieces(bytes), { objectMode: false }),
    'a web stream': () => ReadableStream.from(pieces(bytes)),
    'an async generator': () => (async function* () { yield* pieces(bytes) })(),
    'a generator': () => pieces(bytes),
    'an array of pieces': () => [first, second],
    'a web stream that cannot be iterated': () => {
      const reader = ReadableStream.from<Uint8Array>(pieces(bytes)).getReader()
      return { getReader: () => reader } as unknown as ReadableStream<Uint8Array>
    },
  }
  for (const [kind, content] of Object.entries(kinds)) {
    const result = await tally.put(await content(), { name: kind })
    t.equal(result.digest, digestOf(bytes), kind)
    t.equal(result.sizeBytes, bytes.length, kind)
    t.ok((await bytesOf(tally, result.fid)).equals(bytes), kind)
  }
  t.equal((await Array.fromAsync(tally.find())).length, Object.keys(kinds).length)
})

t.test('what is said of a file is kept, and what a File says of itself', async t => {
  const daemon = await startDaemon(t)
  await using tally = await connect({ socket: daemon.socket, secretFile: daemon.secretFile })
  const expiresMs = Date.now() + 3_600_000
  const said = { mediaType: 'text/x-a', modifiedMs: 1_000_000_000_123, expiresMs, meta: { colour: 'red', size: [1, 2] }, tags: ['a'] }
  await tally.put(new Uint8Array(3), { name: 'said', ...said })
  await tally.put(new File(['abc'], 'its own', { type: 'text/plain', lastModified: 1_234_567_890_000 }))
  const [own, other] = await Array.fromAsync(tally.find())
  t.match(other, { name: 'said', ...said })
  t.match(own, { name: 'its own', mediaType: 'text/plain', modifiedMs: 1_234_567_890_000 })
})

t.test('bytes and streams need a name, and what is no content is refused', async t => {
  const daemon = await fakeDaemon(t)
  await using tally = await connect({ socket: daemon.socket, token: 'a.b.c' })
  await t.rejects(tally.put(new Uint8Array(1)), { code: 'name-invalid', details: { field: 'name' } })
  await t.rejects(tally.put(7 as unknown as Uint8Array, { name: 'x' }), TypeError)
})

t.test('a stream of text is refused', async t => {
  const daemon = await fakeDaemon(t)
  await using tally = await connect({ socket: daemon.socket, token: 'a.b.c' })
  await t.rejects(tally.put(['text'] as unknown as Uint8Array[], { name: 'x' }), { code: 'not-bytes' })
})

t.test('what a stream throws is thrown, once, whatever its code', async t => {
  const daemon = await fakeDaemon(t)
  const events: ClientEvent[] = []
  await using tally = await connect({ socket: daemon.socket, token: 'a.b.c', onEvent: event => events.push(event) })
  for (const failure of [new Error('the source broke'), new TallyError('busy', 'of another daemon')]) {
    const failing = (async function* () {
      yield contentOf(2, 5000)
      throw failure
    })()
    await t.rejects(tally.put(failing, { name: 'x', chunkSizeBytes: 1000 }), failure)
  }
  t.same(events.filter(({ type }) => type === 'retry'), [])
})

t.test('a stream is read no further than the daemon has taken it', async t => {
  const daemon = await fakeDaemon(t)
  daemon.window = 4
  daemon.script = message => message.type === MESSAGE_TYPE.TRANSFER ? true : undefined
  await using tally = await connect({ socket: daemon.socket, token: 'a.b.c' })
  let given = 0
  const endless = (async function* () {
    for (;;) {
      given += 1000
      yield new Uint8Array(1000)
    }
  })()
  await t.rejects(tally.put(endless, { name: 'x', chunkSizeBytes: 1000, signal: AbortSignal.timeout(300) }), { name: 'TimeoutError' })
  t.ok(given <= 6000, `${given} bytes were read`)
})

t.test('a put that is aborted ends its stream, and goes on under the same fid', async t => {
  const daemon = await startDaemon(t)
  await using tally = await connect({ socket: daemon.socket, secretFile: daemon.secretFile })
  const bytes = contentOf(3, 3_000_000)
  const fid = '6ba7b810-9dad-11d1-80b4-00c04fd430c8'
  const abort = new AbortController()
  let ended = false
  const first = (async function* () {
    try {
      yield bytes.subarray(0, 1_000_000)
      await new Promise(resolve => setTimeout(resolve, 50))
      abort.abort(new Error('enough'))
      yield bytes.subarray(1_000_000, 1_100_000)
      yield bytes.subarray(1_100_000, 1_200_000)
    } finally {
      ended = true
    }
  })()
  await t.rejects(tally.put(first, { name: 'x', fid, signal: abort.signal }), { message: 'enough' })
  await new Promise(resolve => setTimeout(resolve, 50))
  t.ok(ended)
  const result = await tally.put(pieces(bytes), { name: 'x', fid })
  t.equal(result.digest, digestOf(bytes))
  t.ok((await bytesOf(tally, fid)).equals(bytes))
})

t.test('options that a call does not have, and a fid that is none, are refused before anything happens', async t => {
  const fake = await fakeDaemon(t)
  await using tally = await connect({ socket: fake.socket, token: 'any' })
  const misspelt = { tag: ['x'] } as object
  const bytes = new Uint8Array(3)
  await t.rejects(connect({ socket: fake.socket, tokn: 'any' } as object), TypeError)
  await t.rejects(tally.put(bytes, { name: 'a', ...misspelt }), { name: 'TypeError', message: /"tag"/ })
  await t.rejects(tally.find(misspelt).next(), TypeError)
  await t.rejects(tally.find({}, misspelt).next(), TypeError)
  t.throws(() => tally.watch(misspelt), TypeError)
  t.throws(() => tally.putAll([], misspelt), TypeError)
  t.throws(() => tally.getAll([], { directory: '.' }, misspelt), TypeError)
  t.throws(() => tally.stream({ fid: 'x' }, misspelt), TypeError)
  await t.rejects(tally.get({ fid: 'x' }, { path: 'x' }, misspelt), TypeError)
  await t.rejects(tally.put(bytes, { name: 'a', fid: 'zz' }), { code: 'malformed', details: { field: 'fid' } })
  t.ok(fake.log.every(({ type }) => type === MESSAGE_TYPE.AUTHENTICATION))
})
