/**
 * The client's watch against a daemon in the test's hands: how it goes on after a break, that nothing is missed or handed out twice, what
 * it does with more than may wait, and how it ends.
 */
import t, { type Test } from 'tap'
import { type ClientEvent, type Tally, type TallyEvent, connect } from '../../client/index.ts'
import { type Event, MESSAGE_TYPE, TallyError, type Watch } from '../../protocol/index.ts'
import { type FakeDaemon, type Peer, fakeDaemon } from './fake-daemon.ts'

const FID = '0b6f7a3e-0000-4000-8000-000000000001'

interface Setting {
  daemon: FakeDaemon
  tally: Tally
  told: ClientEvent[]
  /** Each WATCH that came, and the ids of those that were ended. */
  watches: { message: Watch; peer: Peer }[]
  ended: string[]
}

async function setUp(t: Test, answer: (message: Watch, peer: Peer, nth: number) => void): Promise<Setting> {
  const daemon = await fakeDaemon(t)
  const told: ClientEvent[] = []
  const watches: Setting['watches'] = []
  const ended: string[] = []
  daemon.script = (message, peer) => {
    if (message.type === MESSAGE_TYPE.RESPONSE && message.response === 'Error') {
      ended.push(message.messageId)
      return true
    }
    if (message.type !== MESSAGE_TYPE.WATCH) return
    watches.push({ message, peer })
    answer(message, peer, watches.length)
    return true
  }
  const timings = { backOffFirstMs: 1, backOffMaxMs: 5 }
  const tally = await connect({ socket: daemon.socket, token: 'a.b.c', timings, onEvent: event => told.push(event) })
  t.teardown(() => tally.close())
  return { daemon, tally, told, watches, ended }
}

function send({ messageId }: Watch, peer: Peer, sequence: number | undefined, name = `file ${sequence}`): void {
  const event: Event = {
    type: MESSAGE_TYPE.EVENT, messageId: `${FID.slice(0, 24)}${String(sequence ?? 0).padStart(12, '0')}`, watch: messageId, fid: FID, file: 0,
    name, sizeBytes: 1, tags: ['a'], event: sequence === undefined ? 'receiving' : 'stored', ...(sequence === undefined ? {} : { sequence }),
  }
  peer.send(event)
}

async function take(events: AsyncIterable<TallyEvent>, count: number, firstPauseMs = 0): Promise<TallyEvent[]> {
  const taken: TallyEvent[] = []
  for await (const event of events) {
    taken.push(event)
    if (taken.length === 1 && firstPauseMs > 0) await new Promise(resolve => setTimeout(resolve, firstPauseMs))
    if (taken.length === count) break
  }
  return taken
}

t.test('asks with the query, hands events out without what only the wire needs, and tells the daemon when the loop is left', async t => {
  const { tally, watches, ended } = await setUp(t, (message, peer) => {
    peer.ok(message.messageId, { sequence: 4 })
    send(message, peer, undefined)
    send(message, peer, 5)
  })
  const [receiving, stored] = await take(tally.watch({ anyTags: ['a'], notTags: ['b'], name: '*' }), 2)
  t.strictSame(stored, { fid: FID, file: 0, name: 'file 5', sizeBytes: 1, tags: ['a'], event: 'stored', sequence: 5 })
  t.match(receiving, { event: 'receiving', sequence: undefined })
  t.match(watches[0]?.message, { tags: [], anyTags: ['a'], notTags: ['b'], name: '*', since: undefined })
  await tally.put(new Uint8Array(0), { name: 'so that what was sent before has arrived' })
  t.same(ended, [watches[0]?.message.messageId])
})

t.test('goes on after a cut from the last event, and from where it began where there was none', async t => {
  const { tally, watches } = await setUp(t, (message, peer, nth) => {
    peer.ok(message.messageId, { sequence: nth === 1 ? 7 : 9 })
    if (nth === 2) send(message, peer, 8)
    if (nth === 3) {
      // Told twice by a daemon that is not careful.
      send(message, peer, 8)
      send(message, peer, 9)
    } else {
      peer.socket.end()
    }
  })
  const events = await take(tally.watch(), 2)
  t.same(events.map(({ sequence }) => sequence), [8, 9])
  t.same(watches.map(({ message }) => message.since), [undefined, 7, 8])
})

t.test('says when events were missed', async t => {
  const { tally, told } = await setUp(t, (message, peer) => {
    peer.ok(message.messageId, { sequence: 90, truncated: true })
    send(message, peer, 80)
  })
  t.same((await take(tally.watch({}, { since: 3 }), 1)).map(({ sequence }) => sequence), [80])
  t.match(told.filter(({ type }) => type === 'truncated'), [{ since: 3, sequence: 90 }])
})

t.test('what comes faster than it is taken is asked for again, not kept', async t => {
  const COUNT = 5000
  const { tally, watches, ended } = await setUp(t, (message, peer) => {
    peer.ok(message.messageId, { sequence: COUNT })
    for (let sequence = (message.since ?? 0) + 1; sequence <= COUNT; sequence++) send(message, peer, sequence)
  })
  const events = await take(tally.watch({}, { since: 0 }), COUNT, 500)
  t.same(events.map(({ sequence }) => sequence), Array.from({ length: COUNT }, (_, index) => index + 1))
  t.ok(watches.length > 1)
  t.equal(ended.length, watches.length - 1)
})

t.test('a token that expired is followed by another, a refusal is thrown', async t => {
  const { daemon, tally, watches } = await setUp(t, (message, peer, nth) => {
    if (nth === 3) {
      peer.refuse(message.messageId, new TallyError('forbidden', 'no', { scope: 'watch' }))
      return
    }
    peer.ok(message.messageId, { sequence: 0 })
    peer.refuse(message.messageId, new TallyError(nth === 1 ? 'token-expired' : 'unauthenticated', 'again'))
  })
  await t.rejects(take(tally.watch(), 1), { code: 'forbidden', details: { scope: 'watch' } })
  t.equal(watches.length, 3)
  t.equal(daemon.connections, 1)
  t.equal(daemon.log.filter(({ type }) => type === MESSAGE_TYPE.AUTHENTICATION).length, 3)
})

t.test('a daemon that ends each watch at once is not asked without end', async t => {
  const { tally } = await setUp(t, (message, peer) => {
    peer.ok(message.messageId, { sequence: 0 })
    peer.refuse(message.messageId, new TallyError('token-expired', 'again'))
  })
  await t.rejects(take(tally.watch(), 1), { code: 'token-expired' })
})

t.test('an abort throws its reason and tells the daemon, also while nothing comes', async t => {
  const { tally, watches, ended } = await setUp(t, (message, peer) => peer.ok(message.messageId, { sequence: 0 }))
  await t.rejects(take(tally.watch({}, { signal: AbortSignal.timeout(50) }), 1), { name: 'TimeoutError' })
  await tally.put(new Uint8Array(0), { name: 'so that what was sent before has arrived' })
  t.same(ended, watches.map(({ message }) => message.messageId))
})

t.test('a number that the store never gave hides nothing of what comes', async t => {
  const { tally, told } = await setUp(t, (message, peer) => {
    peer.ok(message.messageId, { sequence: 3, truncated: true })
    send(message, peer, 4)
  })
  t.match(await take(tally.watch({}, { since: 1000 }), 1), [{ sequence: 4 }])
  t.match(told.filter(({ type }) => type === 'truncated'), [{ since: 1000, sequence: 3 }])
})
