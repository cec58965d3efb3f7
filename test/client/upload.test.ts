/**
 * The client's upload against a daemon in the test's hands: what it sends, what it sends again and what never, when it tells a digest, and
 * how it goes on after each way in which a daemon or a connection can fail.
 */
import { createHash } from 'node:crypto'
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import t, { type Test } from 'tap'
import { type ClientEvent, type ConnectOptions, type Tally, connect } from '../../client/index.ts'
import { MESSAGE_TYPE, TallyError, wordsToUuid } from '../../protocol/index.ts'
import { Link } from '../../client/link.ts'
import { BytesSource } from '../../client/source.ts'
import { TIMINGS_DEFAULT } from '../../client/timings.ts'
import { Upload } from '../../client/upload.ts'
import { Random, chooseSeed, contentOf } from '../support/random.ts'
import { type FakeDaemon, fakeDaemon, placeOf } from './fake-daemon.ts'

const QUICK = { backOffFirstMs: 1, backOffMaxMs: 5 }

interface Setting {
  daemon: FakeDaemon
  tally: Tally
  events: ClientEvent[]
}

async function setUp(t: Test, options: ConnectOptions = {}): Promise<Setting> {
  const daemon = await fakeDaemon(t)
  const events: ClientEvent[] = []
  const timings = { ...QUICK, ...options.timings }
  const tally = await connect({ socket: daemon.socket, token: 'a.b.c', onEvent: event => events.push(event), ...options, timings })
  t.teardown(() => tally.close())
  return { daemon, tally, events }
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

function temporaryFile(t: Test, bytes: Uint8Array): string {
  const directory = mkdtempSync(join(tmpdir(), 'tally-upload-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'file')
  writeFileSync(path, bytes)
  return path
}

t.test('stores bytes and tells name, tags and digest', async t => {
  const { daemon, tally } = await setUp(t)
  const bytes = contentOf(1, 100_001)
  const result = await tally.put(bytes, { name: '../x', tags: ['a', 'b'], chunkSizeBytes: 1000 })
  t.equal(result.files[0]?.digest, digestOf(bytes))
  t.ok(daemon.content(result.fid).equals(bytes))
  t.strictSame([...daemon.only.tags], ['a', 'b'])
  t.equal(daemon.only.files[0]?.name, '../x')
  t.equal(result.counts.chunksSent, 101)
  t.equal(result.counts.chunksSentTwice, 0)
})

t.test('stores a file of 0 bytes without a chunk', async t => {
  const { tally } = await setUp(t)
  const result = await tally.put(new Uint8Array(0), { name: 'empty' })
  t.equal(result.counts.chunksSent, 0)
})

t.test('tells the digest of a large file before its last chunk, and that chunk is not sent until then', async t => {
  const { daemon, tally } = await setUp(t)
  const bytes = contentOf(2, 3_000_000)
  let early = false
  daemon.script = message => {
    if (message.type !== MESSAGE_TYPE.TRANSFER) return
    const file = daemon.only.files[0]
    if (file?.digest === undefined && file?.chunks.size === 2929) early = true
    return undefined
  }
  const result = await tally.put(temporaryFile(t, bytes), { chunkSizeBytes: 1024 })
  t.equal(early, false)
  t.strictSame(daemon.announcements().map(message => message.files[0]?.digest), [undefined, digestOf(bytes)])
  t.equal(result.counts.chunksSent, 2930)
  t.ok(daemon.content(result.fid).equals(bytes))
})

for (const sizeBytes of [0, 1, 999, 1000, 1001, 5000, 1_200_000]) {
  t.test(`stores a stream of ${sizeBytes} bytes whose size is told at its end`, async t => {
    const { daemon, tally } = await setUp(t)
    const bytes = contentOf(3, sizeBytes)
    async function* pieces(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < bytes.length; at += 777) yield bytes.subarray(at, at + 777)
    }
    const result = await tally.put(pieces(), { name: 'stream', chunkSizeBytes: 1000 })
    t.equal(daemon.announcements()[0]?.files[0]?.sizeBytes, null)
    t.equal(result.files[0]?.sizeBytes, sizeBytes)
    t.equal(result.files[0]?.digest, digestOf(bytes))
    t.ok(daemon.content(result.fid).equals(bytes))
  })
}

t.test('goes on with only what a long report, told in pages, says is missing', async t => {
  const { daemon, tally, events } = await setUp(t)
  const bytes = contentOf(4, 50_000)
  const path = temporaryFile(t, bytes)
  daemon.script = (message, peer) => {
    if (message.type !== MESSAGE_TYPE.TRANSFER || (placeOf(message, peer)?.chunk ?? 0) % 2 === 0) return
    return true
  }
  const first = tally.put(path, { chunkSizeBytes: 1000, signal: AbortSignal.timeout(200) })
  await t.rejects(first, { name: 'TimeoutError' })
  t.equal(daemon.only.files[0]?.chunks.size, 25)
  daemon.script = () => undefined
  daemon.reportRunsMax = 3
  const result = await tally.put(path, { chunkSizeBytes: 1000 })
  t.equal(result.counts.resumedChunks, 25)
  t.equal(result.counts.chunksSent, 25)
  t.equal(daemon.acknowledgedSentAgain, 0)
  t.ok(daemon.content(result.fid).equals(bytes))
  t.match(events.findLast(event => event.type === 'announced'), { chunks: 50, presentChunks: 25 })
})

t.test('never sends again what was acknowledged, over 50 random cuts', async t => {
  const seed = chooseSeed()
  t.comment(`TALLY_TEST_SEED=${seed}`)
  const random = new Random(seed)
  const { daemon, tally, events } = await setUp(t)
  const bytes = contentOf(seed, 1_500_000)
  const cut = new Set<number>()
  let next = random.between(1, 40)
  daemon.script = (message, peer) => {
    if (cut.has(peer.number)) return true
    if (message.type !== MESSAGE_TYPE.TRANSFER || cut.size === 50 || --next > 0) return
    cut.add(peer.number)
    next = random.between(1, 40)
    // Some of them lose the chunk, some only the answer, and some answers are still on their way.
    if (random.chance(0.5)) daemon.answer(message, { ...peer, ok: () => {} })
    if (random.chance(0.5)) peer.cut()
    else peer.socket.end()
    return true
  }
  const result = await tally.put(temporaryFile(t, bytes), { chunkSizeBytes: 1000 })
  t.equal(cut.size, 50)
  t.ok(daemon.content(result.fid).equals(bytes))
  t.equal(result.counts.acknowledgedSentAgain, 0)
  t.equal(result.counts.reconnects, 50)
  t.equal(events.filter(event => event.type === 'retry').length, 50, 'each retry is visible')
})

t.test('asks again on the same connection when answers stop coming, then on a new one', async t => {
  const { daemon, tally } = await setUp(t, { timings: { answerTimeoutMs: 100 } })
  const bytes = contentOf(5, 30_000)
  const silent = new Map([[1, 10], [2, 20]])
  const askedOn: number[] = []
  daemon.script = (message, peer) => {
    if (message.type === MESSAGE_TYPE.AUTHENTICATION && message.files.length > 0) askedOn.push(peer.number)
    const left = silent.get(peer.number)
    if (message.type === MESSAGE_TYPE.TRANSFER && left !== undefined) {
      if (left === 0) return true
      silent.set(peer.number, left - 1)
    }
    // The second connection answers nothing at all once it is silent.
    if (message.type === MESSAGE_TYPE.AUTHENTICATION && left === 0) {
      if (peer.number === 1) silent.delete(1)
      else return true
    }
    if (message.type === MESSAGE_TYPE.TRANSFER && peer.number === 1 && daemon.only.files[0]?.chunks.size === 15) {
      peer.cut()
      return true
    }
    return undefined
  }
  const result = await tally.put(bytes, { name: 'x', chunkSizeBytes: 500 })
  // On the second it logs in first, which is not answered either.
  t.strictSame(askedOn, [1, 1, 2, 3])
  t.ok(daemon.content(result.fid).equals(bytes))
  t.equal(daemon.acknowledgedSentAgain, 0)
})

t.test('waits for a file that is finishing by asking again', async t => {
  const { daemon, tally, events } = await setUp(t, { timings: { answerTimeoutMs: 50 } })
  daemon.holdFinishing = true
  let polls = 0
  daemon.script = message => {
    if (message.type !== MESSAGE_TYPE.AUTHENTICATION || message.files.length === 0) return
    const file = daemon.transfers.get(message.fid as string)?.files[0]
    if (file?.state === 'finishing' && ++polls === 3) file.state = 'stored'
    return undefined
  }
  await tally.put(contentOf(6, 5000), { name: 'x' })
  t.equal(polls, 3)
  t.ok(events.some(event => event.type === 'finishing'))
})

for (const code of ['busy', 'storage-full', 'storage-failed', 'token-expired', 'unauthenticated', 'chunk-unknown', 'crc-mismatch'] as const) {
  t.test(`goes on after ${code} for a chunk`, async t => {
    const { daemon, tally, events } = await setUp(t)
    const bytes = contentOf(7, 40_000)
    let refusals = 0
    daemon.script = (message, peer) => {
      if (message.type !== MESSAGE_TYPE.TRANSFER || daemon.only.files[0]?.chunks.size !== 10 || refusals > 0) return
      refusals++
      peer.refuse(message.messageId, new TallyError(code, 'not now', code === 'busy' ? { 'retry-after': 20 } : {}))
      return true
    }
    const result = await tally.put(bytes, { name: 'x', chunkSizeBytes: 1000 })
    t.equal(daemon.connections, 1)
    t.equal(daemon.acknowledgedSentAgain, 0)
    t.ok(daemon.content(result.fid).equals(bytes))
    const retry = events.find(event => event.type === 'retry')
    t.match(retry?.cause, { code })
    if (code === 'busy') t.ok((retry?.afterMs ?? 0) >= 20, 'not before the daemon said')
  })
}

t.test('a stream that ends while a report is on its way sends what that report could not list', async t => {
  const { daemon, tally } = await setUp(t)
  const bytes = contentOf(12, 2000)
  let end = (): void => {}
  const isOver = new Promise<void>(resolve => { end = resolve })
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield bytes
    await isOver
  }
  daemon.script = (message, peer) => {
    // The first chunk arrives, the second waits for the stream to go on, or to end.
    if (message.type === MESSAGE_TYPE.TRANSFER && peer.number === 1) {
      daemon.answer(message, peer)
      setTimeout(() => peer.cut(), 20)
      return true
    }
    if (message.type !== MESSAGE_TYPE.AUTHENTICATION || message.files[0]?.sizeBytes !== null || peer.number === 1) return
    end()
    setTimeout(() => daemon.answer(message, peer), 50)
    return true
  }
  const { fid, counts } = await tally.put(pieces(), { name: 'x', chunkSizeBytes: 1000 })
  t.ok(daemon.content(fid).equals(bytes))
  t.match(counts, { chunksSent: 2, acknowledgedLost: 0, acknowledgedSentAgain: 0 })
})

t.test('only a refusal that comes again and again is the last word, not one after other failures', async t => {
  const { daemon, tally } = await setUp(t)
  const codes = ['busy', 'chunk-unknown', 'busy', 'busy', 'crc-mismatch', 'chunk-unknown'] as const
  let refusals = 0
  daemon.script = (message, peer) => {
    const code = codes[refusals]
    if (message.type !== MESSAGE_TYPE.TRANSFER || code === undefined) return
    refusals++
    peer.refuse(message.messageId, new TallyError(code, 'not now'))
    return true
  }
  await tally.put(contentOf(8, 900), { name: 'x', chunkSizeBytes: 1000 })
  t.equal(refusals, codes.length)
  daemon.script = (message, peer) => {
    if (message.type !== MESSAGE_TYPE.TRANSFER) return
    peer.refuse(message.messageId, new TallyError('chunk-unknown', 'never'))
    return true
  }
  await t.rejects(tally.put(contentOf(9, 900), { name: 'x', chunkSizeBytes: 1000 }), { code: 'chunk-unknown' })
})

t.test('with crc32 each chunk bears the checksum of its id and its data, without it none does', async t => {
  const { daemon, tally } = await setUp(t)
  for (const with32 of [true, false]) {
    const before = daemon.log.length
    await tally.put(contentOf(8, 5500), { name: 'x', chunkSizeBytes: 1000, ...(with32 ? { crc32: true } : {}) })
    const chunks = daemon.log.slice(before).filter(message => message.type === MESSAGE_TYPE.TRANSFER)
    t.equal(chunks.length, 6)
    for (const { chunk, data, crc32: told } of chunks) {
      const uuid = Buffer.from(wordsToUuid(chunk).replaceAll('-', ''), 'hex')
      t.equal(told, with32 ? crc32(Buffer.concat([uuid, data])) : undefined)
    }
  }
})

t.test('fetches a new token when the old one expired', async t => {
  const daemon = await fakeDaemon(t)
  let minted = 0
  let expired = false
  daemon.script = (message, peer) => {
    if (message.type === MESSAGE_TYPE.AUTHENTICATION && expired && message.token === 'token-1') {
      peer.refuse(message.messageId, new TallyError('token-expired', 'old'))
      return true
    }
    return undefined
  }
  const tally = await connect({ socket: daemon.socket, token: () => expired ? `token-${++minted + 1}` : 'token-1', timings: QUICK })
  t.teardown(() => tally.close())
  expired = true
  await tally.put(contentOf(8, 100), { name: 'x' })
  t.ok(minted > 0)
})

t.test('a token that stays expired is the end', async t => {
  const { daemon, tally } = await setUp(t)
  daemon.script = (message, peer) => {
    peer.refuse(message.messageId, new TallyError('token-expired', 'old'))
    return true
  }
  await t.rejects(tally.put(contentOf(8, 100), { name: 'x' }), { code: 'token-expired' })
})

t.test('a daemon that shuts down and comes back is waited for', async t => {
  const { daemon, tally } = await setUp(t)
  const bytes = contentOf(9, 40_000)
  let down = false
  daemon.script = (message, peer) => {
    if (message.type !== MESSAGE_TYPE.TRANSFER || down || daemon.only.files[0]?.chunks.size !== 7) return
    down = true
    peer.refuse(message.messageId, new TallyError('shutting-down', 'bye'))
    setImmediate(() => void daemon.stop().then(() => daemon.start()))
    return true
  }
  const result = await tally.put(bytes, { name: 'x', chunkSizeBytes: 1000 })
  t.equal(daemon.acknowledgedSentAgain, 0)
  t.ok(daemon.content(result.fid).equals(bytes))
})

t.test('gives up, resumably, when nothing moves for as long as allowed', async t => {
  let nowMs = 0
  const { daemon, tally } = await setUp(t, { timings: { retryForMs: 1000, nowMs: () => nowMs } })
  daemon.script = (message, peer) => {
    if (message.type !== MESSAGE_TYPE.TRANSFER) return
    nowMs += 300
    peer.refuse(message.messageId, new TallyError('storage-full', 'full'))
    return true
  }
  await t.rejects(tally.put(contentOf(10, 100), { name: 'x' }), { code: 'gave-up', cause: { code: 'storage-full' } })
})

t.test('sends everything once more after digest-mismatch, then removes it and fails', async t => {
  const { daemon, tally } = await setUp(t)
  let spoil = 1
  daemon.script = message => {
    if (message.type !== MESSAGE_TYPE.TRANSFER || spoil === 0) return
    const bytes = daemon.only.files[0]?.chunks.get(0)
    if (daemon.only.files[0]?.chunks.size === 3 && bytes !== undefined) {
      bytes[0] = (bytes[0] ?? 0) ^ 1
      spoil--
    }
    return undefined
  }
  const bytes = contentOf(11, 4000)
  const result = await tally.put(bytes, { name: 'x', chunkSizeBytes: 1000 })
  t.equal(result.counts.chunksSent, 8)
  spoil = Infinity
  daemon.transfers.clear()
  await t.rejects(tally.put(bytes, { name: 'x', chunkSizeBytes: 1000 }), { code: 'digest-mismatch' })
  t.equal(daemon.transfers.size, 0)
  t.equal(daemon.gone.size, 1)
})

t.test('goes on when the answer digest-mismatch was lost', async t => {
  const { daemon, tally } = await setUp(t)
  const bytes = contentOf(12, 4000)
  let spoilt = false
  daemon.script = (message, peer) => {
    if (message.type !== MESSAGE_TYPE.TRANSFER || spoilt || daemon.only.files[0]?.chunks.size !== 3) return
    spoilt = true
    daemon.only.files[0]?.chunks.clear()
    daemon.only.files[0]?.acknowledged.clear()
    peer.cut()
    return true
  }
  const result = await tally.put(bytes, { name: 'x', chunkSizeBytes: 1000 })
  t.ok(daemon.content(result.fid).equals(bytes))
  t.equal(result.counts.acknowledgedLost, 0)
})

t.test('counts what a daemon acknowledged and lost, and sends it again', async t => {
  const { daemon, tally } = await setUp(t)
  const bytes = contentOf(13, 2_000_000)
  let lost = false
  daemon.script = (message, peer) => {
    if (message.type !== MESSAGE_TYPE.TRANSFER || lost) return
    const file = daemon.only.files[0]
    if (file?.chunks.size !== 1000) return
    lost = true
    for (const chunk of [3, 4, 100]) file.chunks.delete(chunk)
    peer.socket.end()
    return true
  }
  const result = await tally.put(temporaryFile(t, bytes), { chunkSizeBytes: 1000 })
  t.equal(result.counts.acknowledgedLost, 3)
  t.equal(daemon.acknowledgedSentAgain, 3)
  t.ok(daemon.content(result.fid).equals(bytes))
})

t.test('an answer that overtakes the report is no loss, and its chunk is not sent again', async t => {
  const { daemon, tally } = await setUp(t)
  const bytes = contentOf(19, 20_000)
  let late: string | undefined
  let refused = false
  const sent: number[] = []
  daemon.script = (message, peer) => {
    if (message.type === MESSAGE_TYPE.AUTHENTICATION && refused && late !== undefined) {
      // The report was made before chunk 3 was marked, the answer after.
      peer.ok(late, { fid: daemon.only.fid, chunks: [[0, 3, 1]] })
      daemon.answer(message, peer)
      daemon.only.files[0]?.chunks.set(3, bytes.subarray(3000, 4000))
      late = undefined
      return true
    }
    if (message.type !== MESSAGE_TYPE.TRANSFER) return
    const chunk = placeOf(message, peer)?.chunk ?? -1
    sent.push(chunk)
    if (chunk === 3 && late === undefined) {
      late = message.messageId
      return true
    }
    if (chunk !== 8 || refused) return
    refused = true
    peer.refuse(message.messageId, new TallyError('busy', 'not now'))
    return true
  }
  const result = await tally.put(bytes, { name: 'x', chunkSizeBytes: 1000 })
  t.equal(result.counts.acknowledgedLost, 0)
  t.equal(sent.filter(chunk => chunk === 3).length, 1)
  t.ok(daemon.content(result.fid).equals(bytes))
})

t.test('a file that changes while it is sent is removed from the daemon', async t => {
  const { daemon, tally } = await setUp(t)
  const path = temporaryFile(t, contentOf(14, 2_000_000))
  daemon.script = message => {
    if (message.type === MESSAGE_TYPE.TRANSFER && daemon.only.files[0]?.chunks.size === 100) appendFileSync(path, 'x')
    return undefined
  }
  await t.rejects(tally.put(path, { chunkSizeBytes: 1000 }), { code: 'file-changed' })
  t.equal(daemon.transfers.size, 0)
})

t.test('a file that was removed from the daemon is put anew, under another fid', async t => {
  const { daemon, tally } = await setUp(t)
  const path = temporaryFile(t, contentOf(15, 3000))
  const first = await tally.put(path)
  const again = await tally.put(path)
  t.equal(again.fid, first.fid)
  t.equal(again.counts.chunksSent, 0)
  await tally.remove({ fid: first.fid })
  const anew = await tally.put(path)
  t.not(anew.fid, first.fid)
  t.equal(daemon.only.fid, anew.fid)
})

t.test('several files of one transfer go on together, each with its own digest', async t => {
  const daemon = await fakeDaemon(t)
  const timings = { ...TIMINGS_DEFAULT, ...QUICK }
  const link = new Link({ path: daemon.socket, token: async () => 'a.b.c', timings })
  t.teardown(() => link.close())
  const contents = [2_000_000, 0, 1, 1_500_000].map((sizeBytes, index) => contentOf(index, sizeBytes))
  let cuts = 0
  daemon.script = (message, peer) => {
    if (message.type !== MESSAGE_TYPE.TRANSFER || cuts >= 5 || (placeOf(message, peer)?.chunk ?? 0) % 300 !== 299) return
    cuts++
    peer.cut()
    return true
  }
  const upload = new Upload(link, {
    fid: '0b6f7a3e-0000-4000-8000-000000000000',
    files: contents.map((bytes, index) => ({ label: { name: `${index}`, tags: [`t${index}`] }, source: new BytesSource(bytes) })),
    chunkSizeBytes: 1000,
  })
  const result = await upload.run()
  t.equal(cuts, 5)
  t.strictSame(result.files.map(({ digest }) => digest), contents.map(digestOf))
  t.ok(contents.every((bytes, index) => daemon.content(result.fid, index).equals(bytes)))
  t.equal(result.counts.acknowledgedSentAgain, 0)
})

t.test('keeps to the window', async t => {
  const { daemon, tally } = await setUp(t)
  daemon.window = 5
  let unanswered = 0
  let most = 0
  daemon.script = (message, peer) => {
    if (message.type !== MESSAGE_TYPE.TRANSFER) return
    most = Math.max(most, ++unanswered)
    setTimeout(() => {
      unanswered--
      daemon.answer(message, peer)
    }, 1)
    return true
  }
  await tally.put(contentOf(16, 50_000), { name: 'x', chunkSizeBytes: 1000 })
  t.equal(most, 5)
})

t.test('answers for a run of chunks stand for each of them', async t => {
  const { daemon, tally } = await setUp(t)
  const held: string[] = []
  daemon.script = (message, peer) => {
    if (message.type !== MESSAGE_TYPE.TRANSFER) return
    held.push(message.messageId)
    const silent = { ...peer, ok: () => {} }
    daemon.answer(message, silent)
    const { fid, files: [file] } = daemon.only
    if (held.length === 20) peer.ok(message.messageId, { fid, chunks: [[0, 0, 20]], stored: { file: 0, digest: file?.digest ?? '' } })
    return true
  }
  const result = await tally.put(contentOf(17, 20_000), { name: 'x', chunkSizeBytes: 1000 })
  t.equal(result.counts.chunksSent, 20)
})

t.test('an AbortSignal ends a put, and what is not refused stays resumable', async t => {
  const { daemon, tally } = await setUp(t)
  const stop = new AbortController()
  daemon.script = message => {
    if (message.type === MESSAGE_TYPE.TRANSFER && daemon.only.files[0]?.chunks.size === 5) stop.abort(new Error('enough'))
    return undefined
  }
  await t.rejects(tally.put(contentOf(18, 50_000), { name: 'x', chunkSizeBytes: 1000, signal: stop.signal }), { message: 'enough' })
  t.equal(daemon.transfers.size, 1)
})
