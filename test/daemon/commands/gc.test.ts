/** `tallyd gc` on a store that a real daemon made, and expiry that is killed in its midst, by it and by the daemon. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { startDaemon, TestDaemon } from '../../support/daemon.ts'
import { chooseSeed, contentOf, Random } from '../../support/random.ts'
import { numberedChunk, TYPE } from '../../support/wire.ts'

const MAIN = join(import.meta.dirname, '../../../daemon/main.ts')
const FILES = 300

function tallyd(...args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', env: { ...process.env, TALLY_STORE: '' } })
}

function gc(store: string, ...args: readonly string[]): readonly Record<string, unknown>[] {
  const { status, stdout, stderr } = tallyd('gc', '--store', store, '--json', ...args)
  if (status !== 0) throw new Error(stderr)
  return stdout.split('\n').filter(line => line !== '').map(line => JSON.parse(line) as Record<string, unknown>)
}

function blobsIn(store: string): string[] {
  return readdirSync(join(store, 'blobs'), { recursive: true, encoding: 'utf8' }).filter(name => name.includes('/'))
}

/** Transfers of one file of 1000 bytes each, stored unless `sent` says fewer. */
async function put(daemon: TestDaemon, random: Random, fields: object, of: { count?: number; size?: number; content?: Buffer } = {}): Promise<string[]> {
  const client = await daemon.client()
  const fids = Array.from({ length: of.count ?? 1 }, () => random.uuid())
  const answers = await Promise.all(fids.flatMap((fid, i) => [
    client.authenticate(daemon.token(), { fid, files: [{ name: 'a', size: of.size ?? 1000, ...fields }], 'chunk-size': 1000 }),
    client.sendChunk(numberedChunk(fid, 0, 0), of.content ?? contentOf(random.uint32() + i, 1000)),
  ]))
  for (const answer of answers) if (answer.response !== 'Ok') throw new Error(answer.reason)
  await client.close()
  return fids
}

async function started(t: Test): Promise<{ daemon: TestDaemon; random: Random }> {
  const random = new Random(chooseSeed())
  t.comment(`TALLY_TEST_SEED=${random.seed}`)
  return { daemon: await startDaemon(t, { durability: 'power' }), random }
}

t.test('a dry run tells what would go and changes nothing; a run tells the same, and it is gone', async t => {
  const { daemon, random } = await started(t)
  const [expired] = await put(daemon, random, { expires: 1 })
  await put(daemon, random, {})
  await put(daemon, random, {}, { size: 2000 })
  await daemon.kill()
  writeFileSync(join(daemon.store, 'blobs', '000', '00000fff'), 'nobody refers to this')
  writeFileSync(join(daemon.store, 'blobs', '000', 'README'), 'nor is this ours')
  const before = blobsIn(daemon.store)
  const dry = gc(daemon.store, '--dry-run')
  t.match(dry, [
    { kind: 'expired', user: 'ada', fid: expired }, { kind: 'removed', sizeBytes: 1000 },
    { kind: 'orphan', path: 'blobs/000/00000fff', sizeBytes: 21 }, { kind: 'summary', transfers: 1, files: 1, blobs: 2, bytes: 1021, isDryRun: true },
  ])
  t.match(tallyd('gc', '--store', daemon.store, '--dry-run').stdout, /^would reclaim 1021 bytes in 2 blobs; 1 file and 1 transfer expired\n$/m)
  t.same(blobsIn(daemon.store), before)
  t.match(gc(daemon.store), dry.map(line => ('isDryRun' in line ? { ...line, isDryRun: false } : line)))
  t.equal(blobsIn(daemon.store).length, before.length - 2)
  t.match(gc(daemon.store), [{ transfers: 0, files: 0, blobs: 0 }])
  t.match(tallyd('fsck', '--store', daemon.store), { stdout: /^checked 1 file with 1 content of 1000 bytes, 1 unfinished one: all is well; besides, 1 orphan: .*\n$/m }, 'what is not ours stays')
  await daemon.start()
  const client = await daemon.client()
  t.match(await client.authenticate(daemon.token(), { fid: expired as string, files: [{ name: 'a', size: 1000 }] }), { code: 'conflict', state: 'gone' })
  await client.authenticate(daemon.token())
  t.equal((await client.request(TYPE.find, {})).files?.length, 1)
  await client.close()
})

