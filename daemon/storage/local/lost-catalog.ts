/**
 * A store that has lost its catalog: contents lie in `blobs/`, or the catalog's newest changes in its WAL, and nothing says what they are.
 * To go on as with an empty store would number blobs from 1 anew, and write over contents that a catalog put back would name; and SQLite
 * deletes the WAL of a database without a page. So every way into a store looks here before it opens the catalog, and where there are no
 * tables in it.
 */
import fs from 'node:fs'
import path from 'node:path'
import { TallyError } from '../../../protocol/errors.ts'
import { SHARD } from './blob-path.ts'

/** Of a catalog that is not there or has no bytes: throws as `refuseWithoutTables` does. Opens nothing. */
export function refuseWithoutCatalog(file: string): void {
  if (bytesOf(file) === 0) refuseWithoutTables(file)
}

/**
 * Of a catalog without tables. Throws `storage-failed` with a sentence for the operator where the store holds anything all the same; else
 * its first start was cut off, and nothing was promised yet.
 */
export function refuseWithoutTables(file: string): void {
  const directory = path.dirname(file)
  const holds = holding(directory, file)
  if (holds === undefined) return
  const isThere = fs.existsSync(file) ? 'is empty' : 'is not there'
  throw new TallyError('storage-failed', `the store ${directory} holds ${holds}, but its catalog.db ${isThere}: nothing was touched; put ` +
    'catalog.db back, or a copy of the whole store, or move the directory away, and the next start makes a new store')
}

/** What nobody can make sense of without the catalog. */
function holding(directory: string, file: string): string | undefined {
  if (holdsContents(path.join(directory, 'blobs'))) return 'contents in blobs/'
  return bytesOf(file) === 0 && bytesOf(`${file}-wal`) > 0 ? 'changes in catalog.db-wal' : undefined
}

/** Whether there is any file in its directories. */
function holdsContents(blobs: string): boolean {
  if (!fs.existsSync(blobs)) return false
  return fs.readdirSync(blobs).some(shard => SHARD.test(shard) && fs.readdirSync(path.join(blobs, shard)).length > 0)
}

/** 0 where it is not there. */
function bytesOf(file: string): number {
  return fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0
}
