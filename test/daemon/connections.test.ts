/**
 * Connections of a daemon in this process, over real sockets and the memory store: who is refused, closed or waited for, how frames go out
 * to originals, and what a stop leaves. The clock is the test's.
 */
import { createHash, randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import t from 'tap'
import { Connection, type FrameHandler } from '../../daemon/connection.ts'
import { FrameBudget } from '../../daemon/flow.ts'
import { SECRET, startInner } from '../support/inner-daemon.ts'
import { RawClient } from '../support/raw-client.ts'
import { mintToken } from '../support/token.ts'
import { TYPE, encode, frame, numberedChunk } from '../support/wire.ts'
import { Duplex } from 'node:stream'

const token = mintToken(SECRET, { sub: 'ada' })

t.test('answers busy to one connection more than it serves, and serves it when another has gone', async t => {
  const { path } = await startInner(t, { connectionsMax: 1 })
  const first = await RawClient.connect(path)
  t.equal((await first.authenticate(token)).response, 'Ok')
  const second = await RawClient.connect(path)
  const answer = await second.authenticate(token)
  t.equal(answer.code, 'busy')
  t.equal(answer.fatal, true)
  t.equal(answer['limit'], 1)
  await second.ended
  await first.close()
  let served: string | undefined
  for (let i = 0; i < 100 && served !== 'Ok'; i++) {
    const third = await RawClient.connect(path)
    served = await third.authenticate(token).then(({ response }) => response, () => undefined)
    third.destroy()
  }
  t.equal(served, 'Ok')
})

t.test('lets operators in when all connections are taken: by their token alone, and only so many', async t => {
  const { daemon, clock, connect, client } = await startInner(t, { connectionsMax: 1 })
  const operator = mintToken(SECRET, { sub: 'root', scope: 'admin' })
  const ordinary = await client()
  const silent = await Promise.all(Array.from({ length: 20 }, () => connect()))
  for (const wrong of ['x', mintToken('another-secret-of-at-least-32-bytes', { sub: 'root', scope: 'admin' }), token]) {
    t.match(await (await connect()).authenticate(wrong), { code: 'busy', fatal: true, limit: 1 })
  }
  const unsaid = await connect()
  t.match(await unsaid.request(TYPE.settings, { reload: true }), { code: 'busy', fatal: true })
  const operators: RawClient[] = []
  for (let i = 0; i < 8; i++) {
    const next = await connect()
    operators.push(next)
    t.equal((await next.authenticate(operator)).response, 'Ok')
    t.match(await next.request(TYPE.status, {}), { 'response': 'Ok', 'result': { 'connection-count': 2 + i } })
  }
  t.match(await (await connect()).authenticate(operator), { code: 'busy' }, 'the ninth')
  await operators[0]?.close()
  let served: string | undefined
  for (let i = 0; i < 100 && served !== 'Ok'; i++) served = (await (await connect()).authenticate(operator)).response
  t.equal(served, 'Ok', 'who leaves makes room')
  t.equal((await ordinary.authenticate(token)).response, 'Ok', 'others stay')
  clock.nowMs += 31_000
  daemon.closeSilent()
  await Promise.all(silent.map(({ ended }) => ended))
  t.equal((await operators[1]?.request(TYPE.status, {}))?.response, 'Ok', 'an operator is not among the silent')
})

t.test('closes who has not authenticated within 30 s, and nobody else', async t => {
  const { daemon, clock, path } = await startInner(t)
  const silent = await RawClient.connect(path)
  const known = await RawClient.connect(path)
  t.equal((await known.authenticate(token)).response, 'Ok')
  clock.nowMs += 29_000
  daemon.closeSilent()
  t.equal(silent.over, false)
  clock.nowMs += 2_000
  daemon.closeSilent()
  await silent.ended
  t.equal((await known.authenticate(token)).response, 'Ok')
  known.destroy()
})

t.test('closes who leaves a frame unfinished for 30 s', async t => {
  const { daemon, clock, path } = await startInner(t)
  const client = await RawClient.connect(path)
  t.equal((await client.authenticate(token)).response, 'Ok')
  clock.nowMs += 100_000
  client.raw(Buffer.from('020000', 'hex'))
  // The daemon has read it once it has answered what another connection sent after it.
  const other = await RawClient.connect(path)
  t.equal((await other.authenticate(token)).response, 'Ok')
  clock.nowMs += 29_000
  daemon.closeSilent()
  t.equal(client.over, false)
  clock.nowMs += 2_000
  daemon.closeSilent()
  await client.ended
  other.destroy()
})

t.test('a half-closed client still gets every answer it is owed, and then the end', async t => {
  const { path } = await startInner(t)
  const client = await RawClient.connect(path)
  const fid = randomUUID()
  const answers: Promise<unknown>[] = [client.authenticate(token, { fid, files: [{ name: 'a', size: 5 * 1024 }] })]
  for (let chunk = 0; chunk < 5; chunk++) answers.push(client.sendChunk(numberedChunk(fid, 0, chunk), Buffer.alloc(1024, chunk)))
  client.socket.end()
  t.strictSame((await Promise.all(answers) as { response: string }[]).map(({ response }) => response), Array(6).fill('Ok'))
  await client.ended
})

t.test('messages sent right behind AUTHENTICATION are judged after it', async t => {
  const { path } = await startInner(t)
  const client = await RawClient.connect(path)
  const fid = randomUUID()
  const authenticated = client.authenticate(token, { fid, files: [{ name: 'a', size: 3 }] })
  const sent = client.sendChunk(numberedChunk(fid, 0, 0), Buffer.from('abc'))
  const removed = client.request(TYPE.remove, { fid })
  const late = client.sendChunk(numberedChunk(fid, 0, 0), Buffer.from('abc'))
  t.equal((await authenticated).response, 'Ok')
  const { response, code } = await sent
  t.ok(response === 'Ok' || code === 'chunk-unknown', 'marked before the removal, or unanswered when it came')
  t.equal((await removed)['removed'], 1)
  t.equal((await late).code, 'chunk-unknown')
  client.destroy()
})

t.test('another user on the same connection ends what the first had open; it stays resumable', async t => {
  const { path } = await startInner(t)
  const client = await RawClient.connect(path)
  const fid = randomUUID()
  await client.authenticate(token, { fid, files: [{ name: 'a', size: 2048 }] })
  t.equal((await client.authenticate(mintToken(SECRET, { sub: 'bob' }))).user, 'bob')
  t.equal((await client.sendChunk(numberedChunk(fid, 0, 0), Buffer.alloc(1024))).code, 'chunk-unknown')
  t.equal((await client.authenticate(mintToken(SECRET, { sub: 'bob' }), { fid })).code, 'unknown-fid')
  t.equal((await client.authenticate('no token')).code, 'token-invalid')
  t.equal((await client.authenticate(token, { fid })).files?.[0]?.state, 'receiving')
  t.equal((await client.sendChunk(numberedChunk(fid, 0, 0), Buffer.alloc(1024))).response, 'Ok')
  client.destroy()
})

t.test('a token that expires while connected is noticed, and a new one goes on', async t => {
  const { clock, path } = await startInner(t)
  const client = await RawClient.connect(path)
  const fid = randomUUID()
  const expSeconds = Math.floor(clock.nowMs / 1000) + 60
  const brief = mintToken(SECRET, { sub: 'ada', exp: expSeconds })
  await client.authenticate(brief, { fid, files: [{ name: 'a', size: 2048 }] })
  clock.nowMs = (expSeconds + 4) * 1000
  t.equal((await client.sendChunk(numberedChunk(fid, 0, 0), Buffer.alloc(1024))).response, 'Ok', 'within the tolerance')
  clock.nowMs = (expSeconds + 6) * 1000
  t.equal((await client.sendChunk(numberedChunk(fid, 0, 1), Buffer.alloc(1024))).code, 'token-expired')
  t.equal((await client.authenticate(brief)).code, 'token-expired')
  t.equal((await client.authenticate(token)).response, 'Ok')
  t.ok((await client.sendChunk(numberedChunk(fid, 0, 1), Buffer.alloc(1024))).stored)
  client.destroy()
})

t.test('a scope that lacks a word refuses its messages', async t => {
  const { path } = await startInner(t)
  const client = await RawClient.connect(path)
  const reader = mintToken(SECRET, { sub: 'ada', scope: 'get find' })
  const refused = await client.authenticate(reader, { files: [{ name: 'a', size: 1 }] })
  t.equal(refused.code, 'forbidden')
  t.equal(refused['scope'], 'put')
  t.equal((await client.authenticate(reader)).response, 'Ok')
  t.equal((await client.request(TYPE.remove, { fid: randomUUID() })).code, 'forbidden')
  t.equal((await client.request(TYPE.find, {})).response, 'Ok')
  client.destroy()
})

t.test('a token that may not put may ask for a report, and does not become the one who fills', async t => {
  const { path } = await startInner(t)
  const writer = await RawClient.connect(path)
  const reader = await RawClient.connect(path)
  const fid = randomUUID()
  await writer.authenticate(token, { fid, files: [{ name: 'a', size: 2000 }] })
  const readerToken = mintToken(SECRET, { sub: 'ada', scope: 'get' })
  t.strictSame((await reader.authenticate(readerToken, { fid })).files?.[0]?.missing, [[0, 2]])
  t.equal((await reader.authenticate(readerToken, { fid, tags: ['x'] })).code, 'forbidden')
  t.equal((await reader.sendChunk(numberedChunk(fid, 0, 0), Buffer.alloc(1024))).code, 'forbidden')
  t.equal((await writer.sendChunk(randomUUID(), Buffer.alloc(1000))).response, 'Ok')
  reader.destroy()
  writer.destroy()
})

t.test('half frames of strangers do not shut out who has authenticated', async t => {
  const { path } = await startInner(t)
  const client = await RawClient.connect(path)
  const fid = randomUUID()
  const size = 3 * 1_048_576
  await client.authenticate(token, { fid, files: [{ name: 'a', size }], 'chunk-size': 1_048_576 })
  const half = Buffer.alloc(1_000_000, 0x20)
  half.set(Buffer.from('02001cfde001', 'hex'))
  const strangers = await Promise.all(Array.from({ length: 80 }, () => RawClient.connect(path)))
  for (const stranger of strangers) stranger.raw(half)
  for (let chunk = 0; chunk < 3; chunk++) {
    const answer = await client.sendChunk(numberedChunk(fid, 0, chunk), Buffer.alloc(1_048_576))
    t.equal(answer.response, 'Ok')
  }
  for (const stranger of strangers) stranger.destroy()
  client.destroy()
})

t.test('a stop answers what was received, says shutting-down, and closes', async t => {
  const { daemon, path } = await startInner(t)
  const client = await RawClient.connect(path)
  const fid = randomUUID()
  await client.authenticate(token, { fid, files: [{ name: 'a', size: 2048 }] })
  const answered = client.sendChunk(numberedChunk(fid, 0, 0), Buffer.alloc(1024))
  await answered
  await daemon.stop()
  await client.ended
  t.equal(client.strays.at(-1)?.code, 'shutting-down')
  t.equal(client.strays.at(-1)?.fatal, true)
  await t.rejects(RawClient.connect(path))
})

t.test('4,096 files announced by an original client are reported in frames of 64 KiB at most', async t => {
  const { path } = await startInner(t)
  const client = await RawClient.connect(path, { payload: 'json-array' })
  const files = Array.from({ length: 4096 }, (_, i) => ({ name: `f${i}`, size: 10_000 }))
  const before = client.bytesRead
  const answer = await client.authenticate(token, { fid: randomUUID(), files })
  t.equal(answer.response, 'Ok')
  t.ok(client.bytesRead - before <= 65_536, `${client.bytesRead - before} bytes`)
  const report = answer.files ?? []
  t.strictSame(answer.more, [1023, 9], 'as many runs as may be listed are')
  t.ok(report.length > 1500, `and as many files as then fit: ${report.length}`)
  t.ok(report.every(({ missing }, i) => missing.length === (i < 1024 ? 1 : 0)))
  client.destroy()
})

t.test('where the entries of all files fit, an original client gets them all, with as many runs as then fit', async t => {
  const { path } = await startInner(t)
  const client = await RawClient.connect(path, { payload: 'json-array' })
  const files = Array.from({ length: 1800 }, (_, i) => ({ name: `f${i}`, size: 10_000 }))
  const answer = await client.authenticate(token, { fid: randomUUID(), files })
  const report = answer.files ?? []
  t.equal(report.length, 1800)
  const listed = report.filter(({ missing }) => missing.length > 0).length
  t.strictSame(answer.more, [listed - 1, 9])
  t.ok(listed > 100, `${listed}`)
  const rest = await client.authenticate(token, { fid: answer.fid, files, 'missing-after': answer.more })
  t.equal(rest.files?.filter(({ missing }) => missing.length > 0).length, 1800 - listed)
  t.equal(rest.more, undefined)
  client.destroy()
})

/** A stream that records each write and ends it when told. */
class Recorder extends Duplex {
  readonly writes: Buffer[] = []
  #finish: (() => void) | undefined
  override _read(): void {}
  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    this.writes.push(Buffer.from(bytes))
    this.#finish = done
  }
  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    this.writes.push(Buffer.concat(chunks.map(({ chunk }) => chunk)))
    this.#finish = done
  }
  finish(): void {
    this.#finish?.()
  }
}

