/**
 * A store belongs to one user: whoever else runs the daemon or its commands on it, root too, is refused and told how, and leaves nothing
 * behind. Another user is needed for that, and root to become one.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { TestDaemon } from '../support/daemon.ts'
import { numberedChunk } from '../support/wire.ts'
import { lacks } from './needs.ts'

const MAIN = join(import.meta.dirname, '../../daemon/main.ts')
const LOCK = join(import.meta.dirname, '../../daemon/storage/local/lock.ts')
const FID = '3f2504e0-4f89-41d3-9a0c-0305e82c3301'
/** nobody's, which every Linux has. */
const OTHER = { uid: 65_534, gid: 65_534 }

interface Ran {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

const ROOT = { uid: 0, gid: 0 }
/** Where our sources are kept from others, the other user gets the right to read them, and nothing else. */
const MAY_READ = ['--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search']
let readers: readonly string[] = []
const isRoot = process.getuid?.() === 0
if (isRoot && node(['--check', MAIN], OTHER).status !== 0) readers = MAY_READ
const obstacle = isRoot ? undefined : 'needs root'

/** In an environment of its own: what tap puts into ours would write into its directory. */
function node(args: readonly string[], { uid, gid } = ROOT): Ran {
  const as = ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', ...uid === ROOT.uid ? [] : readers]
  const environment = ['-i', 'PATH=/usr/bin:/bin', 'HOME=/nonexistent']
  return spawnSync('env', [...environment, ...as, process.execPath, ...args], { encoding: 'utf8', cwd: '/' })
}

function paths(directory: string): readonly string[] {
  if (!statSync(directory).isDirectory()) return [directory]
  return [directory, ...readdirSync(directory, { recursive: true, encoding: 'utf8' }).map(name => join(directory, name))]
}

function give(directory: string, { uid, gid }: typeof ROOT): void {
  for (const path of paths(directory)) chownSync(path, uid, gid)
}

function notTheirs(directory: string): readonly string[] {
  return paths(directory).filter(path => statSync(path).uid !== OTHER.uid)
}

/** A store of the other user with one file of 1024 bytes, as a kill left it: with a log that is not in the database yet. */
async function othersStore(t: Test): Promise<TestDaemon> {
  const daemon = new TestDaemon({ durability: 'power' })
  t.teardown(() => daemon.dispose())
  await daemon.start()
  const client = await daemon.client()
  await client.authenticate(daemon.token(), { fid: FID, files: [{ name: 'a', size: 1024 }] })
  await client.sendChunk(numberedChunk(FID, 0, 0), new Uint8Array(1024))
  await client.close()
  await daemon.kill()
  for (const path of [daemon.store, daemon.secretFile]) give(path, OTHER)
  chmodSync(daemon.directory, 0o755)
  return daemon
}

t.test('root is refused, leaves nothing behind, and what it is told works', async t => {
  if (lacks(t, obstacle)) return
  const { store, secretFile } = await othersStore(t)
  const files = paths(store)
  const refused = [[2, ['fsck']], [2, ['fsck', '--dry-run']], [2, ['gc']], [1, ['--migrate']], [1, ['--secret-file', secretFile]]] as const
  for (const [status, args] of refused) {
    const ran = node([MAIN, ...args, '--store', store])
    t.equal(ran.status, status, args.join(' '))
    t.match(ran.stderr, `${store} belongs to nobody, and root is running this`)
    t.match(ran.stderr, `as nobody: runuser -u nobody -- tallyd ${[...args, '--store', store].join(' ')}\n`)
  }
  t.strictSame(paths(store), files)
  t.strictSame(notTheirs(store), [])
  const theirs = node([MAIN, 'fsck', '--store', store], OTHER)
  t.strictSame([theirs.status, theirs.stderr], [0, ''])
  t.match(theirs.stdout, 'checked 1 file with 1 content')
  t.strictSame(notTheirs(store), [])
})

t.test('root may export what others own, and changes nothing of it', async t => {
  if (lacks(t, obstacle)) return
  const { directory, store } = await othersStore(t)
  const copy = join(directory, 'copy')
  const ran = node([MAIN, 'export', '--store', store, '--to', copy])
  t.equal(ran.status, 0, ran.stderr)
  t.strictSame(notTheirs(store), [])
  t.equal(statSync(copy).uid, 0)
  const target = join(directory, 'target')
  mkdirSync(target)
  give(target, OTHER)
  const refused = node([MAIN, 'import', '--store', target, '--from', copy])
  t.strictSame([refused.status, readdirSync(target)], [2, []])
  t.match(refused.stderr, 'runuser -u nobody -- tallyd import')
  give(copy, OTHER)
  const theirs = node([MAIN, 'import', '--store', target, '--from', copy], OTHER)
  t.equal(theirs.status, 0, theirs.stderr)
  t.strictSame(notTheirs(target), [])
})

t.test('another user is told whose store it is', async t => {
  if (lacks(t, obstacle)) return
  const { store } = await othersStore(t)
  give(store, ROOT)
  for (const args of [['fsck'], ['export', '--to', '/nonexistent/copy']]) {
    const { status, stderr } = node([MAIN, ...args, '--store', store], OTHER)
    t.equal(status, 2)
    t.match(stderr, `${store} belongs to root, and nobody is running this`)
    t.match(stderr, `as root: sudo -u root tallyd ${args.join(' ')} --store ${store}\n`)
  }
})

t.test('what root left in a store before is named, with what to do', async t => {
  if (lacks(t, obstacle)) return
  const { store, secretFile } = await othersStore(t)
  for (const name of ['lock', 'blobs', 'blobs/000']) {
    const left = join(store, name)
    chownSync(left, 0, 0)
    for (const args of [['fsck'], ['--secret-file', secretFile]]) {
      const { stderr } = node([MAIN, ...args, '--store', store], OTHER)
      t.match(stderr, `${left} belongs to root, in a store of nobody; give it back first: chown -R nobody: ${store}`)
    }
    chownSync(left, OTHER.uid, OTHER.gid)
  }
})

t.test('a lock that can only be read is none: it would let two daemons in', async t => {
  if (lacks(t, obstacle)) return
  const directory = mkdtempSync(join(tmpdir(), 'tally-lock-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  chmodSync(directory, 0o777)
  writeFileSync(join(directory, 'lock'), '', { mode: 0o644 })
  const program = `const { lockStore } = await import(${JSON.stringify(LOCK)}); lockStore(${JSON.stringify(directory)})`
  const { status, stderr } = node(['--input-type=module', '-e', program], OTHER)
  t.equal(status, 1)
  t.match(stderr, /the store cannot be locked: EACCES/)
})
