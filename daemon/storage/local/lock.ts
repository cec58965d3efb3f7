/**
 * The store's lock: an SQLite file of its own that is held exclusively as long as the store is open, because Node has no flock. It
 * goes with the process, however that ends. Nothing else may open the file: POSIX drops a process's locks on a file when any
 * descriptor of it is closed.
 */
import fs from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { refuseReadOnly } from './cannot-open.ts'
import { storageError } from './failures.ts'

export interface StoreLock {
  release(): void
}

/** Throws an Error that names the store where another daemon has it or nothing can be written, `storage-failed` where the disk fails. */
export function lockStore(directory: string): StoreLock {
  const file = path.join(directory, 'lock')
  refuseReadOnly(directory)
  checkWritable(file)
  const database = new DatabaseSync(file, { timeout: 0 })
  try {
    // No journal on the disk: a full one must not keep a store from opening.
    database.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (cause) {
    database.close()
    if (storageError(cause).code !== 'busy') throw storageError(cause)
    throw new Error(`the store ${directory} is in use by another tallyd`, { cause })
  }
  return { release: () => database.close() }
}

/** SQLite opens what it may only read all the same, and then locks nobody out. */
function checkWritable(file: string): void {
  try {
    fs.accessSync(file, fs.constants.W_OK)
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code !== 'ENOENT') throw new Error(`the store cannot be locked: ${message}`, { cause })
  }
}
