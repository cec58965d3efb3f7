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
  /** Its number in the transfer, which small files share. */
  readonly file: number
  readonly digest: string
}

export type LibraryTask = { readonly access: Access } & (
  /** Puts the files at the same time, each over a connection of its own. With `keep` they stay, else they are removed. */
  | { readonly do: 'put'; readonly paths: readonly string[]; readonly keep?: true }
  /** Gets one into a file of the directory. */
  | { readonly do: 'get'; readonly fid: string; readonly directory: string }
  /** `putAll`, which goes by the state of each file at its path; they stay. */
  | { readonly do: 'putAll'; readonly paths: readonly string[] }
  /** `getAll` into the directory, by what a put answered. */
  | { readonly do: 'getAll'; readonly files: readonly StoredFile[]; readonly directory: string })

export interface LibraryResult {
  /** Without opening the connections and without removing. */
  readonly seconds: number
  readonly files: readonly StoredFile[]
}

/** Of removals, on one connection. */
const CALLS_AT_ONCE = 64

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
  const opened = await connections(task.access, task.do === 'put' ? task.paths.length : 1)
  const startMs = performance.now()
  const files = await work(task, opened)
  const seconds = (performance.now() - startMs) / 1000
  if (task.do === 'put' && task.keep !== true) await removeAll(opened, files.map(({ fid }) => fid))
  return { seconds, files }
}

async function work(task: LibraryTask, opened: readonly Tally[]): Promise<readonly StoredFile[]> {
  const [tally] = opened
  if (tally === undefined) throw new Error('no connection')
  switch (task.do) {
    case 'put':
      // A fid of our own: the default one is made of the path, and a file that was removed would be asked for again and again.
      return Promise.all(task.paths.map(async (path, i) => stored(await (opened[i] as Tally).put(path, { fid: randomUUID() }))))
    case 'get': return [stored(await tally.get({ fid: task.fid }, { directory: task.directory }))]
    case 'putAll': return collect(tally.putAll(task.paths.map(path => ({ path }))))
    case 'getAll': return collect(tally.getAll(task.files.map(({ fid, file }) => ({ fid, file })), { directory: task.directory }))
  }
}

async function collect(results: AsyncIterable<StoredFile | { readonly error: unknown }>): Promise<StoredFile[]> {
  const files: StoredFile[] = []
  for await (const result of results) {
    if ('error' in result) throw result.error
    files.push(stored(result))
  }
  return files
}

function stored({ fid, file, digest }: StoredFile): StoredFile {
  return { fid, file, digest }
}

async function removeAll([tally]: readonly Tally[], fids: readonly string[]): Promise<void> {
  const left = [...fids]
  await Promise.all(Array.from({ length: CALLS_AT_ONCE }, async () => {
    for (let fid = left.pop(); fid !== undefined; fid = left.pop()) await tally?.remove({ fid })
  }))
}

answerTasks<LibraryTask, LibraryResult>(run)
