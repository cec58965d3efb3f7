/**
 * Memory of the real process under peers that mean no good: half-sent frames, peers that never authenticate, peers that never read.
 * Limits are far above what is needed and far below what a leak of the same traffic would take.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'
import type { Answer, RawClient } from '../support/raw-client.ts'
import { contentOf } from '../support/random.ts'
import { message, numberedChunk, TYPE } from '../support/wire.ts'

const MIB = 2 ** 20
const GROWTH_BYTES_MAX = 200 * MIB
const FID = '6ba7b810-9dad-41d1-80b4-00c04fd430c8'

for (const authenticated of [false, true]) {
  const who = authenticated ? 'known users' : 'strangers'
  t.test(`300 half-sent frames of 1 MB from ${who} do not grow the daemon, and others are served`, async t => {
    const daemon = await startDaemon(t)
    const before = await rested(daemon)
    const clients: RawClient[] = []
    t.teardown(() => { for (const client of clients) client.destroy() })
    for (let i = 0; i < 300; i++) {
      const client = await daemon.client({ framing: i % 2 === 0 ? 'A' : 'B' })
      clients.push(client)
      if (authenticated) await Promise.race([client.authenticate(daemon.token()).catch(() => {}), client.ended])
      const whole = message(client.framing, 'msgpack', TYPE.transfer, { 'message-id': FID, chunk: FID, data: contentOf(i, 1_000_000) })
      client.raw(whole.subarray(0, whole.length - 1000))
    }
    await watchGrowth(t, daemon, before)
    await servesAnother(t, daemon)
  })
}

t.test('a peer that never authenticates and never reads costs a bounded amount', async t => {
  const daemon = await startDaemon(t)
  const before = await rested(daemon)
  const client = await daemon.client()
  t.teardown(() => client.destroy())
  client.socket.pause()
  const refused = message('A', 'msgpack', TYPE.find, { 'message-id': FID, tags: [] })
  const many = Buffer.concat(Array.from({ length: 1000 }, () => refused))
  // 400 MB of answers, if they were all made; what the daemon does not read waits on this side.
  for (let i = 0; i < 3000 && !client.over && client.socket.writableLength < 64 * MIB; i++) {
    client.raw(many)
    if (i % 20 === 0) await sleep(1)
  }
  await watchGrowth(t, daemon, before)
  await servesAnother(t, daemon)
})

t.test('a user who sends and fetches but never reads stops only itself', async t => {
  const daemon = await startDaemon(t)
  const client = await daemon.client()
  t.teardown(() => client.destroy())
  const size = 32 * MIB
  const chunkBytes = MIB
  await client.authenticate(daemon.token(), { fid: FID, 'chunk-size': chunkBytes, files: [{ name: 'much', size }] })
  for (let i = 0; i < size / chunkBytes; i++) {
    t.equal((await client.sendChunk(numberedChunk(FID, 0, i), contentOf(i, chunkBytes))).response, 'Ok')
  }
  const before = await rested(daemon)
  client.socket.pause()
  for (let i = 0; i < 30; i++) client.send(TYPE.fetch, { fid: FID, file: 0, 'chunk-size': chunkBytes, window: 1000 })
  await watchGrowth(t, daemon, before)
  await servesAnother(t, daemon)
})

t.test('400 MB that are thrown without waiting for an answer are taken in bounded memory', { timeout: 110_000 }, async t => {
  const daemon = await startDaemon(t, { durability: 'power' })
  const client = await daemon.client()
  t.teardown(() => client.destroy())
  const chunkBytes = MIB
  const count = 400
  await client.authenticate(daemon.token(), { fid: FID, 'chunk-size': chunkBytes, files: [{ name: 'flood', size: count * chunkBytes }] })
  const before = await rested(daemon)
  const data = contentOf(1, chunkBytes)
  const answers: Promise<Answer>[] = []
  let highest = 0
  for (let i = 0; i < count; i++) {
    answers.push(client.sendChunk(numberedChunk(FID, 0, i), data))
    // Only this side's memory is spared: whatever the daemon is willing to read, it gets.
    if (client.socket.writableNeedDrain) await new Promise(resolve => client.socket.once('drain', resolve))
    highest = Math.max(highest, daemon.residentBytes())
  }
  t.equal((await Promise.all(answers)).filter(({ response }) => response === 'Ok').length, count)
  t.ok(highest - before < GROWTH_BYTES_MAX, `grew by ${Math.round((highest - before) / MIB)} MiB`)
})

/** The memory of a daemon that has served somebody. */
async function rested(daemon: TestDaemon): Promise<number> {
  const client = await daemon.client()
  await client.authenticate(daemon.token())
  await client.close()
  return daemon.residentBytes()
}

async function watchGrowth(t: { ok(value: boolean, what: string): void }, daemon: TestDaemon, before: number): Promise<void> {
  let highest = 0
  for (let i = 0; i < 50; i++) {
    highest = Math.max(highest, daemon.residentBytes())
    await sleep(20)
  }
  t.ok(highest - before < GROWTH_BYTES_MAX, `grew by ${Math.round((highest - before) / MIB)} MiB`)
}

async function servesAnother(t: { equal(found: unknown, wanted: unknown, what: string): void }, daemon: TestDaemon): Promise<void> {
  const client = await daemon.client()
  t.equal((await client.authenticate(daemon.token({ sub: 'another' }))).response, 'Ok', 'another user is served')
  client.destroy()
}
