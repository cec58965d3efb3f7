/**
 * Copies of a store. An export is a store itself, of the same format: a snapshot of the catalog, and the blobs that it refers to. It is
 * taken beside a daemon that goes on writing, and an import is the same in the other direction, into a store that is not there yet.
 */
import fs from 'node:fs'
import path from 'node:path'
import type { FileId, TransferId } from '../storage.ts'
import { blobPath } from './blob-path.ts'
import { CopyTarget } from './copy-target.ts'
import { Database } from './database.ts'
import { Engine } from './engine.ts'
import { dropRepair } from './repairs.ts'
import { RECEIVING, REMOVED } from './schema.ts'
import { giveUpLacking, lackingOf, unfinishedOf } from './unfinished.ts'
import { checkVersion, syncDirectory, writeVersion } from './version.ts'
import { catalogFile, openExisting } from './writer.ts'

export interface Copied {
  readonly blobs: number
  readonly bytes: number
  /** Files that were removed while the copy was made, and are not in it. */
  readonly removed: number
}

/**
 * Writes the store as it is now into a directory that is empty or not there, and not in the store. Everything is durable on return, and the
 * version file is written last: a directory without one is a copy whose making was killed. The copy belongs to whoever makes it, who need
 * only be able to read the store (SQLite gives what it makes beside a catalog to the catalog's owner). Throws an Error with a sentence for
 * the operator, and then nothing of the copy stays.
 */
export function copyStore(from: string, to: string, nowMs: number): Copied {
  checkVersion(from)
  const target = new CopyTarget(from, to)
  const source = openExisting(from, 'reader')
  try {
    return target.fill(() => copyInto(to, from, source, nowMs))
  } finally {
    source.close()
  }
}

function copyInto(to: string, from: string, source: Database, nowMs: number): Copied {
  fs.mkdirSync(path.join(to, 'blobs'), { mode: 0o700 })
  // One read transaction: whatever is committed meanwhile is not in it.
  source.run('VACUUM INTO ?', catalogFile(to))
  fs.chmodSync(catalogFile(to), 0o600)
  const target = new Database(catalogFile(to), 'writer', 'power')
  let copied: Copied
  try {
    copied = copyBlobs(source, target, path.join(from, 'blobs'), path.join(to, 'blobs'), nowMs)
    // Readable where nothing can be written, too; whoever serves it sets the WAL up again.
    target.exec('PRAGMA journal_mode = DELETE')
  } finally {
    target.close()
  }
  writeVersion(to)
  syncDirectory(path.dirname(to))
  return copied
}

function copyBlobs(source: Database, target: Database, from: string, to: string, nowMs: number): Copied {
  // What was garbage is not copied.
  target.run('DELETE FROM garbage')
  const sum = { blobs: 0, bytes: 0 }
  const shards = new Set<string>()
  /** Copies the first of these that is there, under the name of a blob; answers its length, 0 where none is there. */
  const copyOne = (blob: FileId, ...sources: (() => FileId | undefined)[]): number => {
    const { directory, file } = blobPath(to, blob)
    if (!shards.has(directory)) fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
    shards.add(directory)
    for (const sourceOf of sources) {
      const bytes = copyBlob(from, sourceOf(), file)
      if (bytes === undefined) continue
      sum.blobs++
      sum.bytes += bytes
      return bytes
    }
    return 0
  }
  for (const { blob, owner, digest } of target.all('SELECT blob, owner, digest FROM content WHERE size > 0')) {
    // A content that was damaged may have been replaced by a whole one since, under another blob.
    copyOne(blob as FileId, () => blob as FileId, () => blobOf(source, 'SELECT blob FROM content WHERE owner = ? AND digest = ?', owner as number, digest as string))
  }
  const engine = new Engine(target)
  for (const row of target.all(`SELECT id, transfer, kind, chunk_size, size FROM file WHERE state = ${RECEIVING} AND received > 0`)) {
    const file = unfinishedOf(row)
    // It may have been stored since, and share the same bytes under another blob.
    const shared = () => blobOf(source, 'SELECT c.blob FROM file f JOIN content c ON c.blob = f.content WHERE f.id = ? AND c.damaged IS NULL', file.id)
    const bytes = copyOne(file.id, () => file.id, shared)
    target.atomically(() => giveUpLacking(target, engine, file, lackingOf(target, file, bytes), nowMs))
  }
  for (const { blob, file } of target.all('SELECT blob, file FROM repair')) {
    copyOne(blob as FileId, () => blob as FileId)
    const isOver = source.get('SELECT 1 FROM repair WHERE blob = ?', blob as FileId) === undefined
    if (isOver) target.atomically(() => dropRepair(target, file as FileId))
  }
  for (const directory of shards) syncDirectory(directory)
  syncDirectory(to)
  return { ...sum, removed: dropRemoved(source, target, engine, nowMs) }
}

function blobOf(source: Database, sql: string, ...values: (number | string)[]): FileId | undefined {
  return source.get(sql, ...values)?.blob as FileId | undefined
}

/** Its length, durably; undefined where there is none (any more). Shares the disk's blocks where the file system can. */
function copyBlob(blobs: string, blob: FileId | undefined, to: string): number | undefined {
  if (blob === undefined) return undefined
  try {
    fs.copyFileSync(blobPath(blobs, blob).file, to, fs.constants.COPYFILE_FICLONE)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw cause
  }
  const fd = fs.openSync(to, fs.constants.O_RDWR | fs.constants.O_NOFOLLOW)
  try {
    fs.fchmodSync(fd, 0o600)
    fs.fdatasyncSync(fd)
    return fs.fstatSync(fd).size
  } finally {
    fs.closeSync(fd)
  }
}

/** What was removed since the snapshot may lack its blob: it is removed from the copy, too. */
function dropRemoved(source: Database, target: Database, engine: Engine, nowMs: number): number {
  const byTransfer = new Map<TransferId, FileId[]>()
  for (const { id, transfer } of target.all(`SELECT id, transfer FROM file WHERE state <> ${REMOVED}`)) {
    if (source.get(`SELECT 1 FROM file WHERE id = ? AND state <> ${REMOVED}`, id as FileId) !== undefined) continue
    byTransfer.set(transfer as TransferId, [...byTransfer.get(transfer as TransferId) ?? [], id as FileId])
  }
  target.atomically(() => {
    for (const [transfer, files] of byTransfer) engine.remove(transfer, files, nowMs)
  })
  return [...byTransfer.values()].reduce((sum, files) => sum + files.length, 0)
}
