/** Formats of the store: an older one is refused, migrated in one transaction, and then like a new one; a newer one is left alone. */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'tap'
import type { Test } from 'tap'
import { openLocalStore } from '../../daemon/storage/local/index.ts'
import { migrateStore } from '../../daemon/storage/local/migrate.ts'
import { SCHEMA } from '../../daemon/storage/local/schema.ts'
import { STORE_VERSION } from '../../daemon/storage/local/version.ts'
import { digestOf, fidOf, query, USER } from './samples.ts'
import { freshDirectory } from './support.ts'

const MAIN = new URL('../../daemon/main.ts', import.meta.url).pathname

/** A store of format 1 with files in every state; a stored one of 0 bytes has a tag. */
function makeOld(t: Test): string {
  const directory = freshDirectory(t)
  fs.writeFileSync(path.join(directory, 'version'), '1\n')
  const db = new DatabaseSync(path.join(directory, 'catalog.db'))
  db.exec(fs.readFileSync(new URL('formats/1.sql', import.meta.url), 'utf8'))
  db.exec(`
    INSERT INTO user (id, name) VALUES (1, '${USER}');
    INSERT INTO transfer VALUES (1, 1, '${fidOf(1)}', 0, 1024, 'each', 0, 5, 5, NULL, 0);
    INSERT INTO content VALUES (1, 1, '${digestOf('')}');
    INSERT INTO file (id, transfer, number, owner, name, size, tags, state, chunk_size, received, content, stored)
      VALUES (1, 1, 0, 1, 'old', 0, '["x"]', 1, 1024, 0, 1, 6);
    INSERT INTO file (id, transfer, number, owner, name, size, tags, state, chunk_size, received)
      VALUES (2, 1, 1, 1, 'unfinished', 10, '[]', 0, 1024, 4), (3, 1, 2, 1, 'untold', NULL, '[]', 0, 1024, 5), (4, 1, 3, 1, 'gone', 7, '[]', 2, 1024, 0);
    INSERT INTO content VALUES (5, 1, '${digestOf('y')}');
    INSERT INTO file (id, transfer, number, owner, name, size, tags, state, chunk_size, received, content, stored)
      VALUES (5, 1, 4, 1, 'one', 100, '[]', 1, 1024, 100, 5, 6), (6, 1, 5, 1, 'same', 100, '[]', 1, 1024, 100, 5, 6);
    INSERT INTO label VALUES (1, 1, 'x', 1);
    INSERT INTO tagged VALUES (1, 1)`)
  db.close()
  return directory
}

/** What tables and indexes there are, column by column, whatever their text. */
function shapeOf(db: DatabaseSync): unknown {
  const tables = db.prepare(`SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`).all()
  return tables.map(({ name }) => ({
    name,
    columns: db.prepare('SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_xinfo(?) ORDER BY name').all(name as string),
    indexes: db.prepare(`SELECT name, "unique", partial, (SELECT group_concat(i.name) FROM pragma_index_info(l.name) i) AS columns
      FROM pragma_index_list(?) l ORDER BY l.name`).all(name as string),
    options: db.prepare('SELECT wr, strict FROM pragma_table_list(?)').get(name as string),
  }))
}

test('a store of format 1 is refused by name of the flag that migrates it, and nothing in it is touched', async t => {
  const directory = makeOld(t)
  const before = fs.readdirSync(directory)
  await t.rejects(openLocalStore({ path: directory, durability: 'process' }), { message: /version 1.*tallyd --migrate/ })
  t.same(fs.readdirSync(directory), before)
})

test('migrated, it has the tables of a new store, and serves what it had', async t => {
  const directory = makeOld(t)
  t.equal(migrateStore(directory), 1)
  t.equal(migrateStore(directory), STORE_VERSION, 'again: nothing to do')
  const store = await openLocalStore({ path: directory, durability: 'process' })
  t.teardown(() => store.close())
  t.match((await store.catalog.find(query({ tags: ['x'] }))).files, [{ name: 'old', digest: digestOf(''), state: 'stored' }])
  t.same(await store.catalog.usage(USER), { bytes: 115, files: 5 })
  await store.close()
  const migrated = new DatabaseSync(path.join(directory, 'catalog.db'), { readOnly: true })
  t.teardown(() => migrated.close())
  const fresh = new DatabaseSync(':memory:')
  t.teardown(() => fresh.close())
  fresh.exec(SCHEMA)
  t.strictSame(shapeOf(migrated), shapeOf(fresh))
  t.equal(migrated.prepare('PRAGMA user_version').get()?.user_version, STORE_VERSION)
})

test('a store of this format that was made before it had an index gets it when it is opened', async t => {
  const directory = freshDirectory(t)
  const reopened = async (): Promise<void> => (await openLocalStore({ path: directory, durability: 'process' })).close()
  await reopened()
  const db = new DatabaseSync(path.join(directory, 'catalog.db'))
  t.teardown(() => db.close())
  const shape = shapeOf(db)
  db.exec('DROP INDEX content_size')
  t.notSame(shapeOf(db), shape)
  await reopened()
  t.same(shapeOf(db), shape)
})

test('a migration that died between the transaction and the version file is completed by the next', async t => {
  const directory = makeOld(t)
  migrateStore(directory)
  fs.writeFileSync(path.join(directory, 'version'), '1\n')
  t.equal(migrateStore(directory), 1)
  const store = await openLocalStore({ path: directory, durability: 'process' })
  await store.close()
})

test('what cannot be migrated stays as it was: no store, a newer one, one in use', async t => {
  const directory = freshDirectory(t)
  t.throws(() => migrateStore(directory), { message: /no tally store/ })
  fs.writeFileSync(path.join(directory, 'version'), '99\n')
  t.throws(() => migrateStore(directory), { message: /version 99/ })
  t.same(fs.readdirSync(directory), ['version'])
  const used = freshDirectory(t)
  const store = await openLocalStore({ path: used, durability: 'process' })
  t.teardown(() => store.close())
  t.throws(() => migrateStore(used), { message: /in use/ })
})

test('tallyd --migrate says what it did, and tallyd refuses before it', t => {
  const directory = makeOld(t)
  const run = (...args: string[]) => spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', env: { ...process.env, HOME: directory } })
  const secret = path.join(freshDirectory(t), 'secret')
  fs.writeFileSync(secret, 'a-secret-of-at-least-32-bytes-for-hs256', { mode: 0o600 })
  const socket = path.join(path.dirname(secret), 'socket')
  t.match(run('--store', directory, '--secret-file', secret, '--socket', socket), { status: 1, stderr: /tallyd --migrate/ })
  t.match(run('--store', directory, '--migrate'), { status: 0, stdout: /version 1 to 2/ })
  t.match(run('--store', directory, '--migrate'), { status: 0, stdout: /already/ })
  t.end()
})
