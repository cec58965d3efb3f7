/** Reads the numbered events of a user, a page at a time, and tells which of them match. */
import type { FileState } from '../../../protocol/messages.ts'
import { eventMatcher } from '../match.ts'
import type { EventKind, EventPage, EventQuery, EventRecord } from '../storage.ts'
import type { Database, Row } from './database.ts'
import { stateOf } from './records.ts'

/** How many events one call looks at, matching or not, so that no other query waits long for it. */
const ROWS_PER_PAGE = 256

/** Runs inside the caller's read transaction. */
export function readEvents(db: Database, query: EventQuery): EventPage {
  const user = db.get('SELECT id, sequence FROM user WHERE name = ?', query.user)
  const owner = (user?.id ?? 0) as number
  const sequence = (user?.sequence ?? 0) as number
  if (query.after === undefined) return { sequence, through: sequence, isTruncated: false, events: [] }
  const oldest = db.get('SELECT sequence FROM event WHERE owner = ? ORDER BY sequence LIMIT 1', owner)?.sequence as number | undefined
  const forgotten = (oldest ?? sequence + 1) - 1
  // A number that was never given comes from another store, or from one that was set back.
  const isTruncated = query.after < forgotten || query.after > sequence
  const from = query.after > sequence ? sequence : Math.max(query.after, forgotten)
  const rows = db.all(`SELECT e.*, CASE e.event WHEN 'removed' THEN NULL ELSE f.meta END AS meta
    FROM event e LEFT JOIN file f ON f.id = e.file WHERE e.owner = ? AND e.sequence > ? ORDER BY e.sequence LIMIT ${ROWS_PER_PAGE}`, owner, from)
  const matches = eventMatcher(query)
  const events: EventRecord[] = []
  let through = from
  for (const row of rows) {
    if (events.length === query.limit) break
    through = row.sequence as number
    const tags = JSON.parse(row.tags as string) as string[]
    const tagsBefore = row.tags_before === null ? undefined : JSON.parse(row.tags_before as string) as string[]
    const event = row.event as EventKind
    const state = stateOf(row.state as number, row.received as number, row.size as number | null)
    if (matches({ event, name: row.name as string, tags, tagsBefore, state })) {
      events.push(toEvent(row, tags, event === 'removed' ? 'removed' : state))
    }
  }
  return { sequence, through, isTruncated, events }
}

function toEvent(row: Row, tags: readonly string[], state: FileState): EventRecord {
  return {
    sequence: row.sequence as number,
    event: row.event as EventKind,
    fid: row.fid as string,
    number: row.number as number,
    name: row.name as string,
    sizeBytes: row.size as number | null,
    digest: row.digest as string | null,
    mediaType: row.media_type as string | null,
    modifiedMs: row.modified as number | null,
    expiresMs: row.expires as number | null,
    meta: row.meta as Uint8Array | null,
    tags,
    state,
    receivedBytes: row.received as number,
    createdMs: row.created as number,
    storedMs: row.stored as number | null,
  }
}
