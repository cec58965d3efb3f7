/**
 * The store in a local directory: a catalog in SQLite and blobs beside it (docs/design.md, "The store on disk"). It opens the parts
 * in the order that their safety needs (version, lock, catalog, blobs) and closes them in the reverse one.
 */
import fs from 'node:fs'
import path from 'node:path'
import type { Durability, Store } from '../storage.ts'
import { LocalCatalog } from './catalog.ts'
import { LocalContents } from './contents.ts'
import { Health } from './failures.ts'
import type { StoreLog } from './failures.ts'
import { FreeSpace, type Room } from './free-space.ts'
import { realFileSystem } from './file-system.ts'
import type { FileSystem } from './file-system.ts'
import { lockStore } from './lock.ts'
import { refuseWithoutCatalog } from './lost-catalog.ts'
import { StoreThreads } from './threads.ts'
import type { Change, Ran } from './transactions.ts'
import { settleUnsynced } from './unsynced.ts'
import { prepareDirectory } from './version.ts'
import { workerUrl, WorkerLink } from './worker-link.ts'
import { catalogFile, openWriter } from './writer.ts'
import type { WriterOptions } from './writer.ts'

export interface LocalStoreOptions {
  /** A directory; made if absent. */
  readonly path: string
  readonly durability: Durability
  /** What is to stay free on the disk: less, and nothing is announced or written. */
  readonly minFreeBytes?: number
  readonly log?: StoreLog
  /** Of this directory (absolute) and durability, started already; absent: they are started here. */
  readonly threads?: StoreThreads
  /** What a test may put in the place of the real thing. */
  readonly faults?: StoreFaults
}

export interface StoreFaults {
  readonly freeBytesOf?: (directory: string) => number
  readonly fileSystem?: FileSystem
  /** Called before each COMMIT of the catalog, which then runs on the calling thread; what it throws is met as the COMMIT's failure. */
  readonly beforeCommit?: () => void
}

export interface LocalStore extends Store {
  /** Whether new bytes are taken just now; the file system is asked. */
  room(): Room
}

/** Runs the catalog's transactions, here or in a thread. */
interface Committer {
  run(changes: readonly Change[]): Promise<Ran>
  close(): Promise<void>
}

/**
 * Opens or makes a store. Throws an Error with a sentence for the operator: of a newer version, in use by another daemon, or a
 * directory of something else; `storage-full` or `storage-failed` where the disk fails, the latter also where its catalog was lost.
 */
export async function openLocalStore(
  { path: directory, durability, minFreeBytes = 0, log = () => {}, threads: started, faults = {} }: LocalStoreOptions,
): Promise<LocalStore> {
  const root = path.resolve(directory)
  prepareDirectory(root)
  const lock = lockStore(root)
  try {
    refuseWithoutCatalog(catalogFile(root))
    // Before the catalog, which makes the names in this directory durable.
    fs.mkdirSync(path.join(root, 'blobs'), { recursive: true, mode: 0o700 })
    const synced = settleUnsynced(root, durability)
    if (synced > 0) log('synced what a run with durability process left', { blobs: synced })
    const options: WriterOptions = { directory: root, durability }
    const threads = started ?? new StoreThreads(options)
    // Beside the writer, so that the first question need not wait for its thread.
    threads.reader.start()
    const committer = await openCommitter(options, threads, faults).catch(async cause => {
      await threads.abort()
      throw cause
    })
    const { reader } = threads
    reader.hint('open', [])
    const health = new Health(log)
    const checkpointer = new WorkerLink(workerUrl(import.meta.url, 'checkpoint-worker'), options)
    const free = new FreeSpace(root, minFreeBytes, faults.freeBytesOf)
    const catalog = new LocalCatalog({ run: changes => committer.run(changes), reader, checkpointer, health, free })
    const contents = new LocalContents(root, durability, health, free, faults.fileSystem ?? realFileSystem)
    let closing: Promise<void> | undefined
    const closeParts = async (): Promise<void> => {
      await catalog.drain()
      await contents.close()
      // The writer goes last: it empties the WAL into the database when nobody else has it open.
      await Promise.all([reader.close(), checkpointer.close()])
      await committer.close()
      lock.release()
    }
    const close = (): Promise<void> => {
      closing ??= closeParts()
      return closing
    }
    const room = (): Room => {
      const found = free.room()
      return { ...found, refusal: health.refusal ?? found.refusal }
    }
    return { catalog, contents, durability, room, close }
  } catch (error) {
    lock.release()
    throw error
  }
}

async function openCommitter(options: WriterOptions, threads: StoreThreads, { beforeCommit }: StoreFaults): Promise<Committer> {
  const link = threads.writer
  if (!threads.hasWriter || beforeCommit !== undefined) {
    const writer = openWriter(options, beforeCommit)
    return { run: async changes => writer.run(changes), close: async () => writer.close() }
  }
  await link.call('open', [])
  return { run: async changes => await link.call('run', [changes]) as Ran, close: () => link.close() }
}
