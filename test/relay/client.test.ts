/** Our client behind a relay and a real daemon, when the link between those breaks while nothing, or little, is under way. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type ClientEvent, type Tally, type TallyEvent, connect } from '../../client/index.ts'
import { Relay } from '../../client/relay/relay.ts'
import { CuttingWire } from '../faults/cutting-wire.ts'
import { type TestDaemon, startDaemon } from '../support/daemon.ts'
import { Random, chooseSeed, contentOf } from '../support/random.ts'
import { makeDirectory } from './setting.ts'

interface Setting {
  readonly daemon: TestDaemon
  readonly wire: CuttingWire
  readonly tally: Tally
  readonly events: ClientEvent[]
}

async function setUp(t: Test): Promise<Setting> {
  const daemon = await startDaemon(t)
  const directory = makeDirectory(t)
  const wire = new CuttingWire(join(directory, 'wire'), daemon.socket, new Random(0), 0, 1)
  await wire.listen()
  const near = { kind: 'unix', path: join(directory, 'near') } as const
  const relay = await Relay.start({ listen: near, to: { kind: 'unix', path: wire.path }, timings: { backOffFirstMs: 1, backOffMaxMs: 20 } })
  const events: ClientEvent[] = []
  const timings = { answerTimeoutMs: 10_000, backOffFirstMs: 1, backOffMaxMs: 20 }
  const tally = await connect({ socket: near.path, secretFile: daemon.secretFile, timings, onEvent: event => events.push(event) })
  t.teardown(async () => {
    tally.close()
    await wire.close()
    await relay.close()
  })
  return { daemon, wire, tally, events }
}

function connections(events: readonly ClientEvent[]): number {
  return events.filter(({ type }) => type === 'connected').length
}

t.test('single requests go on over a link that was made anew', async t => {
  const { wire, tally, events } = await setUp(t)
  for (let round = 0; round < 5; round++) {
    const { fid, digest } = await tally.put(contentOf(round, 3000), { name: `file ${round}` })
    wire.cut()
    t.strictSame(await tally.tag({ fid }, { add: ['a'] }), ['a'])
    wire.cut()
    const found: string[] = []
    for await (const file of tally.find({ tags: ['a'] })) found.push(file.digest ?? '')
    t.equal(found.length, round + 1)
    wire.cut()
    const parts: Uint8Array[] = []
    await tally.get(digest, { write: bytes => { parts.push(Buffer.from(bytes)) } })
    t.ok(Buffer.concat(parts).equals(contentOf(round, 3000)))
  }
  t.equal(connections(events), 1)
})

t.test('a watch that only waits learns of a new link by asking, and misses nothing', async t => {
  const { daemon, wire, tally, events } = await setUp(t)
  await using direct = await connect({ socket: daemon.socket, secretFile: daemon.secretFile })
  const seen: TallyEvent[] = []
  const files = 4
  await tally.put(contentOf(0, 10), { name: 'first' })
  const watching = (async () => {
    for await (const event of tally.watch({}, { since: 0 })) {
      if (event.event === 'stored') seen.push(event)
      if (seen.length === 1 + files) return
    }
  })()
  while (seen.length === 0) await new Promise(resolve => setTimeout(resolve, 5))
  for (let index = 0; index < files; index++) {
    wire.cut()
    await direct.put(contentOf(index + 1, 10), { name: `file ${index}` })
    // The second and the fourth come together with the one before.
    if (index % 2 === 0) while (seen.length < 2 + index) await new Promise(resolve => setTimeout(resolve, 5))
  }
  await watching
  t.strictSame(seen.map(({ name }) => name), ['first', 'file 0', 'file 1', 'file 2', 'file 3'])
  t.equal(connections(events), 1)
})

t.test('a put whose input pauses, and a get whose reader pauses, go on after a cut in the pause', async t => {
  const { wire, tally, events } = await setUp(t)
  const bytes = contentOf(9, 3_000_000)
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += 500_000) {
      yield bytes.subarray(at, at + 500_000)
      await new Promise(resolve => setTimeout(resolve, 20))
      wire.cut()
    }
  }
  const { digest, counts } = await tally.put(pieces(), { name: 'x', chunkSizeBytes: 10_000 })
  t.equal(counts.acknowledgedSentAgain, 0)
  const parts: Uint8Array[] = []
  await tally.get(digest, {
    async write(part) {
      parts.push(Buffer.from(part))
      await new Promise(resolve => setTimeout(resolve, 20))
      if (parts.length % 2 === 0) wire.cut()
    },
  })
  t.ok(Buffer.concat(parts).equals(bytes))
  t.equal(connections(events), 1)
})

t.test('many puts and gets at once share the log-ins after each cut', async t => {
  const random = new Random(chooseSeed())
  t.comment(`TALLY_TEST_SEED=${random.seed}`)
  const { daemon, wire, tally, events } = await setUp(t)
  const contents = Array.from({ length: 24 }, () => random.bytes(random.magnitude(1, 1_500_000)))
  let moves = 0
  let next = 5
  let cuts = 0
  const onEvent = ({ type }: ClientEvent): void => {
    if (type !== 'progress' || ++moves < next) return
    next = moves + random.between(1, 40)
    cuts++
    wire.cut()
  }
  const results = await Promise.all(contents.map((bytes, index) =>
    tally.put(bytes, { name: `file ${index}`, chunkSizeBytes: random.magnitude(256, 32_768), onEvent })))
  for (const { counts } of results) {
    t.equal(counts.acknowledgedLost, 0)
    t.equal(counts.acknowledgedSentAgain, 0)
  }
  next = moves + 5
  const fetched = await Promise.all(results.map(async ({ digest }) => {
    const parts: Uint8Array[] = []
    await tally.get(digest, { write: bytes => { parts.push(Buffer.from(bytes)) } }, { onEvent })
    return Buffer.concat(parts)
  }))
  t.ok(fetched.every((bytes, index) => contents[index]?.equals(bytes)))
  const directory = join(daemon.directory, 'all')
  mkdirSync(directory)
  next = moves + 5
  let files = 0
  for await (const { error } of tally.getAll(tally.find(), { directory }, { onEvent })) {
    if (error !== undefined) throw error
    files++
  }
  t.equal(files, contents.length)
  t.comment(`${cuts} cuts, ${connections(events)} connections`)
  t.equal(connections(events), 1)
})
