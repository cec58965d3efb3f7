/** Small files that are put together: which transfers they travel in, what a second run sends, and what becomes of one that fails. */
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type ClientEvent, type PutAllItem, type PutAllOptions, type PutAllResult, type Tally, connect } from '../../client/index.ts'
import { startDaemon } from '../support/daemon.ts'
import { contentOf } from '../support/random.ts'

const FILES = 400

async function setUp(t: Test): Promise<{ tally: Tally; items: PutAllItem[] }> {
  const daemon = await startDaemon(t)
  const tally = await connect({ socket: daemon.socket, secretFile: daemon.secretFile })
  t.teardown(() => tally.close())
  const directory = mkdtempSync(join(tmpdir(), 'tally-groups-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const items = Array.from({ length: FILES }, (_, index) => ({ path: join(directory, `${index}`) }))
  for (const [index, { path }] of items.entries()) writeFileSync(path, contentOf(index, 100 + index))
  return { tally, items }
}

type Stored = Extract<PutAllResult, { fid: string }>

async function putAll(tally: Tally, items: PutAllItem[], options?: PutAllOptions): Promise<Map<string, Stored>> {
  const results = new Map<string, Stored>()
  for await (const result of tally.putAll(items, options)) {
    if (result.error !== undefined) throw result.error
    results.set(result.path, result)
  }
  return results
}

function chunksSent(events: ClientEvent[]): number {
  const last = new Map<object, number>()
  for (const event of events) if (event.type === 'announced') last.set(event, event.chunks - event.presentChunks)
  return [...last.values()].reduce((sum, count) => sum + count, 0)
}

t.test('many small files share transfers, and the same again sends and makes nothing', async t => {
  const { tally, items } = await setUp(t)
  const first = await putAll(tally, items)
  const transfers = new Set([...first.values()].map(({ fid }) => fid))
  t.ok(transfers.size < FILES / 8, `${transfers.size} transfers`)
  const events: ClientEvent[] = []
  const second = await putAll(tally, items, { onEvent: event => events.push(event) })
  for (const { path } of items) t.strictSame(second.get(path)?.fid, first.get(path)?.fid)
  t.equal(chunksSent(events), 0)
  t.equal((await Array.fromAsync(tally.find())).length, FILES)
})

t.test('a few have a transfer each, the one that put has', async t => {
  const { tally, items } = await setUp(t)
  const few = items.slice(0, 3)
  const results = await putAll(tally, few)
  for (const { path } of few) t.equal(results.get(path)?.fid, (await tally.put(path)).fid)
})

t.test('what was removed is stored again, and its neighbours stay where they are', async t => {
  const { tally, items } = await setUp(t)
  const first = await putAll(tally, items)
  const removed = first.get(items[9]?.path ?? '') as Stored
  await tally.remove({ fid: removed.fid, file: removed.file })
  const second = await putAll(tally, items)
  for (const { path } of items) t.equal(second.get(path)?.fid === first.get(path)?.fid, path !== removed.path, path)
  t.equal((await Array.fromAsync(tally.find())).length, FILES)
})

t.test('of files that changed each alone is stored again, and the others of their groups stay where they are', async t => {
  const { tally, items } = await setUp(t)
  const first = await putAll(tally, items, { tags: ['old'] })
  const changed = [items[9], items[200]].map(item => (item as PutAllItem).path)
  const [same, other] = changed as [string, string]
  // One keeps its size, one does not; a third one is only touched.
  writeFileSync(same, contentOf(9000, 109))
  writeFileSync(other, contentOf(9001, 7))
  utimesSync((items[201] as PutAllItem).path, 1, 1)
  for (let run = 0; run < 2; run++) {
    const second = await putAll(tally, items, { tags: ['new'] })
    for (const { path } of items) t.equal(second.get(path)?.fid === first.get(path)?.fid, !changed.includes(path), path)
    t.equal((await Array.fromAsync(tally.find())).length, FILES + changed.length)
    t.equal((await Array.fromAsync(tally.find({ tags: ['new'] }))).length, FILES, 'each has the tags of this put')
  }
})

t.test('where all files of a group changed, or were removed, they share a transfer again', async t => {
  const { tally, items } = await setUp(t)
  const transfers = (results: Map<string, Stored>): Set<string> => new Set([...results.values()].map(({ fid }) => fid))
  const first = await putAll(tally, items)
  for (const { fid, file } of first.values()) await tally.remove({ fid, file })
  const second = await putAll(tally, items)
  t.equal(transfers(second).size, transfers(first).size)
  for (const [index, { path }] of items.entries()) writeFileSync(path, contentOf(5000 + index, 50 + index))
  const third = await putAll(tally, items)
  t.equal(transfers(third).size, transfers(first).size)
  const again = await putAll(tally, items)
  for (const { path } of items) t.equal(again.get(path)?.fid, third.get(path)?.fid)
  t.equal((await Array.fromAsync(tally.find())).length, 2 * FILES)
})

t.test('an item is not kept waiting for one that is yet to come', async t => {
  const { tally, items } = await setUp(t)
  let stored = (): void => {}
  const one = async function* (): AsyncGenerator<PutAllItem> {
    for (const item of items.slice(0, 2)) {
      const isStored = new Promise<void>(resolve => { stored = resolve })
      yield item
      await isStored
    }
  }
  const paths: string[] = []
  for await (const { path, error } of tally.putAll(one())) {
    t.equal(error, undefined)
    paths.push(path)
    stored()
  }
  t.same(paths, items.slice(0, 2).map(({ path }) => path))
})

t.test('a file that is refused is told alone, and the others are stored', async t => {
  const { tally, items } = await setUp(t)
  const bad = items.map((item, index) => index === 50 ? { ...item, name: 'x'.repeat(2000) } : item)
  const failed: string[] = []
  for await (const result of tally.putAll(bad)) if (result.error !== undefined) failed.push(result.path)
  t.same(failed, [items[50]?.path])
  t.equal((await Array.fromAsync(tally.find())).length, FILES - 1)
})

t.test('progress is that of all files', async t => {
  const { tally, items } = await setUp(t)
  let last: ClientEvent | undefined
  await putAll(tally, items, { onEvent: event => { if (event.type === 'progress') last = event } })
  const totalBytes = FILES * 100 + FILES * (FILES - 1) / 2
  t.match(last, { sentBytes: totalBytes, acknowledgedBytes: totalBytes, totalBytes })
})
