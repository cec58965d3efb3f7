/** The same command after a kill goes on instead of beginning anew, in both directions. */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { type FoundFile, type Tally, connect } from '../../../client/index.ts'
import { Random, chooseSeed, contentOf } from '../../support/random.ts'
import { setUp } from './run-cli.ts'

/** Waits until the one file under way has so many bytes; undefined when `ended` comes first. */
async function receivedAtLeast(tally: Tally, bytes: number, ended: () => boolean): Promise<number | undefined> {
  while (!ended()) {
    const found: FoundFile[] = []
    for await (const file of tally.find({ state: 'receiving' })) found.push(file)
    const received = found[0]?.receivedBytes ?? 0
    if (received >= bytes) return received
    await sleep(1)
  }
  return undefined
}

t.test('kill -9 of put at random moments, and the same command again: it goes on with what is missing', async t => {
  const seed = chooseSeed()
  t.comment(`TALLY_TEST_SEED=${seed}`)
  const random = new Random(seed)
  const { daemon, directory, run } = await setUp(t)
  await using tally = await connect({ socket: daemon.socket, secretFile: daemon.secretFile })
  const bytes = contentOf(seed, 8_000_000)
  writeFileSync(join(directory, 'big'), bytes)
  const args = ['put', 'big', '--chunk-size', '100', '--json']
  let received = 0
  let kills = 0
  for (let round = 1; round <= 4; round++) {
    // Each time a fifth further on at most, so that every run has something left to do.
    const until = Math.max(received + 1, random.between(received, round * 1_600_000))
    let ended = false
    const outcome = await run(args, {
      started: child => {
        child.once('exit', () => { ended = true })
        void receivedAtLeast(tally, until, () => ended).then(seen => {
          received = Math.max(received, seen ?? 0)
          child.kill('SIGKILL')
        })
      },
    })
    if (outcome.code === null) kills++
  }
  const last = await run(args)
  t.equal(last.code, 0, last.stderr)
  const result = last.json[0] as { fid: string; chunksSent: number; resumedChunks: number; acknowledgedSentAgain: number }
  t.comment(`${kills} kills; the last run found ${result.resumedChunks} of 80000 chunks and sent ${result.chunksSent}`)
  t.ok(kills > 0, 'at least one came in the middle')
  t.ok(result.resumedChunks * 100 >= received, 'what was received once is not sent again')
  t.equal(result.resumedChunks + result.chunksSent, 80_000)
  t.equal(result.acknowledgedSentAgain, 0)
  t.ok((await run(['get', result.fid, '--stdout'])).stdout.equals(bytes))
})

t.test('a daemon that is killed and comes back is waited for', async t => {
  const { daemon, directory, run } = await setUp(t)
  await using tally = await connect({ socket: daemon.socket, secretFile: daemon.secretFile })
  const bytes = contentOf(7, 8_000_000)
  writeFileSync(join(directory, 'big'), bytes)
  let restarted: Promise<void> | undefined
  const outcome = await run(['put', 'big', '--chunk-size', '100', '--json'], {
    started: child => {
      const seen = receivedAtLeast(tally, 3_000_000, () => child.exitCode !== null)
      restarted = seen.then(bytes => bytes === undefined ? undefined : daemon.restart())
    },
  })
  await restarted
  t.equal(outcome.code, 0, outcome.stderr)
  const result = outcome.json[0] as { fid: string; reconnects: number; acknowledgedSentAgain: number; acknowledgedLost: number }
  t.ok(result.reconnects > 0)
  t.equal(result.acknowledgedSentAgain, 0)
  t.equal(result.acknowledgedLost, 0)
  t.ok((await run(['get', result.fid, '--stdout'])).stdout.equals(bytes))
})

