/**
 * WATCH over a real socket: what is told, to whom and in which order; how it begins after what was missed, and how it ends. The store is in
 * memory and the clock is the test's; restarts are in watch-restart.test.ts.
 */
import { createHash, randomUUID } from 'node:crypto'
import t from 'tap'
import type { RawClient } from '../support/raw-client.ts'
import { startInner } from '../support/inner-daemon.ts'
import { shown, watch } from '../support/watcher.ts'
import { TYPE, type Fields, numberedChunk } from '../support/wire.ts'

/** Puts one file of so many chunks of 1024 bytes; answers its fid. */
async function put(client: RawClient, token: string, name: string, fields: Fields = {}, chunks = 1): Promise<string> {
  const fid = randomUUID()
  await client.authenticate(token, { fid, files: [{ name, size: chunks * 1024 }], ...fields })
  for (let chunk = 0; chunk < chunks; chunk++) await client.sendChunk(numberedChunk(fid, 0, chunk), Buffer.alloc(1024, chunk))
  return fid
}

t.test('what happens to files that match is told with their fields, numbered, and what happens to others is not', async t => {
  const { client, token } = await startInner(t)
  const [watcher, ada, bob] = [await client(), await client(), await client({ sub: 'bob' })]
  const all = await watch(watcher)
  const tagged = await watch(watcher, { tags: ['x'] })
  const bobs = await watch(bob, {})
  t.match(all.ok, { sequence: 0, truncated: undefined })
  const meta = { colour: 'red' }
  const file = { name: 'a', size: 1024, 'media-type': 'text/plain', modified: 5, expires: 9e15, meta }
  const fid = await put(ada, token(), 'a', { tags: ['x'], files: [file] })
  t.equal((await ada.request(TYPE.tag, { fid, file: 0, add: ['y'], remove: ['x'] })).response, 'Ok')
  t.equal((await ada.request(TYPE.tag, { fid, add: ['z'], remove: [] })).response, 'Ok')
  await ada.authenticate(token(), { fid, files: [file], tags: ['merged'] })
  t.equal((await ada.request(TYPE.remove, { fid })).response, 'Ok')
  await put(bob, token({ sub: 'bob' }), 'bobs', { tags: ['x'] })
  await put(ada, token(), 'empty', { files: [{ name: 'empty', size: 0 }] }, 0)
  await all.until(({ name }) => name === 'empty')
  await bobs.until(({ name }) => name === 'bobs')
  t.strictSame(shown(all.events), ['1 stored a', '2 tagged a', '3 tagged a', '4 tagged a', '5 removed a', '6 stored empty'])
  t.strictSame(shown(tagged.events), ['1 stored a', '2 tagged a'])
  t.strictSame(shown(bobs.events), ['1 stored bobs'])
  const digest = `sha256:${createHash('sha256').update(Buffer.alloc(1024)).digest('hex')}`
  const same = { fid, file: 0, name: 'a', size: 1024, digest, 'media-type': 'text/plain', modified: 5, expires: 9e15, received: 1024 }
  const [stored, , , merged, removed] = all.events
  t.match(stored, { ...same, event: 'stored', state: 'stored', tags: ['x'], meta })
  t.match(merged, { ...same, event: 'tagged', state: 'stored', tags: ['y', 'z', 'merged'], meta })
  t.match(removed, { ...same, event: 'removed', state: 'removed', tags: ['y', 'z', 'merged'], meta: undefined })
  t.equal(typeof stored?.['created'], 'number')
  t.equal(typeof stored?.['stored'], 'number')
  t.equal(new Set([...all.events, ...tagged.events].map(event => event['message-id'])).size, 8)
})

t.test('events come in the encoding and the framing of the WATCH', async t => {
  const { client, token } = await startInner(t)
  for (const [framing, payload] of [['A', 'json-base64'], ['B', 'msgpack'], ['N', 'json-base64']] as const) {
    const watcher = await client(undefined, { framing, payload })
    const watching = await watch(watcher)
    await put(watcher, token(), framing)
    t.match(await watching.until(({ name }) => name === framing), { event: 'stored', state: 'stored' })
  }
})

t.test('a FIND and a WATCH since its sequence tell everything once; a number that is not known is truncated', async t => {
  const { client, token } = await startInner(t)
  const ada = await client()
  await put(ada, token(), 'a')
  const found = await ada.request(TYPE.find, {})
  t.equal(found['sequence'], 1)
  await put(ada, token(), 'b')
  const since = await watch(ada, { since: 1 })
  t.match(since.ok, { sequence: 2, truncated: undefined })
  await put(ada, token(), 'c')
  await since.until(({ name }) => name === 'c')
  t.strictSame(shown(since.events), ['2 stored b', '3 stored c'])
  const whole = await watch(ada, { since: 0 })
  await whole.until(({ name }) => name === 'c')
  t.strictSame(shown(whole.events), ['1 stored a', '2 stored b', '3 stored c'])
  const beyond = await watch(ada, { since: 1000 })
  t.match(beyond.ok, { sequence: 3, truncated: true })
  await put(ada, token(), 'd')
  await beyond.until(({ name }) => name === 'd')
  t.strictSame(shown(beyond.events), ['4 stored d'])
})

