/**
 * A run with durability `process` leaves bytes behind that no sync ever covered. It marks the store for that, and the next run with `power`
 * syncs everything that is there before it serves anybody: else an Ok of its own would rest on such bytes.
 */
import fs from 'node:fs'
import path from 'node:path'
import type { Durability } from '../storage.ts'
import { storageError } from './failures.ts'
import { syncDirectory } from './version.ts'

const MARKER = 'unsynced'

/** Answers how many blobs were synced. Throws `storage-full`, `storage-failed`. */
export function settleUnsynced(directory: string, durability: Durability): number {
  const marker = path.join(directory, MARKER)
  try {
    if (durability === 'process') {
      fs.closeSync(fs.openSync(marker, 'a', 0o600))
      return 0
    }
    if (!fs.existsSync(marker)) return 0
    const synced = syncBlobs(path.join(directory, 'blobs'))
    // The marks of that run may be in the WAL only, which no commit of it has synced.
    for (const name of ['catalog.db', 'catalog.db-wal']) {
      if (fs.existsSync(path.join(directory, name))) syncFile(path.join(directory, name))
    }
    fs.unlinkSync(marker)
    syncDirectory(directory)
    return synced
  } catch (cause) {
    throw storageError(cause)
  }
}

function syncBlobs(blobs: string): number {
  let synced = 0
  for (const shard of fs.readdirSync(blobs)) {
    const directory = path.join(blobs, shard)
    for (const name of fs.readdirSync(directory)) {
      syncFile(path.join(directory, name))
      synced++
    }
    syncDirectory(directory)
  }
  syncDirectory(blobs)
  return synced
}

function syncFile(file: string): void {
  const fd = fs.openSync(file, fs.constants.O_RDWR | fs.constants.O_NOFOLLOW)
  try {
    fs.fdatasyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}
