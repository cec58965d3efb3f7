/**
 * Many puts and gets at once over one client, through a wire that is cut at random and to a daemon that is killed at random: in the end
 * every file is whole, and nothing that was acknowledged was lost or sent again.
 */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { DemoWire } from '../../client/cli/demo-parts.ts'
import { type UploadResult, connect } from '../../client/index.ts'
import { startDaemon } from '../support/daemon.ts'
import { Random, chooseSeed, contentOf } from '../support/random.ts'

const FILES = 24
const CUTS = 20
const KILLS = 3

async function* pieces(bytes: Buffer, random: Random): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length;) {
    const length = random.magnitude(1, 100_000)
    yield bytes.subarray(at, at + length)
    at += length
  }
}

t.test('a storm of cuts and kills over many transfers', async t => {
  const seed = chooseSeed()
  t.comment(`TALLY_TEST_SEED=${seed}`)
  const random = new Random(seed)
  const daemon = await startDaemon(t)
  const directory = mkdtempSync(join(tmpdir(), 'tally-storm-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const wire = new DemoWire(join(directory, 'wire.sock'), daemon.socket)
  await wire.open()
  t.teardown(() => wire.close())
  let acknowledged = 0
  let cuts = 0
  let kills = 0
  let broken = Promise.resolve()
  let next = 3
  const tally = await connect({
    socket: wire.path,
    secretFile: daemon.secretFile,
    timings: { backOffFirstMs: 1, backOffMaxMs: 20 },
    onEvent: event => {
      if (event.type !== 'progress' || ++acknowledged < next) return
      next = acknowledged + random.between(1, 40)
      if (kills < KILLS && random.chance(0.2)) {
        kills++
        broken = broken.then(() => daemon.restart())
      } else if (cuts < CUTS) {
        cuts++
        wire.cut()
      }
    },
  })
  t.teardown(() => tally.close())

  const contents = Array.from({ length: FILES }, () => contentOf(random.uint32(), random.magnitude(1, 1_500_000)))
  const results = await Promise.all(contents.map(async (bytes, index): Promise<UploadResult> => {
    const options = { name: `file ${index}`, chunkSizeBytes: random.magnitude(256, 32_768), windowChunks: random.between(1, 60) }
    if (index % 3 === 0) return tally.put(bytes, options)
    if (index % 3 === 1) return tally.put(pieces(bytes, new Random(random.uint32())), options)
    const path = join(directory, `${index}`)
    writeFileSync(path, bytes)
    return tally.put(path, options)
  }))
  await broken
  t.comment(`${cuts} cuts, ${kills} kills, ${results.reduce((sum, { counts }) => sum + counts.chunksSentTwice, 0)} chunks sent twice`)
  t.ok(cuts + kills > 0)
  for (const { counts } of results) {
    t.equal(counts.acknowledgedLost, 0)
    t.equal(counts.acknowledgedSentAgain, 0)
  }
  const digests = contents.map(bytes => `sha256:${createHash('sha256').update(bytes).digest('hex')}`)
  t.strictSame(results.map(({ files }) => files[0]?.digest), digests)

  cuts = 0
  const fetched = await Promise.all(results.map(async ({ fid }) => {
    const parts: Uint8Array[] = []
    await tally.get({ fid, file: 0 }, { write: bytes => { parts.push(bytes) } })
    return Buffer.concat(parts)
  }))
  await broken
  t.ok(fetched.every((bytes, index) => contents[index]?.equals(bytes)), 'every file comes back, byte for byte')
})
