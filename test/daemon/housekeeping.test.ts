/** What time does, by a clock of the test's: how long unfinished transfers are kept, and that much of it goes in one round. */
import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { openMemoryStore } from '../../daemon/storage/memory.ts'
import { Housekeeping } from '../../daemon/transfers/housekeeping.ts'
import { Registry } from '../../daemon/transfers/registry.ts'
import { openLocal } from '../storage/support.ts'
import { digestOf, fidOf, newFile, newTransfer, USER } from '../storage/samples.ts'
import type { ExpiryLimits, Store } from '../../daemon/storage/storage.ts'
import { TallyError } from '../../protocol/errors.ts'

const DAY_MS = 86_400_000

function keeping(t: Test, store: Store, unfinishedKeptMs: () => number) {
  const clock = { nowMs: 1000 }
  const registry = new Registry({
    store, nowMs: () => clock.nowMs, fileBytesMax: 2 ** 40, onCommitFailure: () => undefined, onArrival: () => undefined,
    onCommit: () => undefined, onStored: () => undefined,
  })
  const housekeeping = new Housekeeping(store, registry, () => clock.nowMs, unfinishedKeptMs, (what, cause) => t.fail(`${what}: ${cause}`))
  return { clock, registry, housekeeping }
}

t.test('an unfinished transfer goes after the configured time without a chunk, and not while somebody has it open', async t => {
  const store = openMemoryStore()
  let keptMs = 2 * DAY_MS
  const { clock, registry, housekeeping } = keeping(t, store, () => keptMs)
  const [left, open] = [randomUUID(), randomUUID()]
  for (const fid of [left, open]) await store.catalog.announce({ ...newTransfer(1, [newFile()]), fid })
  await registry.open({}, USER, open)
  clock.nowMs += 2 * DAY_MS
  await housekeeping.expire(false)
  t.equal((await store.catalog.load(USER, left))?.state, 'open')
  clock.nowMs += 1
  await housekeeping.expire(false)
  t.equal((await store.catalog.load(USER, left))?.state, 'gone')
  keptMs = DAY_MS
  await housekeeping.expire(false)
  t.equal((await store.catalog.load(USER, open))?.state, 'open')
  t.same(await store.catalog.usage(USER), { bytes: 3000, files: 1 })
  await housekeeping.stop()
})

t.test('one round takes all that has expired, however much that is', async t => {
  const under = await openLocal('process')
  t.teardown(() => under.end())
  const { catalog } = under.store
  await Promise.all(Array.from({ length: 600 }, (_, i) => catalog.announce(newTransfer(i, [newFile()]))))
  const { clock, housekeeping } = keeping(t, under.store, () => DAY_MS)
  clock.nowMs += DAY_MS + 1
  await housekeeping.expire(false)
  t.same(await catalog.usage(USER), { bytes: 0, files: 0 })
  await housekeeping.stop()
  t.same(await catalog.garbage(9), [])
})

t.test('one round takes all files that have expired, also where their transfers stay', async t => {
  const under = await openLocal('process')
  t.teardown(() => under.end())
  const { catalog } = under.store
  const [kept, ...expiring] = [newFile({ sizeBytes: 0 }), ...Array.from({ length: 700 }, () => newFile({ sizeBytes: 0, expiresMs: 1 }))]
  for (let fid = 1; fid <= 3; fid++) {
    const { files } = await catalog.announce(newTransfer(fid, [kept, ...expiring]))
    await Promise.all(files.map(({ id }) => catalog.store(id, digestOf(''), 0, 1)))
  }
  const { housekeeping } = keeping(t, under.store, () => DAY_MS)
  await housekeeping.expire(false)
  t.same(await catalog.usage(USER), { bytes: 0, files: 3 })
  await housekeeping.stop()
})

t.test('what cannot be finished at the start does not keep others from it, and stopping waits for the round of expiry', async t => {
  const store = openMemoryStore()
  const catalog = new Proxy(store.catalog, {
    get(target, name) {
      if (name === 'complete') return async () => [{ user: USER, fid: fidOf(1) }, { user: USER, fid: fidOf(2) }]
      if (name === 'load') return async (user: string, fid: string) => {
        asked.push(fid)
        if (fid === fidOf(1)) throw new TallyError('storage-failed', 'made by a test')
        return target.load(user, fid)
      }
      if (name === 'expire') return async (limits: ExpiryLimits) => {
        await new Promise(resolve => setTimeout(resolve, 20))
        rounds++
        return target.expire(limits)
      }
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const asked: string[] = []
  let rounds = 0
  const faulty: Store = { catalog, contents: store.contents, durability: store.durability, close: () => store.close() }
  const failures: string[] = []
  const { registry } = keeping(t, faulty, () => DAY_MS)
  const housekeeping = new Housekeeping(faulty, registry, () => 1, () => DAY_MS, what => failures.push(what))
  await housekeeping.start()
  t.same(asked, [fidOf(1), fidOf(2)])
  t.equal(failures.length, 1)
  void housekeeping.expire(false)
  await new Promise(resolve => setImmediate(resolve))
  await housekeeping.stop()
  t.equal(rounds, 2)
})

t.test('a stop during the first round leaves what an earlier run received to the next one', async t => {
  const store = openMemoryStore()
  const gate = Promise.withResolvers<void>()
  const expire = store.catalog.expire.bind(store.catalog)
  store.catalog.expire = async limits => {
    await gate.promise
    return expire(limits)
  }
  store.catalog.complete = async () => {
    t.fail('the store may be closed by then')
    return []
  }
  const { housekeeping } = keeping(t, store, () => DAY_MS)
  const started = housekeeping.start()
  const stopped = housekeeping.stop()
  gate.resolve()
  await Promise.all([started, stopped])
})
