/**
 * Reads transfers from the catalog as the contract shows them. Shared by the writer, for what it has just announced, and the reader.
 */
import type { Acks, FileState } from '../../../protocol/messages.ts'
import { SUM_BYTES, SUMS_PER_PAGE } from '../blocks.ts'
import type { ChunkKind, FileId, FileRecord, TransferRecord } from '../storage.ts'
import type { Database, Row } from './database.ts'
import { GONE, RECEIVING, STORED } from './schema.ts'

const STATES = ['receiving', 'stored', 'removed'] as const

/** The columns of a file, from `file f LEFT JOIN content c`. */
export const FILE_COLUMNS = `f.id, f.number, f.name, f.size, coalesce(c.digest, f.digest) AS digest, f.media_type, f.modified, f.expires,
  f.meta, f.tags, f.state, f.kind, f.chunk_size, f.stored`
export const FILE_SOURCE = 'file f LEFT JOIN content c ON c.blob = f.content'

export function loadTransfer(db: Database, user: string, fid: string): TransferRecord | undefined {
  const row = db.get(`SELECT t.id, t.state, t.chunk_size, t.acks, t.made, t.created, t.pairs
    FROM transfer t JOIN user u ON u.id = t.owner WHERE u.name = ? AND t.fid = ?`, user, fid)
  if (row === undefined) return undefined
  const isGone = row.state === GONE
  return {
    id: row.id as number,
    user,
    fid,
    state: isGone ? 'gone' : 'open',
    chunkSizeBytes: row.chunk_size as number,
    acks: row.acks as Acks,
    madeByDaemon: row.made === 1,
    createdMs: row.created as number,
    files: isGone ? [] : loadFiles(db, row.id as number),
    pairCount: isGone ? 0 : row.pairs as number,
  }
}

export function loadFiles(db: Database, transfer: number): FileRecord[] {
  const rows = db.all(`SELECT ${FILE_COLUMNS} FROM ${FILE_SOURCE} WHERE f.transfer = ? ORDER BY f.number`, transfer)
  const receipts = Map.groupBy(db.all(`SELECT r.file, r.page, r.bytes FROM file f JOIN receipt r ON r.file = f.id
    WHERE f.transfer = ? AND (f.state = 0 OR f.id IN (SELECT file FROM repair)) ORDER BY r.file, r.page`, transfer), row => row.file as number)
  const held = Map.groupBy(db.all(`SELECT h.file, h.offset, h.bytes FROM file f JOIN held h ON h.file = f.id
    WHERE f.transfer = ? AND (f.state = 0 OR f.id IN (SELECT file FROM repair)) ORDER BY h.id`, transfer), row => row.file as number)
  const repairs = new Map(db.all('SELECT r.file, r.blob FROM repair r JOIN file f ON f.id = r.file WHERE f.transfer = ?', transfer)
    .map(({ file, blob }) => [file, blob as FileId]))
  return rows.map(row => ({
    ...fileFields(row),
    state: STATES[row.state as number] ?? 'removed',
    kind: row.kind as ChunkKind | null,
    repair: repairs.get(row.id as number) ?? null,
    receipts: (receipts.get(row.id as number) ?? []).map(({ page, bytes }) => ({ page: page as number, bytes: bytes as Uint8Array })),
    held: (held.get(row.id as number) ?? []).map(({ offset, bytes }) => ({ offsetBytes: offset as number, bytes: bytes as Uint8Array })),
  }))
}

/** All sums of a content's blocks; empty where it has none. */
export function loadSums(db: Database, blob: FileId): Uint8Array {
  return Buffer.concat(db.all('SELECT sums FROM block_sum WHERE content = ? ORDER BY page', blob).map(({ sums }) => sums as Uint8Array))
}

/** Those that are there stay. */
export function writeSums(db: Database, blob: FileId, sums: Uint8Array): void {
  const pageBytes = SUMS_PER_PAGE * SUM_BYTES
  for (let page = 0; page * pageBytes < sums.length; page++) {
    db.run('INSERT OR IGNORE INTO block_sum (content, page, sums) VALUES (?, ?, ?)', blob, page, sums.subarray(page * pageBytes, (page + 1) * pageBytes))
  }
}

/** The state of a file that is there, as it is told: finishing is not written down. */
export function stateOf(state: number, received: number, size: number | null): FileState {
  if (state === STORED) return 'stored'
  return state === RECEIVING && received === size ? 'finishing' : 'receiving'
}

function fileFields(row: Row): Omit<FileRecord, 'receipts' | 'held' | 'kind' | 'state' | 'repair'> {
  return {
    id: row.id as number,
    number: row.number as number,
    name: row.name as string,
    sizeBytes: row.size as number | null,
    digest: row.digest as string | null,
    mediaType: row.media_type as string | null,
    modifiedMs: row.modified as number | null,
    expiresMs: row.expires as number | null,
    meta: row.meta as Uint8Array | null,
    tags: JSON.parse(row.tags as string) as string[],
    chunkSizeBytes: row.chunk_size as number,
    storedMs: row.stored as number | null,
  }
}