t.test('an original gets one frame per write, the next when that was taken; a client of ext gets them together', async t => {
  const handler: FrameHandler = { receive: () => undefined, malformed: () => undefined, drained: () => undefined, ended: () => undefined, closed: () => undefined }
  const ids = [randomUUID(), randomUUID(), randomUUID()]
  const okBytes = 75
  for (const usesExt of [false, true]) {
    const stream = new Recorder()
    const connection = new Connection(stream, () => handler, new FrameBudget(), Date.now)
    connection.usesExt = usesExt
    for (const id of ids) connection.sendOk(id, 'json')
    for (let i = 0; i < 5; i++) {
      await new Promise(resolve => setImmediate(resolve))
      if (i < 3 && !usesExt) t.strictSame(stream.writes.map(({ length }) => length), Array(i + 1).fill(okBytes))
      stream.finish()
    }
    t.strictSame(stream.writes.map(({ length }) => length), usesExt ? [3 * okBytes] : [okBytes, okBytes, okBytes])
    stream.destroy()
  }
})

t.test('a pause that ends while a waiting frame is judged does not give a frame twice', async t => {
  const stream = new Recorder()
  const seen: number[] = []
  const connection = new Connection(stream, made => ({
    receive: (_type, payload) => {
      seen.push(payload[0] as number)
      if (seen.length === 1) return new Promise(resolve => setImmediate(resolve))
      made.pause('flow')
      made.resume('flow')
      return undefined
    },
    malformed: () => undefined,
    drained: () => undefined,
    ended: () => undefined,
    closed: () => undefined,
  }), new FrameBudget(), Date.now)
  stream.push(Buffer.concat([1, 2, 3, 4].map(byte => frame('A', 3, Buffer.of(byte)))))
  while (seen.length < 4) await new Promise(resolve => setImmediate(resolve))
  await new Promise(resolve => setImmediate(resolve))
  t.strictSame(seen, [1, 2, 3, 4])
  connection.destroy()
})

