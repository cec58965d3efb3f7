/**
 * What a file that is not finished lacks although it is marked: chunks have no sums, so what can be told is whether its blob is long enough
 * for those that are marked and not held. Runs inside the caller's transaction.
 */
import { ChunkSet } from '../../../protocol/chunk-set.ts'
import type { Run } from '../../../protocol/messages.ts'
import { rangesOfChunks } from '../blocks.ts'
import type { FileId, TransferId } from '../storage.ts'
import type { Database, Row } from './database.ts'
import type { Engine } from './engine.ts'

/** A receiving file, as far as it matters here. */
export interface Unfinished {
  readonly id: FileId
  readonly transfer: TransferId
  readonly kind: string | null
  readonly chunkSizeBytes: number
  readonly sizeBytes: number | null
}

/** Of a row with these columns of `file`. */
export function unfinishedOf({ id, transfer, kind, chunk_size, size }: Row): Unfinished {
  return {
    id: id as FileId, transfer: transfer as TransferId, kind: kind as string | null, chunkSizeBytes: chunk_size as number,
    sizeBytes: size as number | null,
  }
}

/** The chunks that are marked, beyond the end of a blob of this length, and not held. Throws an Error where the receipts cannot be read. */
export function lackingOf(db: Database, { id, chunkSizeBytes, sizeBytes }: Unfinished, blobBytes: number): Run[] {
  const held = new ChunkSet()
  for (const { offset, length } of db.all('SELECT offset, length(bytes) AS length FROM held WHERE file = ?', id)) {
    held.addRun((offset as number) / chunkSizeBytes, Math.ceil((length as number) / chunkSizeBytes))
  }
  const firstBeyond = Math.floor(blobBytes / chunkSizeBytes)
  const lacking: Run[] = []
  for (const [first, count] of markedOf(db, id).runs()) {
    const endBytes = Math.min((first + count) * chunkSizeBytes, sizeBytes ?? Number.MAX_SAFE_INTEGER)
    if (endBytes > blobBytes) lacking.push(...held.missing(first + count, Infinity, Math.max(first, firstBeyond)))
  }
  return lacking
}

/**
 * These chunks are missing from here on, so that a client sends them again. A file of opaque chunks is removed instead: its sender is told
 * of no gap, and the next chunk would take a place that is not its own.
 */
export function giveUpLacking(db: Database, engine: Engine, file: Unfinished, lacking: readonly Run[], nowMs: number): void {
  if (lacking.length === 0) return
  if (file.kind === 'opaque') {
    engine.remove(file.transfer, [file.id], nowMs)
    return
  }
  const [gone, kept] = [new ChunkSet(), new ChunkSet()]
  for (const [first, count] of lacking) gone.addRun(first, count)
  for (const [first, count] of markedOf(db, file.id).runs()) {
    for (const [from, length] of gone.missing(first + count, Infinity, first)) kept.addRun(from, length)
  }
  const lackingBytes = rangesOfChunks(lacking, file.chunkSizeBytes, file.sizeBytes).reduce((sum, [, lengthBytes]) => sum + lengthBytes, 0)
  db.run('DELETE FROM receipt WHERE file = ?', file.id)
  for (const page of kept.pages()) db.run('INSERT INTO receipt (file, page, bytes) VALUES (?, ?, ?)', file.id, page, kept.encodePage(page))
  db.run('UPDATE file SET received = max(0, received - ?) WHERE id = ?', lackingBytes, file.id)
}

function markedOf(db: Database, file: FileId): ChunkSet {
  const pages = db.all('SELECT page, bytes FROM receipt WHERE file = ? ORDER BY page', file)
  return ChunkSet.fromPages(pages.map(({ page, bytes }) => ({ page: page as number, bytes: bytes as Uint8Array })))
}
