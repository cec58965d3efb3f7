/**
 * `tallyd export` and `import` onto a disk that is too small, a tmpfs, which takes root to mount: what could not be finished does not stay,
 * what others have there does, and the next try on a larger disk is not hindered.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { MAIN, startDaemon } from '../support/daemon.ts'
import { numberedChunk } from '../support/wire.ts'
import { freshDirectory } from '../storage/support.ts'
import { lacks } from './needs.ts'

const FID = '3f2504e0-4f89-41d3-9a0c-0305e82c3301'
const FILE_BYTES = 2 ** 20
const FILES = 8

t.test('half a copy does not stay on a full disk', async t => {
  if (lacks(t, process.getuid?.() === 0 ? undefined : 'needs root')) return
  const daemon = await startDaemon(t)
  const client = await daemon.client()
  const files = Array.from({ length: FILES }, (_, i) => ({ name: `${i}`, size: FILE_BYTES }))
  await client.authenticate(daemon.token(), { fid: FID, files, 'chunk-size': FILE_BYTES })
  for (let file = 0; file < FILES; file++) await client.sendChunk(numberedChunk(FID, file, 0), Buffer.alloc(FILE_BYTES, file))
  await client.close()
  const mount = freshDirectory(t)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m,mode=0700', 'tmpfs', mount])
  t.teardown(() => execFileSync('umount', [mount]))
  const tallyd = (...args: string[]) => spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', timeout: 60_000 })
  const there = join(mount, 'there')
  mkdirSync(there)
  writeFileSync(join(mount, 'diary'), 'x')
  for (const to of [join(mount, 'made', 'here'), there]) {
    for (const args of [['export', '--store', daemon.store, '--to', to], ['import', '--from', daemon.store, '--store', to]]) {
      const { status, stderr } = tallyd(...args)
      t.equal(status, 2)
      t.equal(stderr, `tallyd: the copy in ${to} could not be finished: the disk has no room; what there was of it has been removed\n`)
    }
  }
  t.strictSame([readdirSync(mount).sort(), readdirSync(there)], [['diary', 'there'], []])
  execFileSync('mount', ['-o', 'remount,size=40m', mount])
  t.match(tallyd('export', '--store', daemon.store, '--to', there), { status: 0 })
  t.ok(existsSync(join(there, 'version')))
})