t.test('a peer that does not read its answers is not read either, and stops only itself', async t => {
  const { path } = await startInner(t)
  const fid = randomUUID()
  const deaf = connect(path)
  await new Promise(resolve => deaf.on('connect', resolve))
  deaf.pause()
  const authenticate = (fields: object) => frame('A', TYPE.authentication, encode('json-base64', { 'message-id': randomUUID(), token, ...fields }))
  deaf.write(authenticate({ fid, files: [{ name: 'a', size: 2 ** 30 }] }))
  // Each of these asks for a report; unread, they would pile up without end.
  let sentBytes = 0
  const one = authenticate({ fid })
  let isTaken = true
  for (let i = 0; i < 400_000 && isTaken; i++) {
    isTaken = deaf.write(one) || deaf.writableLength < 16_777_216
    sentBytes += one.length
    if (i % 1000 === 0) await new Promise(resolve => setImmediate(resolve))
  }
  t.ok(deaf.writableLength >= 16_777_216 && sentBytes > 16_777_216, 'the daemon has stopped reading')
  const other = await RawClient.connect(path)
  t.equal((await other.authenticate(token, { fid })).response, 'Ok')
  other.destroy()
  deaf.destroy()
})

t.test('an opaque chunk whose crc32 is wrong holds new ones back until it comes again', async t => {
  const { path } = await startInner(t)
  const client = await RawClient.connect(path)
  await client.authenticate(token, { fid: randomUUID(), files: [{ name: 'a', size: 2048 }] })
  const [first, second] = [randomUUID(), randomUUID()]
  t.equal((await client.sendChunk(first, Buffer.alloc(1024, 1), { crc32: 1 })).code, 'crc-mismatch')
  t.equal((await client.sendChunk(second, Buffer.alloc(1024, 2))).code, 'chunk-unknown')
  t.equal((await client.sendChunk(first, Buffer.alloc(1024, 1))).response, 'Ok')
  const last = await client.sendChunk(second, Buffer.alloc(1024, 2))
  t.equal(last.stored?.digest, sha256(Buffer.concat([Buffer.alloc(1024, 1), Buffer.alloc(1024, 2)])))
  client.destroy()
})

