/**
 * Reclaiming, killed once at each single step of it, in `tallyd gc` and in a daemon that starts: afterwards the store is sound, what has not
 * expired is there, and the next round leaves nothing of what has. (Drawn steps, and power cuts, are the campaigns' matter.)
 */
import { spawn } from 'node:child_process'
import { cpSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { checkStore, type Finding } from '../../daemon/storage/local/fsck.ts'
import { reclaimStore } from '../../daemon/storage/local/gc.ts'
import { expiryLimits } from '../../daemon/transfers/housekeeping.ts'
import { MAIN, startDaemon, TestDaemon } from '../support/daemon.ts'
import { type Put, put } from '../support/put.ts'
import { chooseSeed, Random } from '../support/random.ts'
import { query, storedIn } from './catalog.ts'
import { LATER } from './clock.ts'
import { compareLeftovers } from './leftovers.ts'
import { lastWords, STEPS, type Step } from './steps.ts'
import { BLOW_AT } from './victims.ts'

const CHUNK_BYTES = 65_536
const KEPT = ['--expire-unfinished', '1m']
const KEPT_MS = 60_000
const LATER_MS = 150_000
const IMPORTS = ['--import', LATER, '--import', BLOW_AT]
/** A daemon that is at rest is not waited for. */
const QUIET_MS = 500

interface Made {
  readonly directory: string
  readonly store: string
  /** What has not expired. */
  readonly kept: readonly string[]
}

/** Files that have expired: stored, of the same content as a kept one, and unfinished; all with blobs but the shared one. */
async function makeStore(t: Test): Promise<Made> {
  const random = new Random(chooseSeed())
  t.comment(`TALLY_TEST_SEED=${random.seed}`)
  const daemon = await startDaemon(t, { durability: 'power' })
  const client = await daemon.client()
  const putOne = async (bytes: Buffer, more: Pick<Put, 'fields' | 'sizeBytes'> = {}): Promise<string> => {
    const fid = random.uuid()
    await put(client, daemon.token(), { fid, bytes, ...more })
    return `${fid}/0`
  }
  const shared = random.bytes(2000)
  const kept = [await putOne(shared), await putOne(random.bytes(CHUNK_BYTES))]
  const fields = { expires: 1 }
  await putOne(shared, { fields })
  for (const size of [1, 1000, CHUNK_BYTES]) await putOne(random.bytes(size), { fields })
  await putOne(random.bytes(CHUNK_BYTES), { sizeBytes: 3 * CHUNK_BYTES })
  await daemon.kill()
  return { directory: daemon.directory, store: daemon.store, kept }
}

/** Runs it until it dies at that step, or has done all; says which. */
type Run = (store: string, env: Readonly<Record<string, string>>) => Promise<'struck' | 'done'>

const RUNS: Readonly<Record<string, Run>> = {
  'tallyd gc': async (store, env) => {
    const child = spawn(process.execPath, [...IMPORTS, MAIN, 'gc', '--store', store, ...KEPT], { stdio: 'ignore', env: { ...process.env, ...env } })
    const code = await new Promise<number | null>(resolve => child.once('exit', resolve))
    if (code !== null && code !== 0) throw new Error(`exit code ${code}`)
    return code === 0 ? 'done' : 'struck'
  },
  'a daemon that starts': async (store, env) => {
    const daemon = new TestDaemon({ store, durability: 'power', args: KEPT, execArgv: IMPORTS, env })
    const movedMs = (): number => statSync(join(store, 'catalog.db')).mtimeMs
    const before = movedMs()
    try {
      daemon.spawn()
      await daemon.ready().catch(() => {})
      while (daemon.running && query(store, 'SELECT 1 FROM garbage UNION ALL SELECT 1 FROM file WHERE expires = 1').length > 0) await sleep(5)
      // A checkpoint follows half a second later, in a thread that has to start.
      if (env['TALLY_TEST_STEP']?.startsWith('checkpointed') === true) while (daemon.running && movedMs() === before) await sleep(5)
      await Promise.race([daemon.exited, sleep(QUIET_MS)])
      if (!daemon.running && daemon.signal !== 'SIGKILL') throw new Error(daemon.tail())
      return daemon.running ? 'done' : 'struck'
    } finally {
      await daemon.dispose()
    }
  },
}

/** After a kill at the nth such step; false where there are not so many. */
async function killAt(t: Test, { directory, store: made, kept }: Made, run: Run, step: Step, count: number): Promise<boolean> {
  const store = join(directory, `${step}-${count}`)
  cpSync(made, store, { recursive: true })
  const outcome = await run(store, { TALLY_TEST_STEP: `${step} ${count}`, TALLY_TEST_LATER_MS: String(LATER_MS) })
  const nowMs = Date.now() + LATER_MS
  const found: Finding[] = []
  checkStore({ path: store, isDryRun: count % 2 === 0, nowMs, found: finding => found.push(finding) })
  t.same(found, [], `${step} ${count}: ${outcome}, and the store is sound`)
  const stored = storedIn(store)
  t.ok(kept.every(id => stored.has(id)), 'what has not expired is there')
  reclaimStore({ path: store, limits: expiryLimits(nowMs, KEPT_MS, true), isDryRun: false, found: () => {} })
  compareLeftovers(store, nowMs, KEPT_MS)
  t.same([...storedIn(store).keys()].sort(), [...kept].sort(), 'and nothing else after the next round')
  return outcome === 'struck'
}

for (const [who, run] of Object.entries(RUNS)) {
  t.test(`killed at any step, ${who} leaves nothing that the next round does not reclaim`, { timeout: 300_000 }, async t => {
    const made = await makeStore(t)
    for (const step of STEPS) {
      let count = 1
      while (await killAt(t, made, run, step, count)) count++
      t.ok(count > 1, `there is a step ${lastWords(step).trim()}: ${count - 1}`)
    }
  })
}
