/**
 * The thread that moves the WAL's pages into the database, so that neither the thread that serves nor the one that commits waits
 * for it. Passive: it takes what it can and disturbs nobody.
 */
import { workerData } from 'node:worker_threads'
import { Database } from './database.ts'
import { serveLink } from './worker-link.ts'
import { catalogFile } from './writer.ts'
import type { WriterOptions } from './writer.ts'

const { directory, durability } = workerData as WriterOptions
const db = new Database(catalogFile(directory), 'checkpointer', durability)

serveLink({
  checkpoint: () => {
    db.get('PRAGMA wal_checkpoint(PASSIVE)')
  },
  close: () => db.close(),
})
