/**
 * Repairs in the catalog: a stored file whose content is damaged takes the chunks of the damaged blocks once more, into a blob apart,
 * while it stays stored. Its receipts are those of the chunks that are whole or have come. Runs inside the caller's transaction.
 */
import { CHUNKS_PER_PAGE, ChunkSet } from '../../../protocol/chunk-set.ts'
import type { Run } from '../../../protocol/messages.ts'
import { blockCount, chunksTouching, rangeOfChunks, withoutRuns } from '../blocks.ts'
import type { DamagedFile, FileId, FileRecord, Repair, TransferId } from '../storage.ts'
import type { Database, Row } from './database.ts'
import { loadFiles } from './records.ts'

/** Which stored files can be repaired: an opaque chunk could only guess its place. */
const REPAIRABLE = `c.damaged IS NOT NULL AND f.size > 0 AND f.kind IS NOT 'opaque'`

/** Whether `beginRepairs` has anything to do or to answer. */
export function isDamaged(db: Database, transfer: TransferId): boolean {
  return db.get(`SELECT 1 FROM file f JOIN content c ON c.blob = f.content WHERE f.transfer = ? AND ${REPAIRABLE}
    UNION ALL SELECT 1 FROM file f JOIN repair r ON r.file = f.id WHERE f.transfer = ? LIMIT 1`, transfer, transfer) !== undefined
}

export function damagedFiles(db: Database, transfer: TransferId): DamagedFile[] {
  const rows = db.all(`SELECT f.number, c.damaged FROM file f JOIN content c ON c.blob = f.content
    WHERE f.transfer = ? AND c.damaged IS NOT NULL ORDER BY f.number`, transfer)
  return rows.map(({ number, damaged }) => ({ file: number as number, damaged: JSON.parse(damaged as string) as Run[] }))
}

/** Begins what is not begun, drops what is not needed any more, and answers the transfer's files under repair. */
export function beginRepairs(db: Database, transfer: TransferId, nowMs: number): FileRecord[] {
  const needless = db.all(`SELECT r.file FROM file f JOIN repair r ON r.file = f.id JOIN content c ON c.blob = f.content
    WHERE f.transfer = ? AND c.damaged IS NULL`, transfer)
  for (const { file } of needless) dropRepair(db, file as FileId)
  const damaged = db.all(`SELECT f.id, f.size, f.chunk_size, c.damaged FROM file f JOIN content c ON c.blob = f.content
    WHERE f.transfer = ? AND ${REPAIRABLE} AND NOT EXISTS (SELECT 1 FROM repair r WHERE r.file = f.id)`, transfer)
  for (const row of damaged) begin(db, row)
  // A repair lapses as an unfinished transfer expires: so long after its last chunk.
  if (damaged.length > 0) db.run('UPDATE transfer SET touched = max(touched, ?) WHERE id = ?', nowMs, transfer)
  return loadFiles(db, transfer).filter(({ repair }) => repair !== null)
}

function begin(db: Database, { id, size, chunk_size, damaged }: Row): void {
  const sizeBytes = size as number
  const chunkSizeBytes = chunk_size as number
  const runs = JSON.parse(damaged as string) as Run[]
  const lacking = chunksTouching(runs, chunkSizeBytes, sizeBytes)
  const marked = new ChunkSet()
  const count = Math.ceil(sizeBytes / chunkSizeBytes)
  let at = 0
  for (const [first, length] of [...lacking, [count, 0] as const]) {
    if (first > at) marked.addRun(at, first - at)
    at = first + length
  }
  // A blob's id is a file's id that no file has.
  const blob = db.get(`UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'file' RETURNING seq`)?.seq as FileId
  db.run('INSERT INTO repair (file, blob, runs) VALUES (?, ?, ?)', id as FileId, blob, JSON.stringify(runs))
  for (let page = 0; page * CHUNKS_PER_PAGE < count; page++) {
    db.run('INSERT INTO receipt (file, page, bytes) VALUES (?, ?, ?)', id as FileId, page, marked.encodePage(page))
  }
  const lackingBytes = lacking.reduce((sum, run) => sum + rangeOfChunks(run, chunkSizeBytes, sizeBytes)[1], 0)
  db.run(`UPDATE file SET received = ? WHERE id = ?`, sizeBytes - lackingBytes, id as FileId)
}

/** What ending a file's repair needs; undefined where it is not under repair. */
export function repairOf(db: Database, file: FileId): Repair | undefined {
  const row = db.get(`SELECT r.blob, r.runs, f.size, f.chunk_size, f.content, c.digest FROM repair r JOIN file f ON f.id = r.file
    JOIN content c ON c.blob = f.content WHERE r.file = ?`, file)
  if (row === undefined) return undefined
  const [sizeBytes, chunkSizeBytes] = [row.size as number, row.chunk_size as number]
  const chunks = chunksTouching(JSON.parse(row.runs as string) as Run[], chunkSizeBytes, sizeBytes)
  return {
    blob: row.blob as FileId, content: row.content as FileId, digest: row.digest as string, sizeBytes,
    ranges: chunks.map(run => rangeOfChunks(run, chunkSizeBytes, sizeBytes)),
  }
}

/**
 * What was damaged when this repair began is whole again, and every repair of that content is over. Another block may be known as damaged
 * since; and a later repair of the same file has another blob.
 */
export function endRepair(db: Database, file: FileId, blob: FileId): void {
  const row = db.get(`SELECT f.content, c.damaged, r.runs FROM repair r JOIN file f ON f.id = r.file JOIN content c ON c.blob = f.content
    WHERE r.file = ? AND r.blob = ?`, file, blob)
  if (row === undefined) return
  const left = withoutRuns(JSON.parse((row.damaged ?? '[]') as string) as Run[], JSON.parse(row.runs as string) as Run[])
  db.run('UPDATE content SET damaged = ? WHERE blob = ?', left.length === 0 ? null : JSON.stringify(left), row.content as FileId)
  dropRepairsOf(db, row.content as FileId)
}

export function dropRepairsOf(db: Database, content: FileId): void {
  for (const { file } of db.all('SELECT r.file FROM repair r JOIN file f ON f.id = r.file WHERE f.content = ?', content)) dropRepair(db, file as FileId)
}

/** What came for it is garbage; the file is as stored, and as damaged, as it was. */
export function dropRepair(db: Database, file: FileId): void {
  db.run('INSERT OR IGNORE INTO garbage (blob) SELECT blob FROM repair WHERE file = ?', file)
  if (db.run('DELETE FROM repair WHERE file = ?', file) === 0) return
  db.run('DELETE FROM receipt WHERE file = ?', file)
  db.run('DELETE FROM held WHERE file = ?', file)
  db.run('UPDATE file SET received = size WHERE id = ?', file)
}

/** What came does not fit the digest: nothing of the file is marked any more. */
export function resetRepair(db: Database, file: FileId): void {
  const row = db.get('SELECT f.size FROM repair r JOIN file f ON f.id = r.file WHERE r.file = ?', file)
  if (row === undefined) return
  db.run('UPDATE repair SET runs = ? WHERE file = ?', JSON.stringify([[0, blockCount(row.size as number)]]), file)
  db.run('UPDATE file SET received = 0 WHERE id = ?', file)
  db.run('DELETE FROM receipt WHERE file = ?', file)
  db.run('DELETE FROM held WHERE file = ?', file)
}
