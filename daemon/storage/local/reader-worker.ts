/**
 * The thread of the catalog's queries: node:sqlite cannot interrupt one, so long ones must not stand before a commit. It starts while the
 * writer opens the catalog, and maybe makes it; so it opens the catalog only when it is asked for something.
 */
import path from 'node:path'
import { workerData } from 'node:worker_threads'
import type { StoredContent } from '../storage.ts'
import { Database } from './database.ts'
import { Queries } from './queries.ts'
import { withBytes } from './small-blob.ts'
import { serveLink, want } from './worker-link.ts'
import { catalogFile } from './writer.ts'
import type { WriterOptions } from './writer.ts'

const { directory, durability } = workerData as WriterOptions
const blobs = path.join(directory, 'blobs')
let opened: { readonly db: Database; readonly queries: Queries } | undefined

function queries(): Queries {
  opened ??= open()
  return opened.queries
}

function open(): { db: Database; queries: Queries } {
  try {
    const db = new Database(catalogFile(directory), 'reader', durability)
    return { db, queries: new Queries(db) }
  } catch (cause) {
    throw want(cause) ?? cause
  }
}

function content(...asked: Parameters<Queries['content']>): StoredContent | undefined {
  const found = queries().content(...asked)
  return found === undefined ? undefined : withBytes(blobs, found)
}

const NAMES = [
  'load', 'complete', 'unfinished', 'pairs', 'find', 'found', 'events', 'contentFrom', 'scrubPosition', 'isDamaged', 'damagedFiles',
  'repair', 'sums', 'usage', 'garbage',
] as const
type Query = (...args: never[]) => unknown

serveLink({
  ...Object.fromEntries(NAMES.map(name => [name, (...args: never[]) => (queries() as Record<typeof name, Query>)[name](...args)])),
  content,
  open: () => {
    queries()
  },
  close: () => opened?.db.close(),
})