t.test('what arrives of an unfinished file is told without a number, at most once a second, to who asks for what is receiving', async t => {
  const { client, clock, token } = await startInner(t)
  const [watcher, ada] = [await client(), await client()]
  const receiving = await watch(watcher, { state: 'receiving' })
  const stored = await watch(watcher)
  const fid = randomUUID()
  await ada.authenticate(token(), { fid, files: [{ name: 'a', size: 8 * 1024 }] })
  const send = (chunk: number) => ada.sendChunk(numberedChunk(fid, 0, chunk), Buffer.alloc(1024))
  for (let chunk = 0; chunk < 3; chunk++) await send(chunk)
  await receiving.until(({ received }) => (received as number) >= 1024)
  clock.nowMs += 999
  await send(3)
  clock.nowMs += 1
  await send(4)
  await receiving.until(({ received }) => received === 5 * 1024)
  t.strictSame(shown(receiving.events), ['receiving a', 'receiving a'])
  t.match(receiving.events[1], { event: 'receiving', state: 'receiving', size: 8 * 1024, sequence: undefined })
  for (let chunk = 5; chunk < 8; chunk++) await send(chunk)
  await Promise.all([receiving, stored].map(each => each.until(({ event }) => event === 'stored')))
  t.strictSame(shown(receiving.events).slice(2), ['1 stored a'], 'it was receiving before')
  t.strictSame(shown(stored.events), ['1 stored a'])
  const again = await watch(watcher, { state: 'receiving', since: 0 })
  await again.until(({ event }) => event === 'stored')
  t.strictSame(shown(again.events), ['1 stored a'], 'what arrived is not told again')
})

t.test('the client ends a WATCH with an Error, and others go on', async t => {
  const { client, token } = await startInner(t)
  const ada = await client()
  const [first, second] = [await watch(ada), await watch(ada)]
  ada.send(TYPE.response, { 'message-id': first.id, response: 'Error', reason: 'enough' })
  await put(ada, token(), 'a')
  await second.until(({ name }) => name === 'a')
  t.strictSame(first.events, [])
  t.equal((await ada.request(TYPE.watch, { 'message-id': first.id })).response, 'Ok', 'its id is free again')
})

t.test('a connection has sixteen watches, and each has an id of its own', async t => {
  const { client } = await startInner(t)
  const ada = await client()
  const watches = []
  for (let i = 0; i < 16; i++) watches.push(await watch(ada))
  t.match(await ada.request(TYPE.watch, {}), { code: 'busy', limit: 16, 'retry-after': 100 })
  ada.send(TYPE.response, { 'message-id': watches[0]?.id, response: 'Error', reason: '' })
  t.equal((await ada.request(TYPE.watch, { 'message-id': randomUUID() })).response, 'Ok')
  const other = await client()
  const id = randomUUID()
  t.equal((await other.request(TYPE.watch, { 'message-id': id })).response, 'Ok')
  t.match(await other.request(TYPE.watch, { 'message-id': id }), { code: 'malformed', field: 'message-id' })
})

t.test('the right to watch is checked, and EVENT is not for the daemon', async t => {
  const { connect, token } = await startInner(t)
  const client = await connect()
  t.equal((await client.request(TYPE.watch, {})).code, 'unauthenticated')
  await client.authenticate(token({ sub: 'ada', scope: 'put get find tag remove' }))
  t.match(await client.request(TYPE.watch, {}), { code: 'forbidden', scope: 'watch' })
  await client.authenticate(token({ sub: 'ada', scope: 'watch' }))
  t.equal((await client.request(TYPE.watch, {})).response, 'Ok')
  t.match(await client.request(TYPE.watch, { since: -1 }), { code: 'malformed', field: 'since' })
  const event = { watch: randomUUID(), event: 'stored', fid: randomUUID(), file: 0, name: 'a', size: 1, tags: [] }
  t.match(await client.request(TYPE.event, event), { code: 'unsupported-type', type: 9 })
})

