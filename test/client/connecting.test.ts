/** How a client connects the first time and again, what it tells of it, and how each call can be ended. */
import { chmodSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { type ClientEvent, ClientError, type ConnectOptions, type Tally, TallyError, connect, isTallyError } from '../../client/index.ts'
import { notReached } from '../../client/socket-trust.ts'
import { MESSAGE_TYPE } from '../../protocol/index.ts'
import { fakeDaemon } from './fake-daemon.ts'

const TIMINGS = { backOffFirstMs: 1, backOffMaxMs: 5 }

t.test('a first connection fails at once, and with retry it waits for a daemon', async t => {
  const daemon = await fakeDaemon(t)
  await daemon.stop()
  const options: ConnectOptions = { socket: daemon.socket, token: 'a.b.c', timings: TIMINGS }
  await t.rejects(connect(options), { code: 'connect-failed' })
  const events: ClientEvent[] = []
  const later = connect({ ...options, retry: true, onEvent: event => events.push(event) })
  await sleep(30)
  await daemon.start()
  await using tally = await later
  t.equal(tally.user, 'ada')
  t.equal(events[0]?.type, 'retry')
  t.equal(events.at(-1)?.type, 'connected')
})

t.test('a daemon that is busy is waited for as long as it asks, also the first time; other refusals are thrown', async t => {
  const daemon = await fakeDaemon(t)
  let refused = 0
  daemon.script = (_, peer) => {
    if (refused++ > 0) return
    peer.refuse('00000000-0000-0000-0000-000000000000', new TallyError('busy', 'full', { 'retry-after': 120 }))
    return true
  }
  const events: ClientEvent[] = []
  const beganMs = performance.now()
  await using _tally = await connect({ socket: daemon.socket, token: 'a.b.c', timings: TIMINGS, onEvent: event => events.push(event) })
  t.ok(performance.now() - beganMs >= 115)
  t.match(events[0], { type: 'retry', attempt: 1, afterMs: 120, cause: { code: 'busy' } })
  daemon.script = (message, peer) => {
    peer.refuse(message.messageId, new TallyError('token-invalid', 'no'))
    return true
  }
  await t.rejects(connect({ socket: daemon.socket, token: 'a.b.c', retry: true, timings: TIMINGS }), { code: 'token-invalid' })
})

t.test('a signal ends the connecting to a daemon that does not answer, and to one that is not there', async t => {
  const daemon = await fakeDaemon(t)
  daemon.script = () => true
  const options: ConnectOptions = { socket: daemon.socket, token: 'a.b.c', retry: true }
  await t.rejects(connect({ ...options, signal: AbortSignal.timeout(50) }), { name: 'TimeoutError' })
  const never = new Promise<string>(() => {})
  await t.rejects(connect({ ...options, token: () => never, signal: AbortSignal.timeout(50) }), { name: 'TimeoutError' })
  await daemon.stop()
  await t.rejects(connect({ ...options, signal: AbortSignal.timeout(50) }), { name: 'TimeoutError' })
  await t.rejects(connect({ ...options, signal: AbortSignal.abort(new Error('enough')) }), { message: 'enough' })
})

t.test('close ends what is under way, also a connection that is being made', async t => {
  const daemon = await fakeDaemon(t)
  const tally = await connect({ socket: daemon.socket, token: 'a.b.c', timings: TIMINGS })
  daemon.script = () => true
  const calls = [tally.put(new Uint8Array(9), { name: 'x' }), tally.get('0b6f7a3e-0000-4000-8000-000000000001', { write() {} }), tally.find().next(),
    tally.watch().next(), tally.remove({ fid: '0b6f7a3e-0000-4000-8000-000000000001' })]
  const outcomes = Promise.allSettled(calls)
  await sleep(20)
  await tally[Symbol.asyncDispose]()
  for (const outcome of await outcomes) t.match(outcome, { reason: { code: 'closed' } })
  await t.rejects(tally.find().next(), { code: 'closed' })
})

t.test('every call ends when its signal is aborted while the connection is being made anew', async t => {
  const daemon = await fakeDaemon(t)
  await using tally = await connect({ socket: daemon.socket, token: 'a.b.c', timings: TIMINGS })
  daemon.script = (_, peer) => {
    peer.cut()
    daemon.script = () => true
    return true
  }
  await tally.find({}, { signal: AbortSignal.timeout(50) }).next().catch(() => {})
  const id = { fid: '0b6f7a3e-0000-4000-8000-000000000001', file: 0 }
  const calls: Record<string, (signal: AbortSignal) => Promise<unknown>> = {
    put: signal => tally.put(new Uint8Array(9), { name: 'x', signal }),
    putAll: signal => tally.putAll([{ path: import.meta.filename }], { signal }).next(),
    get: signal => tally.get(id, { write() {} }, { signal }),
    getAll: signal => tally.getAll([id], { directory: daemon.directory }, { signal }).next(),
    stream: signal => tally.stream(id, { signal }).getReader().read(),
    find: signal => tally.find({}, { signal }).next(),
    watch: signal => tally.watch({}, { signal }).next(),
    report: signal => tally.report(id.fid, { signal }),
    tag: signal => tally.tag(id, { add: ['a'] }, { signal }),
    remove: signal => tally.remove(id, { signal }),
  }
  for (const [name, call] of Object.entries(calls)) await t.rejects(call(AbortSignal.timeout(30)), { name: 'TimeoutError' }, name)
})

t.test('whoever hears of a retry may stop it', async t => {
  const daemon = await fakeDaemon(t)
  await using tally = await connect({ socket: daemon.socket, token: 'a.b.c', timings: { backOffFirstMs: 60_000, backOffMaxMs: 60_000 } })
  await daemon.stop()
  const heard: number[] = []
  const onEvent = (event: ClientEvent): void => {
    if (event.type !== 'retry') return
    heard.push(event.attempt)
    if (event.attempt === 2) event.stop()
  }
  await t.rejects(tally.find({}, { onEvent }).next(), { code: 'gave-up', cause: { code: 'connect-failed' } })
  t.same(heard, [1, 2])
})

t.test('a shutting-down daemon is left, and the next one goes on', async t => {
  const daemon = await fakeDaemon(t)
  await using tally: Tally = await connect({ socket: daemon.socket, token: 'a.b.c', timings: TIMINGS })
  daemon.script = (message, peer) => {
    if (message.type !== MESSAGE_TYPE.REMOVE || peer.number > 1) return
    peer.refuse(message.messageId, new TallyError('shutting-down', 'bye'))
    return true
  }
  await t.rejects(tally.remove({ fid: '0b6f7a3e-0000-4000-8000-000000000001' }), { code: 'unknown-fid' })
  t.equal(daemon.connections, 2)
})

t.test('a socket that the file system keeps from us is access-denied', async t => {
  t.equal(notReached('/x', Object.assign(new Error('no'), { code: 'EACCES' })).code, 'access-denied')
  t.equal(notReached('/x', Object.assign(new Error('no'), { code: 'ENOENT' })).code, 'connect-failed')
  if (process.getuid?.() === 0) {
    t.comment('root may use every socket')
    return
  }
  const daemon = await fakeDaemon(t)
  chmodSync(daemon.directory, 0o000)
  await t.rejects(connect({ socket: daemon.socket, token: 'a.b.c' }), { code: 'access-denied' })
  chmodSync(daemon.directory, 0o700)
})

t.test('a code tells which details there may be', async t => {
  const errors: unknown[] = [new TallyError('quota-exceeded', 'full', { limit: 10, used: 9 }), new ClientError('exists', 'is there'), new Error('x')]
  const told = errors.map(error => {
    if (!isTallyError(error)) return undefined
    if (error.code === 'quota-exceeded') {
      const { limit, used }: { limit?: number; used?: number } = error.details
      return [limit, used]
    }
    return error.code
  })
  t.same(told, [[10, 9], 'exists', undefined])
})
