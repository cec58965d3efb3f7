/**
 * A disk that fills up in the middle of an upload: a clear error, everything acknowledged is there after a restart, removal works on the
 * full disk, and the upload finishes once there is room.
 */
import { join } from 'node:path'
import t from 'tap'
import { TestDaemon } from '../support/daemon.ts'
import { chooseSeed, Random } from '../support/random.ts'
import type { RawClient } from '../support/raw-client.ts'
import { type Fields, numberedChunk, TYPE } from '../support/wire.ts'
import { lacks } from './needs.ts'
import { SmallDisk } from './small-disk.ts'

const MIB = 2 ** 20

for (const chunkBytes of [1024, 65_536]) {
  t.test(`an upload in chunks of ${chunkBytes} bytes outlives a full disk`, { timeout: 120_000 }, async t => {
    if (lacks(t, SmallDisk.obstacle())) return
    const random = new Random(chooseSeed())
    t.comment(`TALLY_TEST_SEED=${random.seed}`)
    const disk = new SmallDisk(64 * MIB)
    const giveBack = disk.fillUntil(24 * MIB)
    const daemon = new TestDaemon({ durability: 'power', store: join(disk.mount, 'store') })
    t.teardown(async () => {
      await daemon.dispose()
      disk.dispose()
    })
    await daemon.start()

    const earlier = { fid: random.uuid(), files: [{ name: 'earlier', size: 4 * MIB }] }
    const big = { fid: random.uuid(), 'chunk-size': chunkBytes, files: [{ name: 'big', size: 30 * MIB }], tags: ['big'] }
    const earlierBytes = random.bytes(4 * MIB)
    const bigBytes = random.bytes(30 * MIB)
    const count = Math.ceil(bigBytes.length / chunkBytes)
    let client = await daemon.client()
    await client.authenticate(daemon.token(), { ...earlier, 'chunk-size': MIB })
    t.strictSame([...await sendAll(client, earlier.fid, earlierBytes, MIB, range(4), new Set())], [])

    const acked = new Set<number>()
    t.equal((await client.authenticate(daemon.token(), big)).response, 'Ok')
    const codes = await sendAll(client, big.fid, bigBytes, chunkBytes, range(count), acked)
    t.strictSame([...codes], ['storage-full'], 'every chunk that is not Ok is refused with storage-full')
    t.ok(acked.size > 0 && acked.size < count, `${acked.size} of ${count} chunks were acknowledged`)
    t.equal((await client.request(TYPE.find, { tags: [], name: 'earlier' })).files?.length, 1, 'others are served on a full disk')

    await daemon.restart()
    client = await daemon.client()
    t.teardown(() => client.destroy())
    let missing = await missingChunks(client, daemon.token(), big)
    t.strictSame(missing.filter(index => acked.has(index)), [], 'no acknowledged chunk is missing after a restart on the full disk')
    t.equal((await client.request(TYPE.remove, { fid: earlier.fid })).response, 'Ok', 'REMOVE works on the full disk')
    const gone = await client.authenticate(daemon.token(), { fid: earlier.fid })
    t.strictSame([gone.code, gone.state], ['conflict', 'gone'])

    giveBack()
    missing = await missingChunks(client, daemon.token(), big)
    t.strictSame([...await sendAll(client, big.fid, bigBytes, chunkBytes, missing, acked)], [], 'with room again every chunk is Ok')
    t.ok((await client.fetch({ fid: big.fid, file: 0 })).bytes.equals(bigBytes), 'the file is the same byte for byte')
  })
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}

/** Sends these chunks, 64 unanswered at a time; notes the Oks and gives the codes of the errors. */
async function sendAll(
  client: RawClient, fid: string, bytes: Buffer, chunkBytes: number, chunks: readonly number[], acked: Set<number>,
): Promise<Set<string>> {
  const codes = new Set<string>()
  let next = 0
  await Promise.all(range(64).map(async () => {
    while (next < chunks.length) {
      const index = chunks[next++] as number
      const answer = await client.sendChunk(numberedChunk(fid, 0, index), bytes.subarray(index * chunkBytes, (index + 1) * chunkBytes))
      if (answer.response === 'Ok') acked.add(index)
      else codes.add(answer.code ?? '')
    }
  }))
  return codes
}

async function missingChunks(client: RawClient, token: string, announcement: Fields): Promise<number[]> {
  const report = await client.authenticate(token, announcement)
  return (report.files?.[0]?.missing ?? []).flatMap(([first, count]) => range(count).map(i => first + i))
}