t.test('when the token expires the WATCH ends, quiet as it may be, and a new AUTHENTICATION goes on', async t => {
  const { client, clock, connect, daemon, token } = await startInner(t)
  const exp = Math.floor(clock.nowMs / 1000) + 60
  const brief = await connect()
  await brief.authenticate(token({ sub: 'ada', exp }))
  const watching = await watch(brief)
  clock.nowMs = (exp + 4) * 1000
  daemon.closeSilent()
  const ada = await client()
  await put(ada, token(), 'a')
  await watching.until(({ name }) => name === 'a')
  clock.nowMs = (exp + 6) * 1000
  daemon.closeSilent()
  t.match(await watching.end, { code: 'token-expired', 'message-id': watching.id })
  await put(ada, token(), 'b')
  await brief.authenticate(token())
  const again = await watch(brief, { since: 1 })
  await again.until(({ name }) => name === 'b')
  t.strictSame(shown(watching.events), ['1 stored a'])
})

t.test('nothing is told after the token expired, also before a second has passed', async t => {
  const { client, clock, connect, token } = await startInner(t)
  const exp = Math.floor(clock.nowMs / 1000) + 60
  const brief = await connect()
  await brief.authenticate(token({ sub: 'ada', exp }))
  const watching = await watch(brief)
  const ada = await client()
  clock.nowMs = (exp + 6) * 1000
  await put(ada, token(), 'a')
  t.equal((await watching.end).code, 'token-expired')
  t.strictSame(watching.events, [])
})

t.test('another user on the connection ends the watches of the earlier one', async t => {
  const { client, token } = await startInner(t)
  const [shared, ada] = [await client(), await client()]
  const watching = await watch(shared)
  await shared.authenticate(token({ sub: 'bob' }))
  t.match(await watching.end, { code: 'unauthenticated', 'message-id': watching.id })
  const bobs = await watch(shared, { since: 0 })
  await put(ada, token(), 'adas')
  await put(shared, token({ sub: 'bob' }), 'bobs')
  await bobs.until(({ name }) => name === 'bobs')
  t.strictSame(shown(bobs.events), ['1 stored bobs'])
  t.strictSame(watching.events, [])
})

t.test('a stop tells each WATCH, then the connection', async t => {
  const { client, daemon } = await startInner(t)
  const ada = await client()
  const watching = await watch(ada)
  await daemon.stop()
  t.match(await watching.end, { code: 'shutting-down', 'message-id': watching.id })
  await ada.ended
  t.match(ada.strays.at(-1), { code: 'shutting-down', fatal: true })
})

t.test('a peer that sends no more is told what there is, then the connection closes', async t => {
  const { client, token } = await startInner(t)
  const ada = await client()
  for (const name of ['a', 'b', 'c']) await put(ada, token(), name)
  const half = await client()
  const events: unknown[] = []
  half.onMessage = (_type, { name }) => events.push(name)
  const answered = half.request(TYPE.watch, { since: 1 })
  half.socket.end()
  t.equal((await answered).response, 'Ok')
  await half.ended
  t.strictSame(events, ['b', 'c'])
  const idle = await client()
  await watch(idle)
  idle.socket.end()
  await idle.ended
})

t.test('a watcher that does not read costs no memory and misses nothing', async t => {
  const { client, token, store } = await startInner(t)
  const [slow, ada] = [await client(), await client()]
  const watching = await watch(slow, { state: 'receiving', since: 0 })
  slow.socket.pause()
  const fid = randomUUID()
  const files = Array.from({ length: 500 }, (_, i) => ({ name: `${i}`.padEnd(1000, '.'), size: 10 }))
  await ada.authenticate(token(), { fid, files })
  let reads = 0
  const inner = store.catalog.events.bind(store.catalog)
  store.catalog.events = query => {
    reads++
    return inner(query)
  }
  const rounds = 20
  for (let round = 0; round < rounds; round++) {
    const tags = round % 2 === 0 ? { add: ['x'], remove: [] } : { add: [], remove: ['x'] }
    t.equal((await ada.request(TYPE.tag, { fid, ...tags })).response, 'Ok')
  }
  // 10 MB of events: what was read of them before the peer was found to be behind is a part.
  t.ok(reads * 64 < (rounds * files.length) / 2, `${reads} pages were read`)
  slow.socket.resume()
  await watching.until(({ sequence }) => sequence === rounds * files.length)
  t.strictSame(watching.events.map(({ sequence }) => sequence), Array.from({ length: rounds * files.length }, (_, i) => i + 1))
})

t.test('a user may have 64 watches on all connections, and others have theirs', async t => {
  const daemon = await startInner(t)
  const codes: unknown[] = []
  const clients = await Promise.all(Array.from({ length: 5 }, () => daemon.client()))
  for (let i = 0; i < 65; i++) codes.push((await clients[i % 5]?.request(TYPE.watch, {}))?.code)
  t.same(codes.filter(code => code !== undefined), ['busy'])
  t.equal(codes.at(-1), 'busy')
  t.equal((await (await daemon.client({ sub: 'eve' })).request(TYPE.watch, {})).response, 'Ok')
  await clients[0]?.close()
  t.equal((await clients[4]?.request(TYPE.watch, {}))?.response, 'Ok', 'who goes makes room')
})
