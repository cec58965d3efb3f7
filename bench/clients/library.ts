/**
 * The client's library as an app uses it, with all defaults: put and get of paths, one file or many, over one connection or many. It hashes
 * what it sends and verifies what it fetches; so what is measured is what a user meets.
 */
import { randomUUID } from 'node:crypto'
import { connect, type Tally } from '../../client/index.ts'
import { answerTasks } from '../support/child.ts'
import type { Access } from '../support/daemon.ts'

/** A file as the daemon has it. */
export interface StoredFile {
  readonly fid: string
  readonly digest: string
}

export type LibraryTask = { readonly access: Access } & (
  /** Puts the files, each `connections`-th over the same connection. With `keep` they stay, else they are removed. */
  | { readonly do: 'put'; readonly paths: readonly string[]; readonly connections: number; readonly keep?: true }
  /** Gets each into a file of the directory. */
  | { readonly do: 'get'; readonly fids: readonly string[]; readonly connections: number; readonly directory: string }
  | { readonly do: 'remove'; readonly fids: readonly string[] })

export interface LibraryResult {
  /** Without opening the connections and without removing. */
  readonly seconds: number
  readonly files: readonly StoredFile[]
}

/** How many calls are under way on one connection, where there are more files than connections. */
const CALLS_AT_ONCE = 32

/** Opened once, so that a later task finds them warm. */
const open: Tally[] = []
let openTo = ''

async function connections({ socketPath, token }: Access, count: number): Promise<readonly Tally[]> {
  if (openTo !== socketPath) for (const tally of open.splice(0)) tally.close()
  openTo = socketPath
  while (open.length < count) open.push(await connect({ socket: socketPath, token }))
  return open.slice(0, count)
}

async function run(task: LibraryTask): Promise<LibraryResult> {
  const opened = await connections(task.access, task.do === 'remove' ? 1 : task.connections)
  const startMs = performance.now()
  const files = task.do === 'put' ? await eachOf(task.paths, opened, async (tally, path): Promise<StoredFile> => {
    // A fid of our own: the default one is made of the path, and a file that was removed would be asked for again and again.
    const { fid, files: [file] } = await tally.put(path, { fid: randomUUID() })
    return { fid, digest: file?.digest ?? '' }
  }) : task.do === 'get' ? await eachOf(task.fids, opened, async (tally, fid): Promise<StoredFile> => {
    const { digest } = await tally.get(fid, { directory: task.directory })
    return { fid, digest }
  }) : []
  const seconds = (performance.now() - startMs) / 1000
  const gone = task.do === 'remove' ? task.fids : task.do === 'put' && task.keep !== true ? files.map(({ fid }) => fid) : []
  await eachOf(gone, opened, (tally, fid) => tally.remove({ fid }))
  return { seconds, files }
}

/** Does it for every item, some at once on each connection; answers in the items' order. */
async function eachOf<Item, Result>(
  items: readonly Item[], opened: readonly Tally[], work: (tally: Tally, item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = []
  let next = 0
  const atOnce = Math.min(items.length, opened.length === 1 ? CALLS_AT_ONCE : opened.length)
  await Promise.all(Array.from({ length: atOnce }, async (_, worker) => {
    const tally = opened[worker % opened.length] as Tally
    for (let at = next++; at < items.length; at = next++) results[at] = await work(tally, items[at] as Item)
  }))
  return results
}

answerTasks<LibraryTask, LibraryResult>(run)
