/**
 * WATCH with `since` over restarts: while clients put, tag and remove, the daemon is killed (`kill -9`) in the middle of changes, and the
 * watcher's connection is cut. What the watcher believes in the end, from its first FIND and the events since, is what FIND says.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'
import { chooseSeed, Random } from '../support/random.ts'
import type { RawClient } from '../support/raw-client.ts'
import { type ReceivedEvent, shown, watch } from '../support/watcher.ts'
import { numberedChunk, TYPE } from '../support/wire.ts'

const ROUNDS = 5
const CHANGES_PER_ROUND = 60
const TAGS = ['x', 'y', 'z']

/** What the watcher knows of the files that have the tag x: nothing but FIND's first answer and the events since. */
class Model {
  readonly tags = new Map<string, string>()
  readonly seen: ReceivedEvent[] = []
  since = 0

  found(files: readonly { fid: string; file: number; tags: readonly string[] }[], sequence: number): void {
    for (const { fid, file, tags } of files) this.tags.set(`${fid}/${file}`, tags.join())
    this.since = sequence
  }

  told(event: ReceivedEvent): void {
    const { fid, file, tags, state } = event
    this.seen.push(event)
    this.since = event.sequence as number
    if (state === 'stored' && tags.includes('x')) this.tags.set(`${fid}/${file}`, tags.join())
    else this.tags.delete(`${fid}/${file}`)
  }
}

t.test('what a watcher believes is what FIND says, over kills of the daemon and cuts of the connection', async t => {
  const random = new Random(chooseSeed())
  t.comment(`TALLY_TEST_SEED=${random.seed}`)
  const daemon = await startDaemon(t, { durability: 'process' })
  const model = new Model()
  const first = await loggedIn(daemon)
  await changes(first, daemon, random, 10)
  const { files, sequence } = await findAll(first)
  model.found(files, sequence)
  first.destroy()
  for (let round = 0; round < ROUNDS; round++) {
    const stop = new AbortController()
    const watching = keepWatching(daemon, model, random, stop.signal)
    const writers = await Promise.all([loggedIn(daemon), loggedIn(daemon)])
    const busy = writers.map(writer => changes(writer, daemon, random, CHANGES_PER_ROUND).catch(() => undefined))
    // Killed after so many answers, with others on their way.
    let left = random.between(20, CHANGES_PER_ROUND)
    await new Promise<void>(resolve => {
      for (const writer of writers) writer.onAnswer = () => --left === 0 && resolve()
    })
    await daemon.kill('SIGKILL')
    await Promise.all(busy)
    stop.abort()
    await watching
    await daemon.start()
  }
  const last = await loggedIn(daemon)
  await changes(last, daemon, random, 10)
  const found = await findAll(last)
  const final = await watch(last, { tags: ['x'], since: model.since })
  t.equal(final.ok['truncated'], undefined)
  // A file that nobody else touches ends the wait: the watcher is told of it after all that came before.
  await last.authenticate(daemon.token(), { files: [{ name: 'the end', size: 0 }], tags: ['x'] })
  await final.until(({ name }) => name === 'the end')
  // FIND shows one moment. What was finishing when the daemon was killed may be stored after it.
  for (const event of final.events) if ((event.sequence as number) <= found.sequence) model.told(event)
  const expected = new Map(found.files.map(({ fid, file, tags }) => [`${fid}/${file}`, tags.join()]))
  t.strictSame(sorted(model.tags), sorted(expected))
  t.ok(model.seen.length > ROUNDS * 10, `${model.seen.length} events`)
  const numbers = model.seen.map(({ sequence }) => sequence as number)
  t.strictSame(numbers, [...new Set(numbers)].sort((a, b) => a - b), 'each once, in order')
  const replay = await watch(last, { tags: ['x'], since: sequence })
  await replay.until(({ name }) => name === 'the end')
  t.strictSame(shown(model.seen), shown(replay.events.filter(event => (event.sequence as number) <= found.sequence)), 'what was told live is what is told later')
  last.destroy()
})

async function loggedIn(daemon: TestDaemon): Promise<RawClient> {
  const client = await daemon.client()
  await client.authenticate(daemon.token())
  return client
}

/** Watches since the last event seen, again and again; now and then it cuts its connection in the middle of what it reads. */
async function keepWatching(daemon: TestDaemon, model: Model, random: Random, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const client = await loggedIn(daemon)
      const cutAfter = random.between(1, 30)
      const watching = await watch(client, { tags: ['x'], since: model.since })
      await Promise.race([watching.until(() => watching.events.length >= cutAfter), client.ended]).catch(() => undefined)
      client.destroy()
      for (const event of watching.events) model.told(event)
    } catch {
      // The daemon is gone, or just now going.
      await sleep(2)
    }
  }
}

/** Puts, tags and removes files, several at a time; rejects when the connection is lost. */
async function changes(client: RawClient, daemon: TestDaemon, random: Random, count: number): Promise<void> {
  const fids: string[] = []
  const one = async () => {
    const fid = fids.length > 0 && random.chance(0.6) ? random.pick(fids) : undefined
    if (fid === undefined) return put(client, daemon, random, fids)
    if (random.chance(0.2)) await client.request(TYPE.remove, random.chance(0.5) ? { fid } : { fid, file: 0 })
    else await client.request(TYPE.tag, { fid, add: [random.pick(TAGS)], remove: [random.pick(TAGS)] })
  }
  for (let done = 0; done < count; done += 4) await Promise.all([one(), one(), one(), one()])
}

async function put(client: RawClient, daemon: TestDaemon, random: Random, fids: string[]): Promise<void> {
  const fid = random.uuid()
  const tags = random.chance(0.7) ? ['x'] : ['y']
  await client.authenticate(daemon.token(), { fid, files: [{ name: `a ${fid}`, size: 2000 }, { name: `b ${fid}`, size: 0 }], tags })
  await Promise.all([client.sendChunk(numberedChunk(fid, 0, 0), random.bytes(1024)), client.sendChunk(numberedChunk(fid, 0, 1), random.bytes(976))])
  fids.push(fid)
}

async function findAll(client: RawClient) {
  const page = await client.request(TYPE.find, { tags: ['x'], limit: 1000 })
  if (page['next'] !== undefined) throw new Error('more files than one page, so more than one moment')
  return { files: page.files as unknown as { fid: string; file: number; tags: readonly string[] }[], sequence: page['sequence'] as number }
}

function sorted(map: ReadonlyMap<string, string>): [string, string][] {
  return [...map].sort(([a], [b]) => a.localeCompare(b))
}