t.test('an opaque chunk that comes again means its place in the transfer before, also when another was announced since', async t => {
  const { path } = await startInner(t)
  const client = await RawClient.connect(path)
  const [before, since] = [randomUUID(), randomUUID()]
  const chunk = randomUUID()
  await client.authenticate(token, { fid: before, files: [{ name: 'a', size: 2048 }] })
  t.equal((await client.sendChunk(chunk, Buffer.alloc(1024, 1))).response, 'Ok')
  await client.authenticate(token, { fid: since, files: [{ name: 'b', size: 2048 }] })
  t.equal((await client.sendChunk(chunk, Buffer.alloc(1024, 1))).response, 'Ok')
  t.strictSame((await client.authenticate(token, { fid: since })).files?.[0]?.missing, [[0, 2]])
  client.destroy()
})

t.test('a FETCH that waits for answers when the token expires ends with token-expired', async t => {
  const { clock, path } = await startInner(t)
  const client = await RawClient.connect(path)
  const fid = randomUUID()
  const exp = Math.floor(clock.nowMs / 1000) + 60
  await client.authenticate(mintToken(SECRET, { sub: 'ada', exp }), { fid, files: [{ name: 'a', size: 4096 }] })
  for (let chunk = 0; chunk < 4; chunk++) await client.sendChunk(numberedChunk(fid, 0, chunk), Buffer.alloc(1024))
  const sent: unknown[] = []
  client.onMessage = (_type, fields) => sent.push(fields['message-id'])
  const fetch = randomUUID()
  t.equal((await client.request(TYPE.fetch, { 'message-id': fetch, fid, file: 0, window: 2 })).response, 'Ok')
  while (sent.length < 2) await new Promise(resolve => setTimeout(resolve, 1))
  clock.nowMs = (exp + 6) * 1000
  const ended = client.answer(fetch)
  client.send(TYPE.response, { 'message-id': sent[0], response: 'Ok' })
  t.equal((await ended).code, 'token-expired')
  t.equal(client.strays.length, 0, 'a RESPONSE is never answered')
  client.destroy()
})

