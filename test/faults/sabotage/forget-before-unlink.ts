/**
 * `node --import …/forget-before-unlink.ts daemon/main.ts`: a blob's id is forgotten before the blob is deleted, by the daemon as by
 * `tallyd gc`. Between the two nothing would ever find it again.
 */
import fs from 'node:fs'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { install } from './install.ts'

install('forget-before-unlink')

const late: fs.PathLike[] = []
const { rmSync } = fs
fs.rmSync = (path, options) => {
  if (String(path).includes('/blobs/')) late.push(path)
  else rmSync(path, options)
}

const { prepare } = DatabaseSync.prototype
DatabaseSync.prototype.prepare = function (sql, ...rest) {
  const statement = prepare.call(this, sql, ...rest)
  if (sql !== 'DELETE FROM garbage') return statement
  const { run } = statement
  const broken = (...values: SQLInputValue[]): unknown => {
    const result: unknown = Reflect.apply(run, statement, values)
    for (const path of late.splice(0)) rmSync(path, { force: true })
    return result
  }
  return Object.assign(statement, { run: broken })
}
