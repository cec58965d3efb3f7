/**
 * The thread-independent half of writing: the connection, the engine and the transactions, made and closed together.
 */
import path from 'node:path'
import type { Durability } from '../storage.ts'
import { Database } from './database.ts'
import { Engine } from './engine.ts'
import { Reserve } from './reserve.ts'
import { SCHEMA } from './schema.ts'
import { Transactions } from './transactions.ts'
import type { Change, Outcome } from './transactions.ts'
import { syncDirectory } from './version.ts'

export interface WriterOptions {
  readonly directory: string
  readonly durability: Durability
}

export interface Writer {
  run(changes: readonly Change[]): Outcome[]
  close(): void
}

export function catalogFile(directory: string): string {
  return path.join(directory, 'catalog.db')
}

/** Opens the catalog, makes its tables the first time, and has its names durable when it returns. */
export function openWriter({ directory, durability }: WriterOptions, beforeCommit?: () => void): Writer {
  const db = new Database(catalogFile(directory), 'writer', durability)
  try {
    // All tables or none: a crash in the first start leaves an empty database, which the next one fills.
    if (db.get('PRAGMA user_version')?.user_version === 0) db.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT`)
    if (durability === 'power') syncDirectory(directory)
    const reserve = new Reserve(directory)
    reserve.restore()
    const transactions = new Transactions(db, new Engine(db), reserve, beforeCommit)
    return { run: changes => transactions.run(changes), close: () => db.close() }
  } catch (error) {
    db.close()
    throw error
  }
}
