/**
 * Why a store cannot be opened, in sentences that name the place and what to do: a file system that is read-only, a catalog that is damaged.
 */
import fs from 'node:fs'
import path from 'node:path'
import { TallyError } from '../../../protocol/errors.ts'
import { SQLITE_CORRUPT, SQLITE_NOTADB, storageError } from './failures.ts'

/** Throws an Error where nothing can be written in the directory because its file system is read-only. */
export function refuseReadOnly(directory: string): void {
  if (isReadOnly(directory)) throw new Error(readOnly(directory))
}

/** What `open` makes of the catalog's file. Throws `storage-failed` with a sentence where that is damaged or lies there; else what `open` throws. */
export function openedCatalog<T>(file: string, open: () => T): T {
  try {
    return open()
  } catch (cause) {
    const { errcode } = cause as { errcode?: unknown }
    const isDamaged = typeof errcode === 'number' && [SQLITE_CORRUPT, SQLITE_NOTADB].includes(errcode & 0xff)
    if (isDamaged) throw new TallyError('storage-failed', damaged(file), {}, { cause })
    if (storageError(cause).code === 'storage-failed' && isReadOnly(path.dirname(file))) {
      throw new TallyError('storage-failed', readOnly(path.dirname(file)), {}, { cause })
    }
    throw cause
  }
}

function isReadOnly(directory: string): boolean {
  try {
    fs.accessSync(directory, fs.constants.W_OK)
    return false
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === 'EROFS'
  }
}

function readOnly(directory: string): string {
  return `the store ${directory} lies on a read-only file system, where it can be neither served, checked nor exported: ` +
    'make it writable (under systemd: ReadWritePaths=), or copy the whole directory to a place that is'
}

function damaged(file: string): string {
  return `the catalog ${file} is damaged, or something else: nothing was changed; move the store ${path.dirname(file)} away ` +
    '(its contents are still in blobs/), and make it anew of the last export: tallyd import --from DIR'
}
