/**
 * The thread-independent half of writing: the connection, the engine and the transactions, made and closed together.
 */
import fs from 'node:fs'
import path from 'node:path'
import type { Durability, FileId } from '../storage.ts'
import { blobPath } from './blob-path.ts'
import { openedCatalog } from './cannot-open.ts'
import { Database } from './database.ts'
import { Engine } from './engine.ts'
import { storageError } from './failures.ts'
import { refuseWithoutCatalog, refuseWithoutTables } from './lost-catalog.ts'
import { Reserve } from './reserve.ts'
import { SCHEMA } from './schema.ts'
import { Transactions } from './transactions.ts'
import type { Change, Ran } from './transactions.ts'
import { syncDirectory } from './version.ts'

export interface WriterOptions {
  readonly directory: string
  readonly durability: Durability
}

export interface Writer {
  run(changes: readonly Change[]): Ran
  close(): void
}

export function catalogFile(directory: string): string {
  return path.join(directory, 'catalog.db')
}

/**
 * Opens the catalog, makes its tables the first time, and has its names durable when it returns. On a full disk it gives up the
 * reserve, because even to open takes some room. Throws `storage-failed` where the catalog has lost its tables.
 */
export function openWriter(options: WriterOptions, beforeCommit?: () => void): Writer {
  const reserve = new Reserve(options.directory)
  let db: Database
  try {
    db = openCatalog(options)
  } catch (cause) {
    if (storageError(cause).code !== 'storage-full' || !reserve.giveUp()) throw storageError(cause)
    db = openCatalog(options)
  }
  reserve.restore()
  const blobs = path.join(options.directory, 'blobs')
  const hasBlob = (blob: FileId, sizeBytes: number): boolean => {
    const found = fs.statSync(blobPath(blobs, blob).file, { throwIfNoEntry: false })
    return found !== undefined && found.size >= sizeBytes
  }
  const transactions = new Transactions(db, new Engine(db, hasBlob), reserve, beforeCommit)
  return { run: changes => transactions.run(changes), close: () => db.close() }
}

/**
 * The catalog of a store that a daemon has made. Throws an Error with a sentence for the operator where its first start was cut off before
 * there were tables: nothing was promised yet, and the next start makes the rest; `storage-failed` where the catalog was lost or is
 * damaged.
 */
export function openExisting(directory: string, role: 'writer' | 'reader'): Database {
  const file = catalogFile(directory)
  refuseWithoutCatalog(file)
  const db = fs.existsSync(file) ? openedCatalog(file, () => withTables(new Database(file, role, 'power'))) : undefined
  if (db !== undefined) return db
  refuseWithoutTables(file)
  throw new Error(`the store ${directory} holds nothing yet: the first start of its tallyd was cut off, and the next one makes the rest`)
}

/** Undefined, and closed, where it has none. */
function withTables(db: Database): Database | undefined {
  try {
    if (db.get('PRAGMA user_version')?.user_version !== 0) return db
  } catch (cause) {
    db.close()
    throw cause
  }
  db.close()
  return undefined
}

function openCatalog(options: WriterOptions): Database {
  const file = catalogFile(options.directory)
  return openedCatalog(file, () => openOrMake(file, options))
}

function openOrMake(file: string, { directory, durability }: WriterOptions): Database {
  const db = new Database(file, 'writer', durability)
  try {
    // All tables or none: a crash in the first start leaves an empty database, which the next one fills.
    if (db.get('PRAGMA user_version')?.user_version === 0) {
      refuseWithoutTables(file)
      db.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT`)
      // So that no loss of power leaves blobs beside a catalog without tables, which would be taken for a lost one.
      if (durability === 'process') db.emptyLog()
      // Stores of this format were made before it had this index.
    } else db.exec('CREATE INDEX IF NOT EXISTS content_size ON content (owner, size)')
    if (durability === 'power') syncDirectory(directory)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}