t.test('a put that nobody answers any more is incomplete, and an interrupted one says so', async t => {
  const { daemon, directory, run } = await setUp(t)
  await using tally = await connect({ socket: daemon.socket, secretFile: daemon.secretFile })
  const bytes = contentOf(8, 8_000_000)
  writeFileSync(join(directory, 'big'), bytes)
  const interrupted = await run(['put', 'big', '--chunk-size', '100'], {
    started: child => void receivedAtLeast(tally, 1, () => child.exitCode !== null).then(() => child.kill('SIGINT')),
  })
  t.equal(interrupted.code, 130)
  const abandoned = await run(['put', 'big', '--chunk-size', '100', '--retry-for', '1s', '--json'], {
    started: child => void receivedAtLeast(tally, 3_000_000, () => child.exitCode !== null).then(() => daemon.kill()),
  })
  t.equal(abandoned.code, 5)
  t.match(abandoned.json, [{ path: 'big', error: { code: 'gave-up' } }])
  await daemon.start()
  const last = await run(['put', 'big', '--chunk-size', '100', '--json'])
  t.equal(last.code, 0)
  t.ok(Number(last.json[0]?.['resumedChunks']) >= 30_000)
})

t.test('two puts of the same file at once, and of others, all succeed', async t => {
  const { directory, run } = await setUp(t)
  const bytes = contentOf(3, 3_000_000)
  writeFileSync(join(directory, 'same'), bytes)
  writeFileSync(join(directory, 'other'), contentOf(4, 2_000_000))
  const outcomes = await Promise.all(['same', 'same', 'other'].map(file => run(['put', file, '--chunk-size', '1000', '--json'])))
  for (const { code, stderr } of outcomes) t.equal(code, 0, stderr)
  t.equal(outcomes[0]?.json[0]?.['fid'], outcomes[1]?.json[0]?.['fid'])
  t.ok((await run(['get', `${outcomes[0]?.json[0]?.['fid']}`, '--stdout'])).stdout.equals(bytes))
})

t.test('a fetch that broke off goes on, and one whose beginning was spoilt starts over', async t => {
  const { daemon, directory, run } = await setUp(t)
  await using tally = await connect({ socket: daemon.socket, secretFile: daemon.secretFile })
  // More than a window, all of which may have come by the first event.
  const bytes = contentOf(5, 40_000_000)
  const { fid } = await tally.put(bytes, { name: 'f' })
  for (const spoilt of [false, true]) {
    const name = spoilt ? 'spoilt' : 'partial'
    const stop = new AbortController()
    const broken = tally.get({ fid, file: 0 }, { path: join(directory, name) }, {
      signal: stop.signal,
      onEvent: event => { if (event.type === 'progress') stop.abort(new Error('enough')) },
    })
    await t.rejects(broken, { message: 'enough' })
    const [part = ''] = readdirSync(directory).filter(entry => entry.endsWith('.part'))
    const begun = Buffer.from(bytes.subarray(0, 10_000_000))
    if (spoilt) begun[0] = (begun[0] ?? 0) ^ 1
    writeFileSync(join(directory, part), begun)
    const get = await run(['get', fid, '-o', name, '--json'])
    t.equal(get.code, 0, get.stderr)
    t.match(get.json, [{ resumedBytes: spoilt ? 0 : 38 * 262_144 }])
    t.ok(readFileSync(join(directory, name)).equals(bytes))
    t.same(readdirSync(directory).filter(entry => entry.endsWith('.part')), [])
  }
})

t.test('a fetch goes on when the daemon is killed in the middle', async t => {
  const { daemon, directory } = await setUp(t)
  await using tally = await connect({ socket: daemon.socket, secretFile: daemon.secretFile })
  const bytes = contentOf(6, 40_000_000)
  const { fid } = await tally.put(bytes, { name: 'f' })
  let restarted: Promise<void> | undefined
  await tally.get({ fid, file: 0 }, { path: join(directory, 'out') }, {
    onEvent: event => { if (event.type === 'progress') restarted ??= daemon.restart() },
  })
  await restarted
  t.ok(readFileSync(join(directory, 'out')).equals(bytes))
})
