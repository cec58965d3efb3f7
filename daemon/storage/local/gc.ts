/**
 * Reclaims the room of a store that no daemon serves, all of it at once: what expired, blobs that were removed, blobs that nobody refers
 * to. A running daemon does the first two by itself, a little at a time. A dry run does the same and takes it back.
 */
import fs from 'node:fs'
import path from 'node:path'
import type { ExpiryLimits, FileId } from '../storage.ts'
import { blobPath } from './blob-path.ts'
import type { Database } from './database.ts'
import { Engine } from './engine.ts'
import { lockStore } from './lock.ts'
import { orphansOf } from './orphans.ts'
import { checkOwner } from './owner.ts'
import { Reserve } from './reserve.ts'
import { checkVersion, syncDirectory } from './version.ts'
import { openExisting } from './writer.ts'

export type Reclaimed =
  | { readonly kind: 'expired'; readonly user: string; readonly fid: string }
  /** Relative to the store. */
  | { readonly kind: 'removed' | 'orphan'; readonly path: string; readonly sizeBytes: number }

export interface ReclaimedSum {
  /** Transfers all of whose files went, and files, of these and others. */
  readonly transfers: number
  readonly files: number
  readonly blobs: number
  readonly bytes: number
}

export interface ReclaimOptions {
  readonly path: string
  readonly limits: Omit<ExpiryLimits, 'inUse'>
  readonly isDryRun: boolean
  readonly found: (what: Reclaimed) => void
}

/**
 * Durable on return. A crash leaves garbage, which the next run or daemon deletes. Throws an Error with a sentence where there is no store,
 * it is somebody else's, of another version or in use; `storage-failed` where the disk fails.
 */
export function reclaimStore({ path: directory, limits, isDryRun, found }: ReclaimOptions): ReclaimedSum {
  checkOwner(directory)
  checkVersion(directory)
  const lock = lockStore(directory)
  const reserve = new Reserve(directory)
  try {
    // To write down a removal takes room, also on a full disk.
    if (!isDryRun) reserve.giveUp()
    const db = openExisting(directory, 'writer')
    try {
      return reclaim(db, directory, limits, isDryRun, found)
    } finally {
      db.close()
    }
  } finally {
    if (!isDryRun) reserve.restore()
    lock.release()
  }
}

function reclaim(
  db: Database, directory: string, limits: Omit<ExpiryLimits, 'inUse'>, isDryRun: boolean, found: (what: Reclaimed) => void,
): ReclaimedSum {
  const engine = new Engine(db)
  const sum = { transfers: 0, files: 0 }
  /** A bounded amount of what has expired; answers whether there may be more. */
  const expireSome = (): boolean => {
    const changesBefore = changes(db)
    const { transfers, files } = engine.expire({ ...limits, inUse: new Set() })
    for (const { user, fid } of transfers) found({ kind: 'expired', user, fid })
    sum.transfers += transfers.length
    sum.files += files
    return changesBefore !== changes(db)
  }
  const listBlobs = (): { blobs: number; bytes: number; files: string[] } => {
    const blobs = [...removedBlobs(db, directory), ...strayBlobs(db, directory)]
    for (const { kind, file, sizeBytes } of blobs) found({ kind, path: path.relative(directory, file), sizeBytes })
    return { blobs: blobs.length, bytes: blobs.reduce((bytes, { sizeBytes }) => bytes + sizeBytes, 0), files: blobs.map(({ file }) => file) }
  }
  if (isDryRun) {
    db.run('BEGIN IMMEDIATE')
    try {
      while (expireSome());
      const { blobs, bytes } = listBlobs()
      return { ...sum, blobs, bytes }
    } finally {
      if (db.isInTransaction) db.run('ROLLBACK')
    }
  }
  // A transaction takes room in the log until it is moved into the database: on a full disk all of them at once are too much.
  while (db.atomically(expireSome)) db.emptyLog()
  const { files, blobs, bytes } = listBlobs()
  deleteBlobs(db, directory, files)
  return { ...sum, blobs, bytes }
}

interface Blob {
  readonly kind: 'removed' | 'orphan'
  readonly file: string
  readonly sizeBytes: number
}

/** A blob that never got bytes, or was unlinked before a crash, is not there. */
function removedBlobs(db: Database, directory: string): Blob[] {
  return db.all('SELECT blob FROM garbage ORDER BY blob').flatMap(({ blob }): Blob[] => {
    const { file } = blobPath(path.join(directory, 'blobs'), blob as FileId)
    const size = fs.statSync(file, { throwIfNoEntry: false })?.size
    return size === undefined ? [] : [{ kind: 'removed', file, sizeBytes: size }]
  })
}

/** What does not bear the name of a blob is somebody else's: `fsck` names it. */
function strayBlobs(db: Database, directory: string): Blob[] {
  return [...orphansOf(db, directory)].flatMap(({ file, sizeBytes, isBlob }): Blob[] => (isBlob ? [{ kind: 'orphan', file, sizeBytes }] : []))
}

/** The names are gone durably before their ids are forgotten. */
function deleteBlobs(db: Database, directory: string, files: readonly string[]): void {
  for (const file of files) fs.rmSync(file, { force: true })
  // Also of those that were absent: an earlier run may have unlinked them without living to sync.
  const garbage = db.all('SELECT blob FROM garbage').map(({ blob }) => blobPath(path.join(directory, 'blobs'), blob as FileId).directory)
  for (const shard of new Set([...files.map(file => path.dirname(file)), ...garbage])) if (fs.existsSync(shard)) syncDirectory(shard)
  db.run('DELETE FROM garbage')
}

function changes(db: Database): number {
  return db.get('SELECT total_changes() AS changes')?.changes as number
}
