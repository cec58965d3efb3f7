/**
 * The client's download against a daemon in the test's hands: chunks in any order, cut and silent connections, content that is not what its
 * digest says, and the acknowledgements that keep it flowing.
 */
import { createHash, randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Tally, connect } from '../../client/index.ts'
import { ChunkIds, type Fetch, MESSAGE_TYPE, TallyError, uuidToBytes } from '../../protocol/index.ts'
import { contentOf } from '../support/random.ts'
import { type FakeDaemon, type Peer, fakeDaemon } from './fake-daemon.ts'

const FID = '0b6f7a3e-0000-4000-8000-000000000001'
const IDS = new ChunkIds(createHash('sha256').update(uuidToBytes(FID)).digest())

interface Served {
  bytes: Buffer
  digest: string
  name: string
  /** Called for each FETCH; says which of the chunks asked for are sent, in which order. */
  order: (chunks: number[], fetch: Fetch, peer: Peer) => number[]
  /** Each FETCH that came, and the chunks that were acknowledged. */
  fetches: Fetch[]
  acknowledged: number
}

interface Setting {
  daemon: FakeDaemon
  tally: Tally
  served: Served
  directory: string
}

async function setUp(t: Test, bytes: Buffer): Promise<Setting> {
  const daemon = await fakeDaemon(t)
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  const served: Served = { bytes, digest, name: 'x', order: chunks => chunks, fetches: [], acknowledged: 0 }
  let unanswered = 0
  daemon.script = (message, peer) => {
    if (message.type === MESSAGE_TYPE.FETCH) {
      served.fetches.push(message)
      unanswered = serve(served, message, peer)
      return true
    }
    // One without chunks only asks whether we are there.
    if (message.type !== MESSAGE_TYPE.RESPONSE || message.response !== 'Ok' || message.chunks === undefined) return
    const count = message.chunks.reduce((sum, [, , chunks]) => sum + chunks, 0)
    served.acknowledged += count
    unanswered -= count
    if (unanswered === 0) peer.ok(served.fetches.at(-1)?.messageId ?? '', { done: true })
    return true
  }
  const timings = { backOffFirstMs: 1, backOffMaxMs: 5, answerTimeoutMs: 200 }
  const tally = await connect({ socket: daemon.socket, token: 'a.b.c', timings })
  t.teardown(() => tally.close())
  const directory = mkdtempSync(join(tmpdir(), 'tally-download-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  return { daemon, tally, served, directory }
}

/** Answers a FETCH and sends its chunks; returns how many. */
function serve({ bytes, digest, name, order }: Served, fetch: Fetch, peer: Peer): number {
  const size = fetch.chunkSizeBytes ?? 1024
  const count = Math.ceil(bytes.length / size)
  const wanted = (fetch.missing ?? [[0, count]]).flatMap(([first, length]) => Array.from({ length }, (_, index) => first + index))
  peer.ok(fetch.messageId, { fid: FID, file: 0, name, sizeBytes: bytes.length, digest, tags: [], chunkSizeBytes: size, window: 1000 })
  const chunks = order(wanted, fetch, peer)
  for (const chunk of chunks) {
    const data = bytes.subarray(chunk * size, (chunk + 1) * size)
    peer.send({ type: MESSAGE_TYPE.TRANSFER, messageId: randomUUID(), chunk: IDS.encode(0, chunk), data, fetch: fetch.messageId })
  }
  if (wanted.length === 0) peer.ok(fetch.messageId, { done: true })
  return wanted.length
}

t.test('chunks in any order become the file, and each is acknowledged', async t => {
  const { tally, served, directory } = await setUp(t, contentOf(1, 3_000_000))
  served.order = chunks => chunks.toReversed()
  const result = await tally.get(`${FID}/0`, { path: join(directory, 'f') })
  t.ok(readFileSync(join(directory, 'f')).equals(served.bytes))
  t.equal(result.digest, served.digest)
  t.equal(served.acknowledged, 12)
  t.same(readdirSync(directory), ['f'])
})

t.test('who has every chunk waits for no more, and asks for nothing to be ended', async t => {
  const { daemon, tally, served, directory } = await setUp(t, contentOf(1, 300_000))
  const { script } = daemon
  daemon.script = (message, peer, itself) => {
    const isAnswer = message.type === MESSAGE_TYPE.RESPONSE && message.response === 'Ok' && message.chunks !== undefined
    // Counted, and not followed by `done`.
    return isAnswer || script(message, peer, itself)
  }
  // One after the other, more of them than may be under way at once.
  for (let index = 0; index < 20; index++) await tally.get(`${FID}/0`, { path: join(directory, `${index}`), sync: false })
  t.ok(readFileSync(join(directory, '19')).equals(served.bytes))
  t.equal(served.fetches.length, 20)
  t.same(daemon.log.filter(message => message.type === MESSAGE_TYPE.RESPONSE && message.response === 'Error'), [])
})

t.test('a file of 0 bytes is a file', async t => {
  const { tally, directory } = await setUp(t, Buffer.alloc(0))
  await tally.get(`${FID}/0`, { path: join(directory, 'f') })
  t.equal(readFileSync(join(directory, 'f')).length, 0)
})

t.test('after a cut only what is missing is asked for', async t => {
  const { tally, served, directory } = await setUp(t, contentOf(2, 3_000_000))
  served.order = (chunks, _, peer) => {
    if (served.fetches.length > 1) return chunks
    const whenAcknowledged = setInterval(() => {
      if (served.acknowledged < 5) return
      clearInterval(whenAcknowledged)
      peer.socket.end()
    }, 5)
    return chunks.slice(0, 5)
  }
  await tally.get(`${FID}/0`, { path: join(directory, 'f') })
  t.ok(readFileSync(join(directory, 'f')).equals(served.bytes))
  t.equal(served.fetches.length, 2)
  t.strictSame(served.fetches[1]?.missing, [[5, 7]])
})

for (const [what, answersLogIn] of [['the same connection', true], ['a new one, where that is silent, too,', false]] as const) {
  t.test(`a daemon that falls silent is asked again on ${what} for the rest`, async t => {
    const { daemon, tally, served, directory } = await setUp(t, contentOf(3, 3_000_000))
    const { script } = daemon
    daemon.script = (message, peer, itself) => {
      const isMute = message.type === MESSAGE_TYPE.AUTHENTICATION && peer.number === 1 && served.fetches.length > 0 && !answersLogIn
      return isMute || script(message, peer, itself)
    }
    served.order = chunks => served.fetches.length > 1 ? chunks : chunks.slice(0, 3)
    await tally.get(`${FID}/0`, { path: join(directory, 'f') })
    t.ok(readFileSync(join(directory, 'f')).equals(served.bytes))
    t.equal(daemon.connections, answersLogIn ? 1 : 2)
    t.strictSame(served.fetches[1]?.missing, [[3, 9]])
  })
}

t.test('content that differs from its digest is refused, and nothing stays that could be taken for it', async t => {
  const { tally, served, directory } = await setUp(t, contentOf(4, 1_000_000))
  served.digest = `sha256:${'0'.repeat(64)}`
  await t.rejects(tally.get(`${FID}/0`, { path: join(directory, 'f') }), { code: 'digest-mismatch' })
  const [part = '', ...others] = readdirSync(directory)
  t.same(others, [])
  t.equal(readFileSync(join(directory, part)).length, 0)
})

t.test('a chunk of another file is refused', async t => {
  const { daemon, tally, served, directory } = await setUp(t, contentOf(5, 1000))
  served.order = (_, fetch, peer) => {
    const data = served.bytes
    peer.send({ type: MESSAGE_TYPE.TRANSFER, messageId: randomUUID(), chunk: IDS.encode(1, 0), data, fetch: fetch.messageId })
    return []
  }
  await t.rejects(tally.get(`${FID}/0`, { path: join(directory, 'f') }), { code: 'internal' })
  t.equal(daemon.connections, 1)
})

t.test('what the daemon refuses is thrown, and makes no file', async t => {
  const { daemon, tally, directory } = await setUp(t, contentOf(6, 1000))
  daemon.script = (message, peer) => {
    if (message.type !== MESSAGE_TYPE.FETCH) return
    peer.refuse(message.messageId, new TallyError('not-found', 'no such file'))
    return true
  }
  await t.rejects(tally.get(`${FID}/0`, { path: join(directory, 'f') }), { code: 'not-found' })
  t.same(readdirSync(directory), [])
})

t.test('a partial file that is a link is not followed', async t => {
  const { tally, served, directory } = await setUp(t, contentOf(7, 600_000))
  const mark = createHash('sha256').update('f').digest('hex').slice(0, 8)
  writeFileSync(join(directory, 'victim'), 'untouched')
  symlinkSync('victim', join(directory, `.tally-${served.digest.slice(-32)}-${mark}.part`))
  await t.rejects(tally.get(`${FID}/0`, { path: join(directory, 'f') }), { code: 'unsafe-target' })
  t.equal(readFileSync(join(directory, 'victim'), 'utf8'), 'untouched')
})

t.test('a slow taker is waited for, and is no silence', async t => {
  const { daemon, tally, served } = await setUp(t, contentOf(8, 1_000_000))
  const parts: Uint8Array[] = []
  await tally.get(`${FID}/0`, {
    write: async bytes => {
      parts.push(Uint8Array.from(bytes))
      await new Promise(resolve => setTimeout(resolve, 300))
    },
  })
  t.ok(Buffer.concat(parts).equals(served.bytes))
  t.equal(daemon.connections, 1)
})

t.test('what a taker throws ends the fetch', async t => {
  const { tally } = await setUp(t, contentOf(9, 1_000_000))
  await t.rejects(tally.get(`${FID}/0`, { write: () => { throw new Error('no room') } }), { message: 'no room' })
})

t.test('a daemon that sends more than it may is not listened to', async t => {
  const { tally, served, directory } = await setUp(t, contentOf(10, 20_000_000))
  // The first chunk never comes, so nothing can be written.
  served.order = chunks => chunks.slice(1)
  await t.rejects(tally.get(`${FID}/0`, { path: join(directory, 'f') }), { code: 'internal' })
})

t.test('a name with a path in it stays in the directory', async t => {
  const { tally, served, directory } = await setUp(t, contentOf(11, 10))
  served.name = '../../escaped'
  const { path } = await tally.get(`${FID}/0`, { directory })
  t.equal(path, join(directory, '.._.._escaped'))
  t.same(readdirSync(directory), ['.._.._escaped'])
})
