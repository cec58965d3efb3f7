/**
 * What FETCH looks up, and what FIND finds by size, costs the same however much the user has: the planner goes by the whole key, not by the
 * owner alone. And FIND reads the records of those files only whose tags are right.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Database, type Row } from '../../daemon/storage/local/database.ts'
import { findFiles } from '../../daemon/storage/local/find.ts'
import { Queries } from '../../daemon/storage/local/queries.ts'
import { SCHEMA } from '../../daemon/storage/local/schema.ts'

/** Notes how each statement would be carried out, instead of carrying it out; every tag is there. */
class Planning extends Database {
  steps: string[] = []

  override get(sql: string, ...values: Parameters<Database['get']> extends [string, ...infer Values] ? Values : never): Row | undefined {
    this.all(sql, ...values)
    return sql.startsWith('SELECT id, files FROM label') ? { id: 1, files: 1 } : undefined
  }

  override all(sql: string, ...values: Parameters<Database['all']> extends [string, ...infer Values] ? Values : never): Row[] {
    this.steps = super.all(`EXPLAIN QUERY PLAN ${sql}`, ...values).map(({ detail }) => String(detail))
    return []
  }
}

function planning(t: Test): Planning {
  const directory = mkdtempSync(join(tmpdir(), 'tally-plans-'))
  const db = new Planning(join(directory, 'catalog.db'), 'writer', 'process')
  t.teardown(() => {
    db.close()
    rmSync(directory, { recursive: true })
  })
  db.exec(SCHEMA)
  return db
}

t.test('a stored file is found by its transfer and number, or by its digest, never by walking over the user\'s files', async t => {
  const db = planning(t)
  const queries = new Queries(db)
  const keysOf = (wanted: Parameters<Queries['content']>[1]): string => {
    queries.content('ada', wanted)
    return db.steps.join('\n')
  }
  const byNumber = keysOf({ fid: '0b6f7a3e-0000-4000-8000-000000000000', file: 3 })
  for (const key of ['owner=? AND fid=?', 'transfer=? AND number=?']) t.match(byNumber, key)
  const byDigest = keysOf({ digest: `sha256:${'0'.repeat(64)}` })
  t.match(byDigest, 'owner=? AND digest=?')
  for (const plan of [byNumber, byDigest]) t.notMatch(plan, /\(owner=\?\)|SCAN/)
})

t.test('stored files of one size are found by it', async t => {
  const db = planning(t)
  const query = { user: 'ada', tags: [], anyTags: [], notTags: [], sizeBytes: 5, limit: 10 }
  findFiles(db, 1, query)
  t.match(db.steps[0], 'owner=? AND size=?')
  t.notMatch(db.steps.join('\n'), /\(owner=\?\)|SCAN/)
})

t.test('a file is read when its tags are right, required ones first', async t => {
  const db = planning(t)
  findFiles(db, 1, { user: 'ada', tags: ['c', 'a', 'b'], anyTags: ['e', 'd'], notTags: ['d', 'e'], limit: 10 })
  const searched = db.steps.filter(step => step.startsWith('SEARCH')).map(step => step.split(' ')[1])
  t.same(searched, ['d', 'd0', 'd1', 'tagged', 'tagged', 'tagged', 'tagged', 'f', 't', 'c'])
})
