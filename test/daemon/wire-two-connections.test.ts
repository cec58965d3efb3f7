/**
 * Nothing is locked to a connection: two of them, one per framing, send shuffled halves of one file, and the daemon is killed under
 * them.
 */
import t from 'tap'
import { startDaemon } from '../support/daemon.ts'
import { chooseSeed, Random } from '../support/random.ts'
import type { Answer, RawClient } from '../support/raw-client.ts'
import { numberedChunk, TYPE } from '../support/wire.ts'

const FILE_BYTES = 3_000_000
const CHUNK_BYTES = 1024
const ANSWERS_BEFORE_KILL = 1200
const WINDOW = 32

for (const durability of ['power', 'process'] as const) {
  t.test(`of 1,200 chunks acknowledged to two connections none is missing after a kill, durability ${durability}`, async t => {
    const random = new Random(chooseSeed())
    t.comment(`TALLY_TEST_SEED=${random.seed}`)
    const daemon = await startDaemon(t, { durability })
    const bytes = random.bytes(FILE_BYTES)
    const count = Math.ceil(FILE_BYTES / CHUNK_BYTES)
    const fid = random.uuid()
    const announcement = { fid, files: [{ name: 'halves', size: FILE_BYTES }], tags: ['halves'] }
    const acked = new Set<number>()

    const send = async (client: RawClient, chunks: readonly number[], stopAt: number): Promise<void> => {
      let next = 0
      await Promise.all(Array.from({ length: WINDOW }, async () => {
        while (next < chunks.length && acked.size < stopAt) {
          const index = chunks[next++] as number
          const data = bytes.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES)
          const answer = await client.sendChunk(numberedChunk(fid, 0, index), data)
          if (answer.response === 'Ok') acked.add(index)
        }
      }))
    }
    const open = async (): Promise<{ clients: RawClient[]; report: Answer }> => {
      const clients = await Promise.all((['A', 'B'] as const).map(framing => daemon.client({ framing, payload: 'msgpack' })))
      let report: Answer | undefined
      for (const client of clients) report = await client.authenticate(daemon.token(), announcement)
      return { clients, report: report as Answer }
    }

    const first = await open()
    const shuffled = random.shuffle(Array.from({ length: count }, (_, i) => i))
    const halves = [shuffled.slice(0, count / 2), shuffled.slice(count / 2)]
    await Promise.all(first.clients.map((client, i) => send(client, halves[i] as number[], ANSWERS_BEFORE_KILL)))
    await daemon.kill()
    t.ok(acked.size >= ANSWERS_BEFORE_KILL, `${acked.size} answers`)

    await daemon.start()
    const second = await open()
    t.teardown(() => { for (const client of second.clients) client.destroy() })
    const missing = await missingChunks(second.clients[1] as RawClient, second.report, daemon.token(), announcement)
    t.strictSame(missing.filter(index => acked.has(index)), [], 'no acknowledged chunk is missing')
    t.ok(missing.length <= count - ANSWERS_BEFORE_KILL)

    await Promise.all(second.clients.map((client, i) => send(client, missing.filter((_, n) => n % 2 === i), Number.POSITIVE_INFINITY)))
    const [reader] = second.clients as [RawClient]
    t.equal(((await reader.request(TYPE.find, { tags: ['halves'] })).files ?? []).length, 1)
    t.ok((await reader.fetch({ fid, file: 0 })).bytes.equals(bytes), 'the file is the same byte for byte')
  })
}

/** Follows `more` where the report is too long for one answer. */
async function missingChunks(client: RawClient, report: Answer, token: string, announcement: object): Promise<number[]> {
  const missing: number[] = []
  for (let page = report; ;) {
    for (const [first, count] of page.files?.[0]?.missing ?? []) for (let i = first; i < first + count; i++) missing.push(i)
    if (page.more === undefined) return missing
    page = await client.authenticate(token, { ...announcement, 'missing-after': page.more })
  }
}
