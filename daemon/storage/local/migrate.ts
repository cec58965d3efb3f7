/**
 * Brings a store of an older format to this one: all steps in one transaction of the catalog, then the number in the version file. A
 * crash before the transaction's end has changed nothing; one after it is completed by migrating again.
 */
import path from 'node:path'
import { openedCatalog } from './cannot-open.ts'
import { Database } from './database.ts'
import { lockStore } from './lock.ts'
import { refuseWithoutCatalog, refuseWithoutTables } from './lost-catalog.ts'
import { checkOwner } from './owner.ts'
import { TO_2 } from './migrations/to-2.ts'
import { otherVersion, readVersion, STORE_VERSION, writeVersion } from './version.ts'
import { catalogFile } from './writer.ts'

/** The statements that lead to a format from the one before it. */
const STEPS: ReadonlyMap<number, string> = new Map([[2, TO_2]])

/**
 * Durable on return; answers the format that the store had. Throws an Error with a sentence for the operator: no store, a newer one, in
 * use by a daemon; `storage-full` or `storage-failed` where the disk fails, and then nothing has changed.
 */
export function migrateStore(directory: string): number {
  const root = path.resolve(directory)
  checkOwner(root)
  const found = readVersion(root)
  if (found === undefined) throw new Error(`${root} is no tally store`)
  if (found > STORE_VERSION) throw new Error(otherVersion(root, found))
  const lock = lockStore(root)
  try {
    migrateCatalog(catalogFile(root))
    if (found !== STORE_VERSION) writeVersion(root)
    return found
  } finally {
    lock.release()
  }
}

function migrateCatalog(file: string): void {
  refuseWithoutCatalog(file)
  const db = openedCatalog(file, () => new Database(file, 'writer', 'power'))
  try {
    const version = Number(db.get('PRAGMA user_version')?.user_version)
    if (version === 0) refuseWithoutTables(file)
    // 0: the first start made no tables yet, the next one will.
    if (version === 0 || version === STORE_VERSION) return
    const steps = Array.from({ length: STORE_VERSION - version }, (_, i) => STEPS.get(version + i + 1) as string)
    db.exec(`BEGIN IMMEDIATE; ${steps.join('')} PRAGMA user_version = ${STORE_VERSION}; COMMIT`)
  } finally {
    db.close()
  }
}
