/**
 * A disk whose syncs fail: nothing more is acknowledged until the store is opened anew, even if the disk seems well again, because the
 * kernel forgets which pages it could not write; what was acknowledged before is there.
 */
import { join } from 'node:path'
import t from 'tap'
import { PowerDisk } from '../faults/power-disk.ts'
import { TestDaemon } from '../support/daemon.ts'
import { chooseSeed, Random } from '../support/random.ts'
import { numberedChunk } from '../support/wire.ts'
import { lacks } from './needs.ts'

const CHUNKS = 60
const WELL = 25
const FAILED = 40

for (const [what, chunkBytes] of [['fsync', 1024], ['fsync', 65_536], ['write', 65_536]] as const) {
  t.test(`after a failing ${what} no chunk of ${chunkBytes} bytes is Ok until the store is opened anew`, { timeout: 60_000 }, async t => {
    if (lacks(t, PowerDisk.obstacle())) return
    const random = new Random(chooseSeed())
    t.comment(`TALLY_TEST_SEED=${random.seed}`)
    const disk = new PowerDisk()
    const daemon = new TestDaemon({ durability: 'power', store: join(disk.mount, 'store') })
    t.teardown(async () => {
      await daemon.kill()
      await disk.dispose()
      await daemon.dispose()
    })
    await disk.up()
    await daemon.start()
    const fid = random.uuid()
    const bytes = random.bytes(CHUNKS * chunkBytes)
    const announcement = { fid, 'chunk-size': chunkBytes, files: [{ name: 'failing', size: bytes.length }] }
    let client = await daemon.client()
    await client.authenticate(daemon.token(), announcement)
    const data = (index: number) => bytes.subarray(index * chunkBytes, (index + 1) * chunkBytes)
    const send = (index: number) => client.sendChunk(numberedChunk(fid, 0, index), data(index))

    for (let i = 0; i < WELL; i++) t.equal((await send(i)).response, 'Ok')
    disk.fail(what)
    for (let i = WELL; i < FAILED; i++) t.equal((await send(i)).code, 'storage-failed', `chunk ${i} while the disk fails`)
    disk.fail('none')
    for (let i = WELL; i < FAILED; i++) t.equal((await send(i)).code, 'storage-failed', `chunk ${i} when the disk seems well again`)

    await daemon.kill()
    await disk.down()
    await disk.up()
    await daemon.start()
    client = await daemon.client()
    t.teardown(() => client.destroy())
    const report = await client.authenticate(daemon.token(), announcement)
    const missing = (report.files?.[0]?.missing ?? []).flatMap(([first, count]) => Array.from({ length: count }, (_, i) => first + i))
    t.strictSame(missing.filter(index => index < WELL), [], 'no acknowledged chunk is missing')
    for (const index of missing) t.equal((await send(index)).response, 'Ok')
    t.ok((await client.fetch({ fid, file: 0 })).bytes.equals(bytes), 'the file is the same byte for byte')
  })
}