t.test('a FETCH answered in ranges ends, and one ended by the client is heard of no more', async t => {
  const { path } = await startInner(t)
  const client = await RawClient.connect(path)
  const fid = randomUUID()
  await client.authenticate(token, { fid, files: [{ name: 'a', size: 100 * 1024 }] })
  await Promise.all(Array.from({ length: 100 }, (_, chunk) => client.sendChunk(numberedChunk(fid, 0, chunk), Buffer.alloc(1024))))
  let isAnswering = true
  let received = 0
  client.onMessage = (_type, fields) => {
    received++
    // Every tenth chunk is answered, for itself and the nine before it.
    if (isAnswering && received % 10 === 0) {
      client.send(TYPE.response, { 'message-id': fields['message-id'], response: 'Ok', fid, chunks: [[0, received - 10, 10]] })
    }
  }
  const first = randomUUID()
  t.equal((await client.request(TYPE.fetch, { 'message-id': first, fid, file: 0, window: 20, acks: 'ranges' })).response, 'Ok')
  t.equal((await client.answer(first)).done, true)
  t.equal(received, 100)
  isAnswering = false
  const second = randomUUID()
  await client.request(TYPE.fetch, { 'message-id': second, fid, file: 0, window: 4 })
  while (received < 104) await new Promise(resolve => setTimeout(resolve, 1))
  client.send(TYPE.response, { 'message-id': second, response: 'Error', reason: 'enough' })
  t.equal((await client.authenticate(token)).response, 'Ok')
  t.equal(received, 104)
  client.destroy()
})

