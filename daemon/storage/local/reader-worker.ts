/** The thread of the catalog's queries: node:sqlite cannot interrupt one, so long ones must not stand before a commit. */
import path from 'node:path'
import { workerData } from 'node:worker_threads'
import type { StoredContent } from '../storage.ts'
import { Database } from './database.ts'
import { Queries } from './queries.ts'
import { withBytes } from './small-blob.ts'
import { serveLink } from './worker-link.ts'
import { catalogFile } from './writer.ts'
import type { WriterOptions } from './writer.ts'

const { directory, durability } = workerData as WriterOptions
const db = new Database(catalogFile(directory), 'reader', durability)
const queries = new Queries(db)
const blobs = path.join(directory, 'blobs')

function content(...asked: Parameters<Queries['content']>): StoredContent | undefined {
  const found = queries.content(...asked)
  return found === undefined ? undefined : withBytes(blobs, found)
}

serveLink({
  load: queries.load.bind(queries),
  complete: queries.complete.bind(queries),
  unfinished: queries.unfinished.bind(queries),
  pairs: queries.pairs.bind(queries),
  find: queries.find.bind(queries),
  found: queries.found.bind(queries),
  events: queries.events.bind(queries),
  content,
  contentFrom: queries.contentFrom.bind(queries),
  scrubPosition: queries.scrubPosition.bind(queries),
  isDamaged: queries.isDamaged.bind(queries),
  damagedFiles: queries.damagedFiles.bind(queries),
  repair: queries.repair.bind(queries),
  sums: queries.sums.bind(queries),
  usage: queries.usage.bind(queries),
  garbage: queries.garbage.bind(queries),
  close: () => db.close(),
})
