/**
 * A connection to the catalog: how it is opened for each of its three uses, and prepared statements that are kept by their text.
 */
import { DatabaseSync } from 'node:sqlite'
import type { SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite'
import { globMatcher } from '../glob.ts'
import type { Durability } from '../storage.ts'

export type Row = Record<string, SQLOutputValue>

/** The one connection that changes the catalog; queries beside it; and the one that moves the WAL's pages into the database. */
export type ConnectionRole = 'writer' | 'reader' | 'checkpointer'

/** A safety net: checkpoints are the checkpointer's work, twice a second, and the writer does one only when the WAL grows beyond this. */
const WRITER_CHECKPOINT_PAGES = 8192
const WAL_BYTES_KEPT = 64 * 1024 * 1024

export class Database {
  readonly #db: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()

  /**
   * With `power` a COMMIT returns when the WAL is synced. With `process` only checkpoints sync: the last commits may go with the
   * machine, but what is there stays a database, and older files with it (`synchronous = OFF` would risk them too).
   */
  constructor(file: string, role: ConnectionRole, durability: Durability) {
    this.#db = new DatabaseSync(file, { readOnly: role === 'reader', timeout: 10_000, enableForeignKeyConstraints: true })
    try {
      this.#configure(role, durability)
    } catch (error) {
      this.#db.close()
      throw error
    }
  }

  #configure(role: ConnectionRole, durability: Durability): void {
    if (role === 'writer') this.#db.exec('PRAGMA journal_mode = WAL')
    if (role !== 'reader') {
      this.#db.exec(`PRAGMA synchronous = ${durability === 'power' ? 'FULL' : 'NORMAL'}`)
      this.#db.exec(`PRAGMA wal_autocheckpoint = ${role === 'writer' ? WRITER_CHECKPOINT_PAGES : 0}`)
      this.#db.exec(`PRAGMA journal_size_limit = ${WAL_BYTES_KEPT}`)
    }
    this.#db.exec('PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192')
    this.#db.function('tally_glob', { deterministic: true }, cachedGlob())
  }

  exec(sql: string): void {
    this.#db.exec(sql)
  }

  /** Runs a statement; answers how many rows it changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#prepared(sql).run(...values).changes)
  }

  get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#prepared(sql).get(...values)
  }

  all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#prepared(sql).all(...values)
  }

  /** One transaction, taken back where the change throws. */
  atomically<T>(change: () => T): T {
    this.run('BEGIN IMMEDIATE')
    try {
      const value = change()
      this.run('COMMIT')
      return value
    } catch (cause) {
      // SQLite has rolled back by itself after some failures.
      if (this.isInTransaction) this.run('ROLLBACK')
      throw cause
    }
  }

  /** Moves the log into the database as far as nobody reads it, so that the next transaction is written over it. */
  emptyLog(): void {
    try {
      this.get('PRAGMA wal_checkpoint(PASSIVE)')
    } catch {
      // Then it keeps its pages, and nothing is lost by it.
    }
  }

  /** By this connection since it was opened, also in what was taken back since. */
  rowsChanged(): number {
    return Number(this.get('SELECT total_changes() AS rows')?.['rows'])
  }

  get isInTransaction(): boolean {
    return this.#db.isTransaction
  }

  close(): void {
    this.#statements.clear()
    this.#db.close()
  }

  #prepared(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#db.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }
}

/** One query asks about one pattern again and again. */
function cachedGlob(): (pattern: SQLInputValue, name: SQLInputValue) => number {
  let known: string | undefined
  let matches: (name: string) => boolean = () => false
  return (pattern, name) => {
    if (pattern !== known) {
      known = String(pattern)
      matches = globMatcher(known)
    }
    return matches(String(name)) ? 1 : 0
  }
}