t.test('a connection has 16 FETCHes, and the last answer to one makes room for another that comes with it', async t => {
  const { path } = await startInner(t)
  const client = await RawClient.connect(path)
  const fid = randomUUID()
  await client.authenticate(token, { fid, files: [{ name: 'a', size: 1000 }] })
  await client.sendChunk(numberedChunk(fid, 0, 0), Buffer.alloc(1000))
  const chunks = new Map<unknown, unknown>()
  client.onMessage = (_type, fields) => chunks.set(fields['fetch'], fields['message-id'])
  const ids = Array.from({ length: 18 }, () => randomUUID())
  const fetchOf = (id: string | undefined) => ({ 'message-id': id, fid, file: 0 })
  await Promise.all(ids.slice(0, 16).map(id => client.request(TYPE.fetch, fetchOf(id))))
  t.match(await client.request(TYPE.fetch, fetchOf(ids[16])), { code: 'busy', limit: 16 })
  while (chunks.size < 16) await new Promise(resolve => setTimeout(resolve, 1))
  const [done, other] = [client.answer(ids[0] as string), client.answer(ids[17] as string)]
  const answer = { 'message-id': chunks.get(ids[0]), response: 'Ok' }
  client.socket.write(Buffer.concat([[TYPE.response, answer] as const, [TYPE.fetch, fetchOf(ids[17])] as const].map(([type, fields]) => {
    return frame('A', type, encode('json-base64', fields))
  })))
  t.equal((await done).done, true)
  t.match(await other, { response: 'Ok', size: 1000 })
  client.destroy()
})

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

t.test('what an original client has read does not count as unread, however much it was', async t => {
  const handler: FrameHandler = { receive: () => undefined, malformed: () => undefined, drained: () => undefined, ended: () => undefined, closed: () => undefined }
  const stream = new Duplex({ read: () => undefined, write: (_bytes, _encoding, done) => done() })
  const connection = new Connection(stream, () => handler, new FrameBudget(), Date.now)
  connection.isTrusted = true
  const id = randomUUID()
  for (let i = 0; i < 100_000; i++) {
    connection.sendOk(id, 'msgpack')
    if (i % 100 === 0) await new Promise(resolve => setImmediate(resolve))
  }
  await new Promise(resolve => setImmediate(resolve))
  t.equal(connection.isBehind, false)
  connection.destroy()
})

