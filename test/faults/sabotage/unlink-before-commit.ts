/**
 * `node --import …/unlink-before-commit.ts daemon/main.ts gc …`: blobs are deleted before what removes their records is durable, because all
 * transactions become one that ends when the ids are forgotten. Of the daemon nothing is broken.
 */
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'

const NOTHING = { changes: 0, lastInsertRowid: 0 }

const { prepare } = DatabaseSync.prototype
if (process.argv[2] === 'gc') {
  DatabaseSync.prototype.prepare = function (sql, ...rest) {
    const statement = prepare.call(this, sql, ...rest)
    const { run } = statement
    const broken = (...values: SQLInputValue[]): unknown => {
      if (sql === 'COMMIT' || (sql.startsWith('BEGIN') && this.isTransaction)) return NOTHING
      const result: unknown = Reflect.apply(run, statement, values)
      if (sql === 'DELETE FROM garbage') prepare.call(this, 'COMMIT').run()
      return result
    }
    return Object.assign(statement, { run: broken })
  }
}
