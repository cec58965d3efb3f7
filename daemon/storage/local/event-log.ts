/**
 * The numbered events: one row each, written in the very transaction of the change that it tells, so what happened and that it is told
 * are one fact. Reading is event-queries.ts's matter.
 */
import { EVENTS_KEPT_MAX, type EventKind, type FileId } from '../storage.ts'
import type { Database, Row } from './database.ts'
import { FILE_SOURCE } from './records.ts'

/** Old rows go in lots: a deletion with each event would touch one page more. */
const PRUNE_EVERY = 256
const USERS_PER_CALL = 256
const ROWS_PER_CALL = 1000

export class EventLog {
  readonly #db: Database
  #users = new Set<string>()

  constructor(db: Database) {
    this.#db = db
  }

  /** Notes an event of a file as its record is now: after the change, but before a removal. `tagsBefore` is JSON, as in the record. */
  tell(event: EventKind, file: FileId, nowMs: number, tagsBefore: string | null = null): void {
    const { id, name, sequence } = this.#db.get(`UPDATE user SET sequence = sequence + 1
      WHERE id = (SELECT owner FROM file WHERE id = ?) RETURNING id, name, sequence`, file) as Row
    this.#db.run(`INSERT INTO event (owner, sequence, at, event, file, fid, number, name, size, digest, media_type, modified, expires,
        tags, tags_before, state, received, created, stored)
      SELECT f.owner, ?, ?, ?, f.id, t.fid, f.number, f.name, f.size, coalesce(c.digest, f.digest), f.media_type, f.modified, f.expires,
        f.tags, ?, f.state, f.received, t.created, f.stored
      FROM ${FILE_SOURCE} JOIN transfer t ON t.id = f.transfer WHERE f.id = ?`, sequence as number, nowMs, event, tagsBefore, file)
    this.#users.add(name as string)
    if ((sequence as number) % PRUNE_EVERY === 0) this.#forget(id as number, (sequence as number) - EVENTS_KEPT_MAX)
  }

  /** Who has new events since the last call; some may have none, where a change was taken back. */
  takeUsers(): string[] {
    if (this.#users.size === 0) return []
    const users = [...this.#users]
    this.#users = new Set()
    return users
  }

  /** Forgets what is older, a bounded amount in each call and only the oldest of each user, so that no gap comes about. */
  expire(beforeMs: number): void {
    const users = this.#db.all(`SELECT id FROM user u
      WHERE (SELECT at FROM event WHERE owner = u.id ORDER BY sequence LIMIT 1) < ? LIMIT ${USERS_PER_CALL}`, beforeMs)
    for (const { id } of users) {
      const oldest = this.#db.all(`SELECT sequence, at FROM event WHERE owner = ? ORDER BY sequence LIMIT ${ROWS_PER_CALL}`, id as number)
      const kept = oldest.findIndex(({ at }) => (at as number) >= beforeMs)
      const last = (kept < 0 ? oldest : oldest.slice(0, kept)).at(-1)
      if (last !== undefined) this.#forget(id as number, last.sequence as number)
    }
  }

  #forget(owner: number, throughSequence: number): void {
    this.#db.run('DELETE FROM event WHERE owner = ? AND sequence <= ?', owner, throughSequence)
  }
}