t.test('a stranger who does not read the answers it provokes is closed', async t => {
  const { path } = await startInner(t)
  const deaf = connect(path)
  deaf.pause()
  deaf.on('error', () => undefined)
  const closed = new Promise(resolve => deaf.on('close', resolve))
  const one = frame('A', TYPE.find, encode('json-base64', { 'message-id': randomUUID() }))
  const many = Buffer.concat(Array(5000).fill(one))
  for (let i = 0; i < 200 && !deaf.destroyed; i++) {
    deaf.write(many)
    await new Promise(resolve => setImmediate(resolve))
  }
  deaf.resume()
  await closed
  const other = await RawClient.connect(path)
  t.equal((await other.authenticate(token)).response, 'Ok')
  other.destroy()
})

t.test('FIND with more meta than a frame holds gives a shorter page', async t => {
  const { path } = await startInner(t)
  const client = await RawClient.connect(path)
  const files = Array.from({ length: 100 }, (_, i) => ({ name: `f${i}`, size: 0, meta: { text: 'x'.repeat(16_000) } }))
  for (const half of [files.slice(0, 50), files.slice(50)]) {
    t.equal((await client.authenticate(token, { fid: randomUUID(), files: half })).response, 'Ok')
  }
  const tags = Array.from({ length: 100 }, (_, i) => ({ name: `g${i}`, size: 0, meta: { text: 'y'.repeat(16_000) } }))
  for (const half of [tags.slice(0, 50), tags.slice(50)]) await client.authenticate(token, { fid: randomUUID(), files: half })
  const names = new Set<string>()
  let after: unknown
  do {
    const page = await client.request(TYPE.find, { limit: 1000, ...(after === undefined ? {} : { after }) })
    t.equal(page.response, 'Ok')
    for (const { name } of page['files'] as unknown as { name: string }[]) names.add(name)
    after = page['next']
  } while (after !== undefined)
  t.equal(names.size, 200)
  client.destroy()
})

t.test('a FETCH that is ended before it began sends nothing, and its message-id may not be in use twice', async t => {
  const { path } = await startInner(t)
  const client = await RawClient.connect(path)
  const fid = randomUUID()
  await client.authenticate(token, { fid, files: [{ name: 'a', size: 4096 }] })
  for (let chunk = 0; chunk < 4; chunk++) await client.sendChunk(numberedChunk(fid, 0, chunk), Buffer.alloc(1024))
  const first = randomUUID()
  client.send(TYPE.fetch, { 'message-id': first, fid, file: 0 })
  client.send(TYPE.response, { 'message-id': first, response: 'Error', reason: 'never mind' })
  t.equal((await client.authenticate(token)).response, 'Ok')
  t.equal(client.unasked.length, 0)
  const second = randomUUID()
  t.equal((await client.request(TYPE.fetch, { 'message-id': second, fid, file: 0, window: 1 })).response, 'Ok')
  const again = await client.request(TYPE.fetch, { 'message-id': second, fid, file: 0, window: 1 })
  t.equal(again.code, 'malformed')
  client.destroy()
})

t.test('a FETCH of a peer that has half-closed ends when its window is full', async t => {
  const { path } = await startInner(t)
  const client = await RawClient.connect(path)
  const fid = randomUUID()
  await client.authenticate(token, { fid, files: [{ name: 'a', size: 4096 }] })
  for (let chunk = 0; chunk < 4; chunk++) await client.sendChunk(numberedChunk(fid, 0, chunk), Buffer.alloc(1024))
  client.send(TYPE.fetch, { fid, file: 0, window: 2 })
  client.socket.end()
  await client.ended
  t.equal(client.unasked.length, 2)
})
