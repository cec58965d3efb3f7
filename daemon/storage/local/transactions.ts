/**
 * Runs catalog changes that came together as one transaction: one sync for all of them. A change that is refused takes only itself
 * back; a disk without room takes all of them back, and then each is tried alone, so that a large one does not drag the others
 * along and a removal can use the reserve.
 */
import { TallyError } from '../../../protocol/errors.ts'
import type { Database } from './database.ts'
import type { Engine } from './engine.ts'
import { storageError, toPlain } from './failures.ts'
import type { PlainError } from './failures.ts'
import type { Reserve } from './reserve.ts'

export type ChangeName = 'announce' | 'amend' | 'tag' | 'mark' | 'store' | 'damaged' | 'beginRepairs' | 'endRepair' | 'scrubbed' | 'reset' | 'remove' | 'expire' | 'forget'

export interface Change {
  readonly op: ChangeName
  readonly args: readonly unknown[]
}

export type Outcome = { readonly value: unknown } | { readonly error: PlainError }

/** What a group of changes came to, and whose events there may be more of. */
export interface Ran {
  readonly outcomes: readonly Outcome[]
  readonly users: readonly string[]
  /** Whether the log got anything by it: an expiry mostly finds nothing. */
  readonly hasWritten: boolean
}

/** What has to work on a full disk, because it makes room. */
const MAKES_ROOM: ReadonlySet<ChangeName> = new Set(['remove', 'expire', 'forget'])

export class Transactions {
  readonly #db: Database
  readonly #engine: Engine
  readonly #reserve: Reserve
  readonly #beforeCommit: () => void
  #rowsChanged: number

  /** `beforeCommit` is for tests: what it throws is met as if the COMMIT had failed. */
  constructor(db: Database, engine: Engine, reserve: Reserve, beforeCommit: () => void = () => {}) {
    this.#db = db
    this.#engine = engine
    this.#reserve = reserve
    this.#beforeCommit = beforeCommit
    this.#rowsChanged = db.rowsChanged()
  }

  /** One outcome for each change, in order; all that succeeded are durable. */
  run(changes: readonly Change[]): Ran {
    const outcomes = this.#outcomes(changes)
    const before = this.#rowsChanged
    this.#rowsChanged = this.#db.rowsChanged()
    return { outcomes, users: this.#engine.events.takeUsers(), hasWritten: this.#rowsChanged !== before }
  }

  #outcomes(changes: readonly Change[]): Outcome[] {
    let outcomes: Outcome[]
    try {
      outcomes = this.#together(changes)
    } catch (cause) {
      const isFull = storageError(cause).code === 'storage-full'
      if (!isFull) return changes.map(() => ({ error: toPlain(cause) }))
      outcomes = changes.map(change => this.#alone(change))
    }
    if (changes.some(({ op }) => op === 'forget')) this.#reserve.restore()
    return outcomes
  }

  #alone(change: Change): Outcome {
    const waysToRoom = MAKES_ROOM.has(change.op) ? [() => this.#db.emptyLog(), () => this.#reserve.giveUp()] : []
    for (;;) {
      try {
        return this.#together([change])[0] as Outcome
      } catch (cause) {
        const makeRoom = waysToRoom.shift()
        if (makeRoom === undefined || storageError(cause).code !== 'storage-full') return { error: toPlain(cause) }
        makeRoom()
      }
    }
  }

  /** Throws where the disk failed or has no room; nothing has changed then. */
  #together(changes: readonly Change[]): Outcome[] {
    this.#db.run('BEGIN IMMEDIATE')
    try {
      // Alone, a refused change has nobody to spare: the whole transaction is taken back.
      const outcomes = changes.length === 1 ? [{ value: this.#apply(changes[0] as Change) }] : changes.map(change => this.#one(change))
      this.#beforeCommit()
      this.#db.run('COMMIT')
      // While there is room for it: a log that took all of the reserve cannot be moved any more, as the database may grow by it.
      if (!this.#reserve.isThere && changes.some(({ op }) => MAKES_ROOM.has(op))) this.#db.emptyLog()
      return outcomes
    } catch (cause) {
      this.#engine.rolledBack()
      // SQLite has rolled back by itself after some failures.
      if (this.#db.isInTransaction) this.#db.run('ROLLBACK')
      throw cause
    }
  }

  #one(change: Change): Outcome {
    this.#db.run('SAVEPOINT change')
    try {
      const value = this.#apply(change)
      this.#db.run('RELEASE change')
      return { value }
    } catch (cause) {
      const isRefusal = cause instanceof TallyError || storageError(cause).code === 'internal'
      if (!isRefusal || !this.#db.isInTransaction) throw cause
      this.#engine.rolledBack()
      this.#db.run('ROLLBACK TO change')
      this.#db.run('RELEASE change')
      return { error: toPlain(cause) }
    }
  }

  #apply({ op, args }: Change): unknown {
    return (this.#engine[op] as (...args: readonly unknown[]) => unknown).apply(this.#engine, [...args])
  }
}
