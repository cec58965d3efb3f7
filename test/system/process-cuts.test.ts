/**
 * What is left of a run with durability `process` after a loss of power: more than was promised may be lost, but the catalog is whole, a
 * later `tallyd gc` leaves no blob without a record, and what fsck has made missing is all that is missing.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { checkStore, type Finding } from '../../daemon/storage/local/fsck.ts'
import { needlessBlobs } from '../faults/leftovers.ts'
import { PowerDisk } from '../faults/power-disk.ts'
import { MAIN, TestDaemon } from '../support/daemon.ts'
import { put } from '../support/put.ts'
import { chooseSeed, Random } from '../support/random.ts'
import { TYPE } from '../support/wire.ts'
import { lacks, lacksFileSystem } from './needs.ts'

const CUTS = 4
/** Some take longer than a checkpoint keeps one waiting. */
const PUTS_MAX = 400

for (const fileSystem of ['ext4', 'btrfs'] as const) {
  t.test(`over ${CUTS} power cuts with durability process, on ${fileSystem}, no blob is left without a record`, { timeout: 240_000 }, async t => {
    if (lacksFileSystem(t, fileSystem) || lacks(t, PowerDisk.obstacle(fileSystem))) return
    const random = new Random(chooseSeed())
    t.comment(`TALLY_TEST_SEED=${random.seed}`)
    const disk = new PowerDisk(fileSystem)
    const daemon = new TestDaemon({ durability: 'process', store: join(disk.mount, 'store') })
    t.teardown(async () => {
      await daemon.kill()
      await disk.dispose()
      await daemon.dispose()
    })
    let orphans = 0
    let damaged = 0
    await disk.up()
    await daemon.start()
    await daemon.kill('SIGTERM')
    for (let cut = 1; cut <= CUTS; cut++) {
      await daemon.start()
      const puts = random.between(20, PUTS_MAX)
      await serve(daemon, random, puts)
      disk.cut(random.uint32(), random.pick([0, 0.3, 0.7]))
      await daemon.kill()
      await disk.down()
      await disk.up()
      const before = check(daemon.store)
      orphans += before.filter(({ kind }) => kind === 'orphan').length
      damaged += before.filter(({ kind }) => kind === 'damaged' || kind === 'incomplete').length
      t.same(before.filter(({ kind }) => kind === 'catalog'), [], `cut ${cut}, after ${puts} puts: the catalog is whole`)
      const { status, stderr } = spawnSync(process.execPath, [MAIN, 'gc', '--store', daemon.store], { encoding: 'utf8' })
      t.equal(status, 0, stderr)
      t.same(check(daemon.store).filter(({ kind }) => kind !== 'damaged'), [], 'nothing is left over, and no chunk is missed any more')
      t.same(needlessBlobs(daemon.store), [], 'a blob is there for a record')
    }
    t.comment(JSON.stringify({ orphans, damaged }))
  })
}

/** What fsck finds, which it then puts right as far as it does. */
function check(store: string): Finding[] {
  const found: Finding[] = []
  checkStore({ path: store, isDryRun: false, nowMs: Date.now(), found: finding => found.push(finding) })
  return found
}

/** Files come, are shared, removed and expire. */
async function serve(daemon: TestDaemon, random: Random, puts: number): Promise<void> {
  const client = await daemon.client()
  for (let i = 0; i < puts; i++) {
    const fid = random.uuid()
    const bytes = random.chance(0.3) ? Buffer.alloc(random.between(1, 3) * 1000) : random.bytes(random.magnitude(1, 200_000))
    await put(client, daemon.token(), { fid, bytes, sizeBytes: bytes.length * random.pick([1, 1, 2]), fields: random.chance(0.3) ? { expires: 1 } : {} })
    if (random.chance(0.4)) await client.request(TYPE.remove, { fid })
  }
  client.destroy()
}
