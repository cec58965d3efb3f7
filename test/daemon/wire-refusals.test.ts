/**
 * What a stranger may send through a real socket: every refusal of the vectors, frames split and merged anywhere, and noise. Each time
 * the daemon answers with the code or closes, and the next good client is served.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { makeNoise } from '../faults/noise.ts'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'
import { chooseSeed, contentOf, Random } from '../support/random.ts'
import type { Framing } from '../support/wire.ts'
import { message, numberedChunk, TYPE } from '../support/wire.ts'

interface Refusal {
  readonly why: string
  readonly code: string
  readonly framing: Framing
  readonly hex: string
}

const VECTORS = join(import.meta.dirname, '../protocol/golden/vectors.json')
const NOISE_FRAMES = 20_000
const NOISE_GROWTH_BYTES_MAX = 100 * 2 ** 20

const { refusals } = JSON.parse(readFileSync(VECTORS, 'utf8')) as { refusals: readonly Refusal[] }
const FRAMINGS = ['A', 'B', 'N'] as const

t.test('every refusal of the vectors gets its code, and the next good client is served', async t => {
  const daemon = await startDaemon(t)
  for (const { why, code, framing, hex } of refusals) {
    for (const before of ['login', 'nothing'] as const) {
      const client = await daemon.client({ framing, payload: 'json-array' })
      t.teardown(() => client.destroy())
      if (before === 'login') t.equal((await client.authenticate(daemon.token())).response, 'Ok')
      const answer = await client.next(Buffer.from(hex, 'hex'))
      t.equal(answer.code, code, `${why}, after ${before}`)
      if (code === 'message-too-large') await client.ended
      else t.equal((await client.authenticate(daemon.token())).response, 'Ok', 'the connection goes on')
      client.destroy()
    }
    await served(t, daemon)
  }
})

for (const framing of FRAMINGS) {
  t.test(`frames split at every byte are understood, framing ${framing}`, async t => {
    const daemon = await startDaemon(t)
    const client = await daemon.client({ framing })
    t.teardown(() => client.destroy())
    client.socket.setNoDelay(true)
    const id = '11111111-2222-4333-8444-555555555555'
    const whole = message(framing, client.payload, TYPE.authentication, { 'message-id': id, token: daemon.token() })
    for (let cut = 1; cut < whole.length; cut++) {
      const answer = client.answer(id)
      client.raw(whole.subarray(0, cut))
      // A turn of the loop on both sides, mostly enough for two reads; merged they must be understood, too.
      await sleep(0)
      client.raw(whole.subarray(cut))
      if ((await answer).response !== 'Ok') t.fail(`cut after byte ${cut}`)
    }
    t.pass(`${whole.length - 1} cuts`)
  })

  t.test(`thousands of frames in one write are each answered, framing ${framing}`, async t => {
    const daemon = await startDaemon(t)
    const client = await daemon.client({ framing })
    t.teardown(() => client.destroy())
    const fid = '6ba7b810-9dad-41d1-80b4-00c04fd430c8'
    const count = 3000
    await client.authenticate(daemon.token(), { fid, 'chunk-size': 16, files: [{ name: 'merged', size: count * 16 }] })
    const random = new Random(7)
    const ids = Array.from({ length: count }, () => random.uuid())
    const answers = ids.map(id => client.answer(id))
    client.raw(Buffer.concat(ids.map((id, i) =>
      message(framing, client.payload, TYPE.transfer, { 'message-id': id, chunk: numberedChunk(fid, 0, i), data: contentOf(i, 16) }))))
    t.equal((await Promise.all(answers)).filter(({ response }) => response === 'Ok').length, count)
  })
}

t.test('random frames and random bytes never stop the daemon', { timeout: 110_000 }, async t => {
  const seed = chooseSeed()
  t.comment(`TALLY_TEST_SEED=${seed}`)
  const daemon = await startDaemon(t)
  const tally = await makeNoise(daemon, seed, NOISE_FRAMES)
  t.comment(JSON.stringify(tally))
  t.ok(tally.answers > NOISE_FRAMES / 2, 'most of it was judged')
  t.ok(tally.grewBytes < NOISE_GROWTH_BYTES_MAX, 'it left nothing behind')
  await served(t, daemon)
})

async function served(t: Test, daemon: TestDaemon): Promise<void> {
  const client = await daemon.client()
  const answer = await client.authenticate(daemon.token())
  if (answer.response !== 'Ok') t.fail('the next good client is served')
  client.destroy()
}
