/**
 * The catalog's reads, on a connection of their own. Each runs in one read transaction, so it sees whole commits only, and every
 * commit that returned before it.
 */
import type { Run } from '../../../protocol/messages.ts'
import type { Usage } from '../quota.ts'
import type {
  DamagedFile, EventPage, EventQuery, FileId, FindQuery, OwnedContent, Pair, Repair, ScrubPosition, StoredContent, TransferId, TransferRecord,
  UnfinishedQuery, UnfinishedTransfer,
} from '../storage.ts'
import type { Database, Row } from './database.ts'
import { readEvents } from './event-queries.ts'
import { findFiles, foundFiles } from './find.ts'
import { byColumns, type FoundColumns } from './found-columns.ts'
import { loadTransfer } from './records.ts'
import { damagedFiles, isDamaged, repairOf } from './repairs.ts'
import { OPEN, RECEIVING } from './schema.ts'
import { usageOf } from './usage.ts'

/** Contents with a file that shows each. */
const CONTENT = `SELECT u.name AS user, t.fid, f.number, f.name, f.size, f.tags, f.meta, c.digest, c.blob, c.damaged, s.sums
  FROM content c JOIN file f ON f.content = c.blob JOIN transfer t ON t.id = f.transfer JOIN user u ON u.id = c.owner
  LEFT JOIN block_sum s ON s.content = c.blob AND s.page = 0`

/** `FoundPage`, as it is sent to the thread that asked. */
export interface FoundColumnsPage {
  readonly sequence: number
  readonly files: FoundColumns
}

export class Queries {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  load(user: string, fid: string): TransferRecord | undefined {
    return this.#atomic(() => loadTransfer(this.#db, user, fid))
  }

  complete(): { user: string; fid: string }[] {
    const rows = this.#db.all(`SELECT u.name, t.fid FROM transfer t JOIN user u ON u.id = t.owner
      WHERE t.id IN (SELECT transfer FROM file WHERE state = ${RECEIVING} AND received = size
        UNION SELECT f.transfer FROM repair r JOIN file f ON f.id = r.file WHERE f.received = f.size)`)
    return rows.map(row => ({ user: row.name as string, fid: row.fid as string }))
  }

  unfinished({ user, limit, after }: UnfinishedQuery): UnfinishedTransfer[] {
    const rows = this.#db.all(`SELECT t.id, u.name, t.fid, t.created, t.touched, COUNT(*) AS files, SUM(f.size) AS size,
        SUM(f.size IS NULL) AS unknown, SUM(f.received) AS received
      FROM file f JOIN transfer t ON t.id = f.transfer JOIN user u ON u.id = t.owner
      WHERE f.state = ${RECEIVING} AND f.transfer < ? AND (? IS NULL OR u.name = ?)
      GROUP BY f.transfer ORDER BY f.transfer DESC LIMIT ?`, after ?? Number.MAX_SAFE_INTEGER, user ?? null, user ?? null, limit)
    return rows.map(row => ({
      id: row.id as number,
      user: row.name as string,
      fid: row.fid as string,
      createdMs: row.created as number,
      touchedMs: row.touched as number,
      files: row.files as number,
      sizeBytes: (row.unknown as number) > 0 ? null : row.size as number,
      receivedBytes: row.received as number,
    }))
  }

  pairs(transfer: TransferId, uuids: readonly string[]): Pair[] {
    const sql = `SELECT p.uuid, p.file, p.chunk FROM pair p JOIN transfer t ON t.id = p.transfer
      WHERE p.transfer = ? AND p.uuid = ? AND t.state = ${OPEN}`
    return this.#atomic(() => uuids.flatMap(uuid => this.#db.all(sql, transfer, Buffer.from(uuid, 'hex')).map(toPair)))
  }

  find(query: FindQuery): FoundColumnsPage {
    return this.#atomic(() => {
      const user = this.#db.get('SELECT id, sequence FROM user WHERE name = ?', query.user)
      if (user === undefined) return { sequence: 0, files: byColumns([]) }
      return { sequence: user.sequence as number, files: byColumns(findFiles(this.#db, user.id as number, query)) }
    })
  }

  found(user: string, files: readonly FileId[]): FoundColumns {
    return this.#atomic(() => byColumns(foundFiles(this.#db, user, files)))
  }

  events(query: EventQuery): EventPage {
    return this.#atomic(() => readEvents(this.#db, query))
  }

  content(user: string, wanted: { fid: string; file: number } | { digest: string }): StoredContent | undefined {
    const row = 'digest' in wanted
      ? this.#db.get(`${CONTENT} WHERE u.name = ? AND c.digest = ? ORDER BY f.id DESC LIMIT 1`, user, wanted.digest)
      : this.#db.get(`${CONTENT} WHERE u.name = ? AND t.owner = u.id AND t.fid = ? AND f.number = ?`, user, wanted.fid, wanted.file)
    return row === undefined ? undefined : toContent(row)
  }

  contentFrom(blob: FileId): OwnedContent | undefined {
    const row = this.#db.get(`${CONTENT} WHERE c.blob >= ? AND c.damaged IS NULL AND c.size > 0 ORDER BY c.blob LIMIT 1`, blob)
    return row === undefined ? undefined : { user: row.user as string, content: toContent(row) }
  }

  scrubPosition(): ScrubPosition | undefined {
    const row = this.#db.get('SELECT began, blob, block, over FROM scrub')
    return row === undefined ? undefined : {
      beganMs: row.began as number, blob: row.blob as FileId, block: row.block as number, isOver: row.over === 1,
    }
  }

  isDamaged(transfer: TransferId): boolean {
    return isDamaged(this.#db, transfer)
  }

  damagedFiles(transfer: TransferId): DamagedFile[] {
    return damagedFiles(this.#db, transfer)
  }

  repair(file: FileId): Repair | undefined {
    return this.#atomic(() => repairOf(this.#db, file))
  }

  sums(blob: FileId, page: number): Uint8Array {
    const row = this.#db.get('SELECT sums FROM block_sum WHERE content = ? AND page = ?', blob, page)
    return row?.sums as Uint8Array | undefined ?? new Uint8Array(0)
  }

  usage(user: string): Usage {
    return usageOf(this.#db, user)
  }

  garbage(limit: number): FileId[] {
    return this.#db.all('SELECT blob FROM garbage ORDER BY blob LIMIT ?', limit).map(({ blob }) => blob as FileId)
  }

  /** Several statements that see one and the same state. */
  #atomic<T>(read: () => T): T {
    this.#db.run('BEGIN')
    try {
      return read()
    } finally {
      this.#db.run('COMMIT')
    }
  }
}

function toContent(row: Row): StoredContent {
  return {
    fid: row.fid as string,
    file: row.number as number,
    name: row.name as string,
    sizeBytes: row.size as number,
    digest: row.digest as string,
    tags: JSON.parse(row.tags as string) as string[],
    meta: row.meta as Uint8Array | null,
    blob: row.blob as FileId,
    damaged: row.damaged === null ? [] : JSON.parse(row.damaged as string) as Run[],
    sums: row.sums as Uint8Array | null ?? new Uint8Array(0),
  }
}

function toPair({ uuid, file, chunk }: Row): Pair {
  return { uuid: Buffer.from(uuid as Uint8Array).toString('hex'), file: file as number, chunk: chunk as number }
}
