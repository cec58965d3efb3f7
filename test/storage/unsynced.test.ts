/** What a run with durability `process` leaves is synced before a run with `power` serves anybody. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import t from 'tap'
import { openLocalStore } from '../../daemon/storage/local/index.ts'

t.test('a store that ran with process is synced blob by blob when it is opened with power, once', async t => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'tally-unsynced-'))
  t.teardown(() => fs.rmSync(directory, { recursive: true }))
  const store = await openLocalStore({ path: directory, durability: 'process' })
  for (const blob of [1, 2, 5000]) await store.contents.write(blob, 0, [Buffer.alloc(10)])
  await store.close()
  const events: unknown[] = []
  const log = (event: string, details: object) => void events.push([event, details])
  await (await openLocalStore({ path: directory, durability: 'process', log })).close()
  t.strictSame(events, [])
  const synced: number[] = []
  const { fdatasyncSync } = fs
  t.teardown(() => void (fs.fdatasyncSync = fdatasyncSync))
  fs.fdatasyncSync = fd => {
    synced.push(fs.fstatSync(fd).size)
    fdatasyncSync(fd)
  }
  await (await openLocalStore({ path: directory, durability: 'power', log })).close()
  t.strictSame(synced.slice(0, 3), [10, 10, 10])
  t.equal(synced.length, 4, 'and the catalog, into which the close has emptied the WAL')
  t.equal(events.length, 1)
  await (await openLocalStore({ path: directory, durability: 'power', log })).close()
  t.equal(synced.length, 4)
})
