/**
 * Takes every sync out of a daemon, from outside: `node --import …/no-sync.ts daemon/main.ts`. What it answers is then only in the
 * caches of the operating system, and the power cuts must find that out.
 */
import fs from 'node:fs'
import { open } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { DatabaseSync } from 'node:sqlite'

type Callback = (error: null) => void

fs.fsyncSync = () => {}
fs.fdatasyncSync = () => {}
Object.assign(fs, { fsync: later, fdatasync: later })
Object.assign(fs.promises, { fsync: nothing, fdatasync: nothing })

const handle = await open('/dev/null')
Object.assign(Object.getPrototypeOf(handle) as object, { sync: nothing, datasync: nothing })
await handle.close()

// SQLite syncs by itself, in C, as its pragma tells it.
const { exec, prepare } = DatabaseSync.prototype
DatabaseSync.prototype.exec = function (sql) { return exec.call(this, unsynced(sql)) }
DatabaseSync.prototype.prepare = function (sql, ...rest) { return prepare.call(this, unsynced(sql), ...rest) }
syncBuiltinESMExports()

function unsynced(sql: string): string {
  return sql.replace(/(synchronous\s*=\s*)\w+/gi, '$1OFF')
}

function later(_handle: number, done: Callback): void {
  setImmediate(done, null)
}

async function nothing(): Promise<void> {}
