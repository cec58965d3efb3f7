/**
 * A campaign: lives of one daemon on one store, each ended by a blow at a drawn moment, with uploads, finishing, removals, expiry, repairs
 * and a full quota going on all the while; after each the record is compared with what the daemon reports, at the end byte for byte with
 * what it hands out. Between two lives the store is looked after (`operator.ts`).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { ConnectionLost } from '../support/raw-client.ts'
import { DaemonEnded } from '../support/daemon.ts'
import { Random } from '../support/random.ts'
import { NoRoom, Refusal, Violation } from '../support/record.ts'
import { type Aim, EVERYTHING } from './aim.ts'
import { usedBytes } from './catalog.ts'
import { CampaignClock } from './clock.ts'
import { awaitExpiry, compareBlobs, compareEverything, compareFollower, compareJob, compareSome } from './compare.ts'
import { Follower } from './follower.ts'
import { compareLeftovers } from './leftovers.ts'
import { check, noteStep, reclaim, type Stopped, tend, type Tended, type UnfinishedKept } from './operator.ts'
import { BOUNDED_USER, type Job, QUOTA_BYTES, USERS } from './plan.ts'
import { stepOf } from './steps.ts'
import { isSpoilt, Stock } from './stock.ts'
import { Trigger } from './trigger.ts'
import type { Life, Victim } from './victims.ts'
import { report, work, type World } from './workload.ts'

export interface CampaignOptions {
  readonly seed: number
  readonly strikes: number
  readonly victim: Victim
  /** Default: everything. */
  readonly aim?: Aim
  readonly log?: (line: string) => void
}

export interface Tally extends Tended {
  strikes: number
  jobs: number
  sent: number
  sentTwice: number
  acked: number
  removals: number
  filesCompared: number
  /** How often the clock went on; and of these, under a daemon that was serving. */
  expiries: number
  jumps: number
  refusedForQuota: number
  mended: number
  /** Numbers of the last events. */
  events: number
}

const WORKERS = 3
const END_TIMEOUT_MS = 120_000
const END_TRIES_MAX = 2000
const LOGIN_TIMEOUT_MS = 5000
const TRY_AGAIN_MS = 20
const DAY_MS = 86_400_000
/** As is the default, and where much is to expire. */
const KEPT_LONG: UnfinishedKept = { args: [], keptMs: 7 * DAY_MS }
const KEPT_SHORT: UnfinishedKept = { args: ['--expire-unfinished', '1m'], keptMs: 60_000 }
/** More than `KEPT_SHORT` and the minute to which the time of the last chunk is known. */
const EXPIRY_LATER_MS = 150_000
/** How long a daemon serves before its clock jumps. */
const JUMP_MS_MAX = 500
/** More than any file's expiry lies ahead. */
const END_LATER_MS = 240_000
const BLOW_HEARD_MS = 200
const LOST_CODES: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'ENOENT', 'ECONNRESET', 'EPIPE'])

/** Runs to the end, or throws the first `Violation`, with the seed, the life it showed in, and the daemon's last words. */
export async function runCampaign(options: CampaignOptions): Promise<Tally> {
  const campaign = new Campaign(options)
  try {
    return await campaign.run()
  } catch (cause) {
    if (!(cause instanceof Violation)) throw cause
    const { tally, trigger } = campaign
    const when = `seed ${options.seed}, after ${tally.strikes} strikes (the next: ${trigger})`
    throw new Violation(`${when}: ${cause.message}\n${options.victim.daemon.tail()}`, { cause })
  }
}

class Campaign {
  readonly tally: Tally = {
    strikes: 0, jobs: 0, sent: 0, sentTwice: 0, acked: 0, removals: 0, filesCompared: 0, expiries: 0, jumps: 0, refusedForQuota: 0, mended: 0,
    events: 0, checks: 0, checksStruck: 0, reclaims: 0, reclaimsStruck: 0, blobsReclaimed: 0, dryRuns: 0, commandsCut: 0, bitsFlipped: 0, steps: {},
  }
  /** What ends this life, for the report of a failure; in the last one, which ends by itself: what it is at. */
  trigger = ''
  readonly #clock = new CampaignClock()
  readonly #followers = new Map(USERS.map(user => [user, new Follower(user)]))
  readonly #stock: Stock
  readonly #options: CampaignOptions
  readonly #aim: Aim
  readonly #victim: Victim
  readonly #random: Random