t.test('a blob of its own that was left of a file which shows another one\'s is told and reclaimed', async t => {
  const { daemon, random } = await started(t)
  const content = random.bytes(1000)
  for (let i = 0; i < 2; i++) await put(daemon, random, {}, { content })
  await daemon.kill('SIGTERM')
  t.match(gc(daemon.store), [{ kind: 'removed', path: 'blobs/000/00000002' }, { blobs: 1 }])
  t.same(blobsIn(daemon.store), ['000/00000001'])
  // As after a loss of power with durability `process`, which took back the unlink.
  writeFileSync(join(daemon.store, 'blobs', '000', '00000002'), content)
  t.match(tallyd('fsck', '--store', daemon.store, '--json'), { status: 0, stdout: /"orphans":1/ })
  t.match(gc(daemon.store), [{ kind: 'orphan', path: 'blobs/000/00000002', sizeBytes: 1000 }, { blobs: 1 }])
  t.match(tallyd('fsck', '--store', daemon.store, '--json'), { status: 0, stdout: /"orphans":0/ })
})

t.test('--expire-unfinished says what counts as given up', async t => {
  const { daemon, random } = await started(t)
  await put(daemon, random, {}, { size: 2000 })
  await daemon.kill()
  t.match(gc(daemon.store, '--dry-run'), [{ files: 0 }])
  const db = new DatabaseSync(join(daemon.store, 'catalog.db'))
  db.prepare('UPDATE transfer SET touched = ?').run(Date.now() - 2 * 86_400_000)
  db.close()
  const config = join(daemon.directory, 'config.toml')
  writeFileSync(config, 'expire-unfinished = "1d"\n')
  t.match(gc(daemon.store, '--dry-run'), [{ files: 0 }], 'by default after 7 days')
  t.match(gc(daemon.store, '--dry-run', '--config', config), [{ kind: 'expired' }, { files: 1 }], 'or as configured')
  t.match(gc(daemon.store, '--dry-run', '--config', config, '--expire-unfinished', '3d'), [{ files: 0 }], 'the flag wins')
  t.match(tallyd('gc', '--store', daemon.store, '--expire-unfinished', '0d'), { status: 2, stderr: /--expire-unfinished/ })
  t.match(tallyd('gc', '--store', daemon.store, '--expire-unfinished=7'), { status: 2 })
})

t.test('a store that a daemon serves, or none, is refused with a sentence', async t => {
  const { daemon } = await started(t)
  t.match(tallyd('gc', '--store', daemon.store), { status: 2, stderr: /in use by another tallyd/ })
  t.match(tallyd('gc', '--store', join(daemon.directory, 'none')), { status: 2, stderr: /no tally store/ })
})

t.test('a store whose first start was cut off before there were tables is told to be empty, until it was started once more', async t => {
  const daemon = new TestDaemon()
  t.teardown(() => daemon.dispose())
  mkdirSync(daemon.store)
  writeFileSync(join(daemon.store, 'version'), '2\n')
  const commands = [['gc'], ['gc', '--dry-run'], ['fsck'], ['fsck', '--dry-run'], ['export', '--to', join(daemon.directory, 'copy')]]
  for (const command of commands) t.match(tallyd(...command, '--store', daemon.store), { status: 2, stderr: /holds nothing yet/ }, command.join(' '))
  writeFileSync(join(daemon.store, 'catalog.db'), '')
  for (const command of commands) t.match(tallyd(...command, '--store', daemon.store), { status: 2, stderr: /holds nothing yet/ }, command.join(' '))
  await daemon.start()
  await daemon.kill('SIGTERM')
  for (const command of commands) t.match(tallyd(...command, '--store', daemon.store), { status: 0, stderr: '' }, command.join(' '))
})

for (const who of ['daemon', 'gc'] as const) {
  t.test(`expiry of ${FILES} files, killed again and again in its midst by kill -9 of the ${who}, leaves no orphan`, { timeout: 300_000 }, async t => {
    const { daemon, random } = await started(t)
    await put(daemon, random, { expires: 1 }, { count: FILES })
    const [kept] = await put(daemon, random, {})
    t.equal(blobsIn(daemon.store).length, FILES + 1)
    await daemon.kill()
    for (let round = 0; round < 4; round++) {
      if (who === 'daemon') {
        await daemon.start()
        await sleep(random.between(0, 60))
        await daemon.kill()
      } else await killed(spawn(process.execPath, [MAIN, 'gc', '--store', daemon.store], { stdio: 'ignore' }), random.between(150, 500))
      t.match(tallyd('fsck', '--store', daemon.store, '--json'), { status: 0, stdout: /"orphans":0/ }, `after kill ${round + 1}`)
    }
    gc(daemon.store)
    t.equal(blobsIn(daemon.store).length, 1)
    t.match(tallyd('fsck', '--store', daemon.store, '--json'), { status: 0, stdout: /"orphans":0/ })
    await daemon.start()
    const client = await daemon.client()
    await client.authenticate(daemon.token())
    t.equal((await client.fetch({ fid: kept, file: 0 })).bytes.length, 1000)
    await client.close()
  })
}

async function killed(child: ChildProcess, afterMs: number): Promise<void> {
  const exited = new Promise(resolve => child.once('exit', resolve))
  await sleep(afterMs)
  child.kill('SIGKILL')
  await exited
}
