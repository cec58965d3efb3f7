/** A store that has lost its catalog is refused by the daemon and every command, and nothing in it changes: new blobs would be written over old ones. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { MAIN, startDaemon, type TestDaemon } from '../support/daemon.ts'
import { numberedChunk } from '../support/wire.ts'

const FID = '3f2504e0-4f89-41d3-9a0c-0305e82c3301'

/** A store with one content of 1000 bytes, as a kill or (`TERM`) an end in order left it. */
async function madeStore(t: Test, signal: NodeJS.Signals): Promise<TestDaemon> {
  const daemon = await startDaemon(t, { durability: 'power' })
  const client = await daemon.client()
  await client.authenticate(daemon.token(), { fid: FID, files: [{ name: 'a', size: 1000 }] })
  await client.sendChunk(numberedChunk(FID, 0, 0), Buffer.alloc(1000, 'a'))
  await client.close()
  await daemon.kill(signal)
  return daemon
}

/** Every file with its length, and the bytes of contents; the lock says nothing. */
function inside(store: string): readonly unknown[] {
  return readdirSync(store, { recursive: true, encoding: 'utf8' }).sort().filter(name => name !== 'lock' && statSync(join(store, name)).isFile())
    .map(name => [name, name.startsWith('blobs/') ? readFileSync(join(store, name), 'latin1') : statSync(join(store, name)).size])
}

function commandsOf({ store, directory, secretFile, socket }: TestDaemon): readonly (readonly string[])[] {
  const at = ['--store', store]
  return [
    ['--secret-file', secretFile, '--socket', socket, ...at], ['--secret-file', secretFile, '--socket', socket, '--durability', 'process', ...at], ['--migrate', ...at],
    ['fsck', ...at], ['fsck', '--dry-run', ...at], ['gc', ...at], ['gc', '--dry-run', ...at],
    ['export', '--to', join(directory, 'copy'), ...at], ['import', '--from', store, '--store', join(directory, 'other')],
  ]
}

function refuses(t: Test, daemon: TestDaemon, holding: string, state: string): void {
  const before = inside(daemon.store)
  for (const args of commandsOf(daemon)) {
    const { status, stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', timeout: 20_000 })
    t.ok(status === 1 || status === 2, `${args[0]}: ${status}`)
    t.match(stderr, `tallyd: the store ${daemon.store} holds ${holding}, but its catalog.db ${state}: nothing was touched`, args.join(' '))
    t.strictSame(inside(daemon.store), before)
  }
}

t.test('contents without a catalog are left alone, and are whole once it is put back', async t => {
  const daemon = await madeStore(t, 'SIGTERM')
  const catalog = join(daemon.store, 'catalog.db')
  renameSync(catalog, join(daemon.directory, 'moved'))
  refuses(t, daemon, 'contents in blobs/', 'is not there')
  renameSync(join(daemon.directory, 'moved'), catalog)
  await daemon.start()
  const client = await daemon.client()
  await client.authenticate(daemon.token())
  t.equal((await client.fetch({ fid: FID, file: 0 })).bytes.toString(), 'a'.repeat(1000))
  await client.close()
})

t.test('so they are beside a catalog of 0 bytes, and beside one without tables', async t => {
  const daemon = await madeStore(t, 'SIGTERM')
  const catalog = join(daemon.store, 'catalog.db')
  truncateSync(catalog, 0)
  refuses(t, daemon, 'contents in blobs/', 'is empty')
  // As SQLite leaves a database to which no table was ever committed.
  const page = Buffer.alloc(4096)
  page.write('SQLite format 3\0', 'latin1')
  page.set([0x10, 0, 1, 1, 0, 64, 32, 32], 16)
  page.set([0, 0, 0, 1, 0, 0, 0, 1], 24)
  page.set([13, 0, 0, 0, 0, 0x10, 0, 0], 100)
  writeFileSync(catalog, page)
  const { status, stderr } = spawnSync(process.execPath, [MAIN, ...commandsOf(daemon)[0] as string[]], { encoding: 'utf8', timeout: 20_000 })
  t.equal(status, 1)
  t.match(stderr, 'its catalog.db is empty: nothing was touched')
})

t.test('the log of a catalog that is not there is kept: SQLite would delete it', async t => {
  const daemon = await madeStore(t, 'SIGKILL')
  const catalog = join(daemon.store, 'catalog.db')
  renameSync(catalog, join(daemon.directory, 'moved'))
  t.ok(statSync(`${catalog}-wal`).size > 0)
  refuses(t, daemon, 'contents in blobs/', 'is not there')
  rmSync(join(daemon.store, 'blobs/000'), { recursive: true })
  refuses(t, daemon, 'changes in catalog.db-wal', 'is not there')
})

t.test('a first start that was cut off before there were tables goes on', async t => {
  const daemon = await startDaemon(t)
  await daemon.kill()
  for (const name of ['catalog.db', 'catalog.db-wal', 'catalog.db-shm']) rmSync(join(daemon.store, name), { force: true })
  await daemon.start()
  await daemon.kill()
  for (const name of ['catalog.db-wal', 'catalog.db-shm']) rmSync(join(daemon.store, name), { force: true })
  truncateSync(join(daemon.store, 'catalog.db'), 0)
  mkdirSync(join(daemon.store, 'blobs/000'))
  await daemon.start()
  const client = await daemon.client()
  t.equal((await client.authenticate(daemon.token(), { fid: FID, files: [{ name: 'a', size: 1000 }] })).response, 'Ok')
  await client.close()
})