  constructor(options: CampaignOptions) {
    this.#options = options
    this.#aim = options.aim ?? EVERYTHING
    this.#stock = new Stock(this.#clock.nowMs, this.#aim.expiring)
    this.#victim = options.victim
    this.#random = new Random(options.seed)
  }

  async run(): Promise<Tally> {
    while (this.tally.strikes < this.#options.strikes) {
      await this.#life()
      this.tally.strikes++
      this.tally.jobs = this.#stock.planned
      if (this.tally.strikes % 25 === 0) this.#options.log?.(`${this.tally.strikes} strikes, ${JSON.stringify(this.tally)}`)
    }
    await this.#end()
    this.tally.jobs = this.#stock.planned
    return this.tally
  }

  /** One life, from the start of the process to the blow. */
  async #life(): Promise<void> {
    const random = new Random(this.#random.uint32())
    await this.#victim.up()
    const isExpiry = random.chance(this.#aim.expiry)
    const jumps = isExpiry && random.chance(this.#aim.jump)
    if (isExpiry && !jumps) this.#lapse(EXPIRY_LATER_MS)
    await tend(this.#stopped(random, isExpiry && !jumps))
    const when = isExpiry ? random.pick(['early', 'early', 'own', 'own', 'drawn'] as const) : random.chance(0.1) ? 'own' : 'drawn'
    const trigger = new Trigger(random, () => { if (!this.#victim.struck) this.#victim.strike(random) }, when)
    this.trigger = trigger.description
    const world = this.#world(trigger)
    const aimAt = (): void => {
      trigger.ready()
      this.#victim.ready(random)
    }
    const before = this.#victim.daemon.stderr.length
    this.#victim.spawn(random, this.#flags(isExpiry, jumps ? EXPIRY_LATER_MS : 0, when === 'own' ? this.#victim.ownBlow(random) : {}))
    trigger.spawned()
    this.#stock.isExpiring = isExpiry
    // Also before a jump: the start takes what was in use when the clock went on before, and has got no chunk since.
    if (jumps) this.#stock.lapse()
    let follows: Promise<unknown> = Promise.resolve()
    try {
      await this.#victim.daemon.ready()
      if (!jumps) aimAt()
      follows = this.#follow(world)
      await this.#judgeOpen(world)
      await compareSome(world, this.#stock, random, this.tally)
      const work = Array.from({ length: WORKERS }, () => this.#worker(world, random))
      if (jumps) work.push(this.#jump(random).then(aimAt), this.#reader(world, random))
      const outcomes = await Promise.allSettled(work)
      const causes = outcomes.flatMap(outcome => outcome.status === 'rejected' ? [outcome.reason as unknown] : [])
      // A violation first: the other workers only lost their connections over it.
      for (const cause of causes.filter(one => one instanceof Violation)) await this.#excuse(cause)
      for (const cause of causes) await this.#excuse(cause)
    } catch (cause) {
      await this.#excuse(cause)
    } finally {
      trigger.cancel()
    }
    await this.#victim.down()
    await follows
    this.#stock.isExpiring = false
    const step = stepOf(this.#victim.daemon.stderr.slice(before))
    if (step !== undefined) noteStep(this.tally, step)
    for (const { transfer } of this.#stock.open) for (const file of transfer.files) file.rest()
  }

  #flags(isExpiry: boolean, jumpMs: number, env: Readonly<Record<string, string>> = {}): Life {
    return {
      args: isExpiry ? KEPT_SHORT.args : KEPT_LONG.args,
      env: { TALLY_TEST_LATER_MS: String(this.#clock.laterMs), ...(jumpMs > 0 ? { TALLY_TEST_JUMP_MS: String(jumpMs) } : {}), ...env },
    }
  }

  #stopped(random: Random, isExpiry: boolean): Stopped {
    return {
      victim: this.#victim, aim: this.#aim, finished: this.#stock.finished, random, tally: this.tally, laterMs: this.#clock.laterMs,
      unfinishedKept: isExpiry ? KEPT_SHORT : KEPT_LONG,
    }
  }

  /** The clock goes on under a daemon that serves: all that expires by it goes at once, but what is in use. */
  async #jump(random: Random): Promise<void> {
    await sleep(random.between(0, JUMP_MS_MAX))
    if (!this.#victim.daemon.running) return
    this.#lapse(EXPIRY_LATER_MS)
    this.tally.jumps++
    this.#victim.daemon.tell('SIGUSR2')
  }

  /** What is sent is whole, also where it expires meanwhile. */
  async #reader(world: World, random: Random): Promise<void> {
    while (this.#victim.daemon.running) {
      await compareSome(world, this.#stock, random, this.tally)
      await sleep(TRY_AGAIN_MS)
    }
  }

  /** What goes wrong with a connection here goes wrong with the others, too; what a follower heard is judged at the end. */
  #follow(world: World): Promise<unknown> {
    return Promise.allSettled([...this.#followers].map(([user, follower]) => follower.follow(world.socket, world.token(user))))
  }

  /** The next life is so much later that nothing unfinished outlives its start, unless it is opened before. */
  #lapse(laterMs: number): void {
    this.#clock.laterMs += laterMs
    this.tally.expiries++
    this.#stock.lapse()
  }

  /** Works on one job after the other until the blow. */
  async #worker(world: World, random: Random): Promise<void> {
    for (;;) await this.#finish(world, this.#stock.take(random))
  }

  /** Brings a job to its end, or back to the open ones: where there is no room for it something else is removed. */
  async #finish(world: World, job: Job): Promise<void> {
    const wasSpoilt = isSpoilt(job)
    const gone = this.#stock.begin(job)
    try {
      if (wasSpoilt && job.transfer.settled) await compareJob(world, job, this.tally)
      await work(world, job)
      if (wasSpoilt) await compareJob(world, job, this.tally)
      if (wasSpoilt && !isSpoilt(job)) this.tally.mended++
      this.#stock.finish(job)
      for (const file of job.transfer.files) file.rest()
    } catch (cause) {
      this.#stock.giveBack(job)
      // The other workers end with the daemon.
      if (!this.#victim.struck && cause instanceof Violation) this.#victim.daemon.kill()
      if (!(cause instanceof NoRoom)) throw cause
      this.tally.refusedForQuota++
      const victim = this.#stock.takeForRoom(job, cause, gone)
      // Without one, those who have the room are at work.
      if (victim === undefined) return void await sleep(TRY_AGAIN_MS)
      victim.transfer.removal = 'asked'
      await this.#finish(world, victim)
    }
  }

  async #judgeOpen(world: World): Promise<void> {
    await Promise.all(this.#stock.open.map(async job => {
      if (job.transfer.fid === undefined) return
      const client = await this.#victim.daemon.client({ payload: 'msgpack' })
      try {
        await report(world, job, client)
      } catch (cause) {
        if (!(cause instanceof NoRoom)) throw cause
      } finally {
        client.destroy()
      }
    }))
  }

  /** No more blows: every job comes to its end but some that are given up and expire; then everything is compared. */
  async #end(): Promise<void> {
    const random = new Random(this.#random.uint32())
    await this.#victim.up()
    await this.#serve(false, 0, async world => {
      await this.#judgeOpen(world)
      const abandoned = this.#stock.takeAbandoned()
      for (let tries = 0; ; tries++) {
        const job = this.#stock.open.shift() ?? this.#stock.takeSpoilt(random)
        if (job === undefined) break
        if (tries === END_TRIES_MAX) throw new Violation(`transfer ${job.transfer.fid} of ${job.transfer.user} does not come to its end`)
        this.trigger = `none, try ${tries} of the end, with ${job.transfer.fid} of ${job.transfer.user}, ${this.#stock.open.length} more are open`
        if (isSpoilt(job)) await sleep(TRY_AGAIN_MS)
        await this.#finish(world, job)
      }
      this.#stock.open.push(...abandoned)
    })
    const { store } = this.#victim.daemon
    const jumps = random.chance(0.5)
    let lapsedMs = 0
    const expire = (): void => {
      this.#lapse(END_LATER_MS)
      lapsedMs = this.#clock.nowMs()
      this.#stock.finished.push(...this.#stock.open.splice(0))
    }
    if (!jumps) {
      expire()
      if (random.chance(0.5)) await reclaim(this.#stopped(random, true), false)
    }
    await this.#serve(true, jumps ? END_LATER_MS : 0, async world => {
      const follows = this.#follow(world)
      if (jumps) {
        expire()
        this.#victim.daemon.tell('SIGUSR2')
      }
      for (const user of USERS) await awaitExpiry(world, user, lapsedMs)
      await compareEverything(world, this.#stock.finished, this.tally)
      for (const [user, follower] of this.#followers) await compareFollower(world, user, follower)
      await compareBlobs(store, this.#stock.finished)
      await this.#victim.daemon.kill('SIGTERM')
      await follows
    })
    check(this.#stopped(random, true), false)
    compareLeftovers(store, lapsedMs, KEPT_SHORT.keptMs)
    for (const user of USERS) {
      const [bytes, used] = [this.#stock.bytesOf(user), usedBytes(store, user)]
      if (used !== bytes) throw new Violation(`${user} has ${bytes} bytes, and ${used} are counted`)
    }
    for (const follower of this.#followers.values()) this.tally.events += follower.eventsSeen
  }

  /** A life without a blow. */
  async #serve(isExpiry: boolean, jumpMs: number, use: (world: World) => Promise<void>): Promise<void> {
    this.#victim.spawn(NEVER, this.#flags(isExpiry, jumpMs))
    await this.#victim.daemon.ready()
    const timeout = setTimeout(() => void this.#giveUp(), END_TIMEOUT_MS)
    try {
      await use(this.#world())
    } catch (cause) {
      throw cause instanceof ConnectionLost ? new Violation('the daemon went away, or did not come to an end in time', { cause }) : cause
    } finally {
      clearTimeout(timeout)
    }
    await this.#victim.daemon.kill('SIGTERM')
  }

  /** Whether it still answers anybody tells a lost answer from work that does not end. */
  async #giveUp(): Promise<void> {
    const { daemon } = this.#victim
    const login = async (): Promise<string> => {
      const client = await daemon.client()
      const { response } = await client.authenticate(daemon.token())
      client.destroy()
      return `a log-in is answered with ${response}`
    }
    const answered = login().catch(cause => `a log-in fails: ${cause}`)
    this.trigger += `; ${await Promise.race([answered, sleep(LOGIN_TIMEOUT_MS, 'a log-in is not answered')])}`
    await daemon.kill()
  }

  #world(trigger?: Trigger): World {
    return {
      socket: this.#victim.daemon.socket,
      token: user => this.#victim.daemon.token({ sub: user, ...(user === BOUNDED_USER ? { quota: QUOTA_BYTES } : {}) }),
      happened: what => trigger?.happened(what),
      count: what => { this.tally[what]++ },
    }
  }

  /** Returns when the failure goes with the blow; else throws the violation that it is. */
  async #excuse(cause: unknown): Promise<void> {
    const refused = cause instanceof Refusal
    if (cause instanceof Violation && !refused) throw cause
    // A disk without power answers errors before its own end is heard of.
    if (!this.#victim.struck) await sleep(BLOW_HEARD_MS)
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    const lost = cause instanceof ConnectionLost || cause instanceof DaemonEnded || LOST_CODES.has(code)
    if (this.#victim.struck && (lost || (refused && this.#victim.refusesAfterBlow))) return
    if (refused) throw cause
    throw new Violation(`the daemon went away by itself: ${cause instanceof Error ? cause.stack : cause}`, { cause })
  }
}

/** For the last life, which has no blow: nothing is armed. */
export const NEVER = new class extends Random { override chance(): boolean { return false } }(0)
