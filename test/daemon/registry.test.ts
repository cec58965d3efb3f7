/**
 * Which transfers are in memory and counted: nothing is announced for who is told `busy`, expiries go one after the other, who left is
 * forgotten.
 */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { openMemoryStore } from '../../daemon/storage/memory.ts'
import { Feed } from '../../daemon/transfers/feed.ts'
import type { LiveTransfer } from '../../daemon/transfers/live-transfer.ts'
import { newTransfer } from '../../daemon/transfers/announcement.ts'
import { Pages } from '../../daemon/transfers/pages.ts'
import { Registry } from '../../daemon/transfers/registry.ts'
import { Underway } from '../../daemon/transfers/underway.ts'
import { startInner } from '../support/inner-daemon.ts'
import { TYPE } from '../support/wire.ts'

t.test('of two announcements at once for which there is no room together, the one that is told busy is not there', async t => {
  const store = openMemoryStore()
  const announce = store.catalog.announce.bind(store.catalog)
  const both = Promise.withResolvers<void>()
  let begun = 0
  store.catalog.announce = async transfer => {
    if (++begun === 2) both.resolve()
    await Promise.race([both.promise, new Promise(resolve => setTimeout(resolve, 200))])
    return announce(transfer)
  }
  const daemon = await startInner(t, { store, liveFilesMax: 100 })
  const clients = [await daemon.client(), await daemon.client()]
  const files = Array.from({ length: 30 }, (_, i) => ({ name: `${i}`, size: 1000 }))
  const answers = await Promise.all(clients.map(client => client.authenticate(daemon.token(), { fid: randomUUID(), files })))
  t.same(answers.map(({ code }) => code).sort(), ['busy', undefined])
  const found = await clients[0]?.request(TYPE.find, { state: 'receiving', limit: 1000 })
  t.equal(found?.files?.length, 30)
  store.catalog.announce = async () => {
    throw new Error('no')
  }
  for (let i = 0; i < 3; i++) t.match(await clients[0]?.authenticate(daemon.token(), { fid: randomUUID(), files: files.slice(0, 15) }), { code: 'internal' }, 'what failed takes no room')
})

t.test('expiries that are asked for at once run one after the other', async t => {
  const parts = { store: openMemoryStore(), nowMs: () => 0, fileBytesMax: 1, onArrival() {}, onCommitFailure() {}, onCommit() {}, onStored() {} }
  const registry = new Registry(parts)
  const order: string[] = []
  const run = (name: string) => registry.expire(async () => {
    order.push(`${name} begins`)
    await new Promise(resolve => setImmediate(resolve))
    order.push(`${name} ends`)
    if (name === 'b') throw new Error('b')
  })
  const results = await Promise.allSettled(['a', 'b', 'c'].map(run))
  t.same(results.map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled'], 'one that fails stops no other')
  t.same(order, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
})

t.test('a transfer that left memory is not kept for the count of those under way', async t => {
  const underway = new Underway()
  const transfer = { openedBy: new Set([1]), uploads: [{ state: 'receiving' }] } as unknown as LiveTransfer
  const open = (fid: string) => underway.open('ada', fid, 1, async () => ({ transfer, isNew: true }))
  await open('one')
  await t.rejects(open('two'), { code: 'busy' })
  underway.dropped('ada', 'one')
  await open('two')
  await t.rejects(open('three'), { code: 'busy' })
})

t.test('what arrives is told although the clock was set back', async t => {
  const clock = { nowMs: 10_000_000 }
  const feed = new Feed(openMemoryStore().catalog, () => clock.nowMs)
  const watch = feed.open('ada', { tags: [], anyTags: [], notTags: [], state: 'receiving' }, { isReady: () => true, event() {}, done() {}, failed() {} })
  const arrivals: number[] = []
  watch.arrived = file => arrivals.push(file)
  for (const nowMs of [10_000_000, 10_000_500, 5_000, 5_500, 6_100]) {
    clock.nowMs = nowMs
    feed.arrived('ada', 1)
  }
  t.equal(arrivals.length, 3)
})

t.test('chunks that are far apart are busy where their user has too many pages, in order they go on, and what leaves memory makes room', async t => {
  const parts = { store: openMemoryStore(), nowMs: () => 0, fileBytesMax: 2 ** 40, onArrival() {}, onCommitFailure() {}, onCommit() {}, onStored() {} }
  const registry = new Registry(parts, undefined, undefined, new Pages(8))
  const holder = {}
  const open = async (user: string) => {
    const fid = randomUUID()
    const message = { type: 1, messageId: fid, token: '', files: [{ name: 'a', sizeBytes: 2 ** 20 }], tags: [], fid, chunkSizeBytes: 1 } as const
    return (await registry.open(holder, user, fid, () => newTransfer(message, user, fid, 2 ** 40, 1)))?.transfer as LiveTransfer
  }
  const send = (transfer: LiveTransfer, chunk: number) => new Promise<string>(resolve => {
    transfer.receiveNumbered(0, chunk, new Uint8Array(1), { acknowledged: () => resolve('ok'), refused: ({ code }) => resolve(code) })
  })
  const ada = await open('ada')
  const codes: string[] = []
  for (let page = 0; page < 6; page++) codes.push(await send(ada, page * 16_384 + 5))
  t.same(codes, ['ok', 'ok', 'ok', 'ok', 'busy', 'busy'])
  t.equal(await send(ada, 6), 'ok', 'a page that is there takes more')
  t.equal(await send(ada, 16_384 + 5), 'ok', 'also what came before')
  t.equal(await send(await open('bob'), 0), 'ok', 'others have theirs')
  await t.rejects(open('ada'), { code: 'busy' })
  await registry.remove(ada, undefined)
  t.equal(await send(await open('ada'), 40_000), 'ok')
})
