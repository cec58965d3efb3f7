/** What the daemon and its commands say of a store with a damaged catalog, and of one on a read-only file system (to mount one takes root). */
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { freshDirectory } from '../storage/support.ts'
import { MAIN, startDaemon, type TestDaemon } from '../support/daemon.ts'
import { chooseSeed, Random } from '../support/random.ts'
import { lacks } from '../system/needs.ts'

const COMMANDS = [[], ['--durability', 'process'], ['--migrate'], ['fsck'], ['fsck', '--dry-run'], ['gc'], ['export', '--to', '/nonexistent/copy']]

function said({ secretFile, socket }: TestDaemon, store: string, args: readonly string[]): string {
  const isDaemon = args[0]?.startsWith('--dur') ?? true
  const flags = isDaemon ? ['--secret-file', secretFile, '--socket', socket] : []
  const { status, stderr } = spawnSync(process.execPath, [MAIN, ...args, ...flags, '--store', store], { encoding: 'utf8', timeout: 20_000 })
  return `${status !== 0 && status !== null ? 'refused' : status} ${stderr}`
}

t.test('a damaged catalog is named, with what mends it, and stays as it is', async t => {
  const daemon = await startDaemon(t)
  await daemon.kill('SIGTERM')
  const catalog = join(daemon.store, 'catalog.db')
  const random = new Random(chooseSeed())
  t.comment(`TALLY_TEST_SEED=${random.seed}`)
  const noise = random.bytes(40_000)
  const whole = readFileSync(catalog)
  writeFileSync(catalog, noise)
  for (const args of COMMANDS) {
    const text = said(daemon, daemon.store, args)
    t.match(text, `refused tallyd: the catalog ${catalog} is damaged, or something else: nothing was changed`, args.join(' '))
    t.match(text, 'tallyd import --from')
  }
  t.ok(readFileSync(catalog).equals(noise))
  // Its first page says that it is a database with tables.
  writeFileSync(catalog, Buffer.concat([whole.subarray(0, 100), noise]))
  for (const args of [[], ['--durability', 'process'], ['export', '--to', join(daemon.directory, 'copy')]]) {
    t.match(said(daemon, daemon.store, args), `refused tallyd: the catalog ${catalog} is damaged`, args.join(' '))
  }
})

t.test('a store on a read-only file system is told as such', async t => {
  if (lacks(t, process.getuid?.() === 0 ? undefined : 'needs root')) return
  const mount = freshDirectory(t)
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', mount])
  t.teardown(() => execFileSync('umount', [mount]))
  const store = join(mount, 'store')
  const daemon = await startDaemon(t, { store })
  await daemon.kill('SIGTERM')
  execFileSync('mount', ['-o', 'remount,ro', mount])
  for (const args of COMMANDS) t.match(said(daemon, store, args), `refused tallyd: the store ${store} lies on a read-only file system`, args.join(' '))
  const other = join(mount, 'other')
  t.match(said(daemon, other, []), `refused tallyd: the store's directory ${other} cannot be made: the file system is read-only`)
})
