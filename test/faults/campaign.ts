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
import { CampaignClock } from './clock.ts'
import { awaitExpiry, compareBlobs, compareEverything, compareFollower, compareJob, compareSome } from './compare.ts'
import { Follower } from './follower.ts'
import { check, reclaim, tend, type Tended, usedBytes } from './operator.ts'
import { BOUNDED_USER, type Job, QUOTA_BYTES, USERS } from './plan.ts'
import { isSpoilt, Stock } from './stock.ts'
import { Trigger } from './trigger.ts'
import type { Victim } from './victims.ts'
import { report, work, type World } from './workload.ts'

export interface CampaignOptions {
  readonly seed: number
  readonly strikes: number
  readonly victim: Victim
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
  /** Lives that began with an expiry. */
  expiries: number
  refusedForQuota: number
  mended: number
  /** Numbers of the last events. */
  events: number
}

const WORKERS = 3
const END_TIMEOUT_MS = 120_000
const END_TRIES_MAX = 2000
const TRY_AGAIN_MS = 20
/** More than `--expire-unfinished 1m` and the minute to which the time of the last chunk is known. */
const EXPIRY_LATER_MS = 150_000
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
    strikes: 0, jobs: 0, sent: 0, sentTwice: 0, acked: 0, removals: 0, filesCompared: 0, expiries: 0, refusedForQuota: 0, mended: 0, events: 0,
    checks: 0, reclaims: 0, reclaimsKilled: 0, bitsFlipped: 0,
  }
  trigger = ''
  readonly #clock = new CampaignClock()
  readonly #followers = new Map(USERS.map(user => [user, new Follower(user)]))
  readonly #stock = new Stock(this.#clock.nowMs)
  readonly #options: CampaignOptions
  readonly #victim: Victim
  readonly #random: Random

  constructor(options: CampaignOptions) {
    this.#options = options
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
    await tend({ store: this.#victim.daemon.store, finished: this.#stock.finished, random, tally: this.tally, laterMs: this.#clock.laterMs })
    const isExpiry = random.chance(0.2)
    const trigger = new Trigger(random, () => { if (!this.#victim.struck) this.#victim.strike(random) }, isExpiry && random.chance(0.6))
    this.trigger = trigger.description
    const world = this.#world(trigger)
    if (isExpiry) this.#lapse(EXPIRY_LATER_MS)
    this.#victim.spawn(random, this.#flags(isExpiry))
    trigger.spawned()
    let follows: Promise<unknown> = Promise.resolve()
    try {
      await this.#victim.daemon.ready()
      trigger.ready()
      follows = this.#follow(world)
      this.#victim.ready(random)
      await this.#judgeOpen(world)
      await compareSome(world, this.#stock.finished, random, this.tally)
      const outcomes = await Promise.allSettled(Array.from({ length: WORKERS }, () => this.#worker(world, random)))
      const causes = outcomes.map(outcome => outcome.status === 'rejected' ? outcome.reason as unknown : undefined)
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
    for (const { transfer } of this.#stock.open) for (const file of transfer.files) file.rest()
  }

  #flags(isExpiry: boolean): { args: string[]; env: Record<string, string> } {
    return { args: isExpiry ? ['--expire-unfinished', '1m'] : [], env: { TALLY_TEST_LATER_MS: String(this.#clock.laterMs) } }
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
    try {
      if (wasSpoilt && job.transfer.settled) await compareJob(world, job, this.tally)
      await work(world, job)
      if (wasSpoilt) await compareJob(world, job, this.tally)
      if (wasSpoilt && !isSpoilt(job)) this.tally.mended++
      this.#stock.finished.push(job)
      for (const file of job.transfer.files) file.rest()
    } catch (cause) {
      this.#stock.open.push(job)
      // The other workers end with the daemon.
      if (!this.#victim.struck && cause instanceof Violation) this.#victim.daemon.kill()
      if (!(cause instanceof NoRoom)) throw cause
      this.tally.refusedForQuota++
      const victim = this.#stock.takeForRoom(job, cause)
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
    await this.#serve(false, async world => {
      await this.#judgeOpen(world)
      const abandoned = this.#stock.takeAbandoned()
      for (let tries = 0; ; tries++) {
        const job = this.#stock.open.shift() ?? this.#stock.takeSpoilt(random)
        if (job === undefined) break
        if (tries === END_TRIES_MAX) throw new Violation(`transfer ${job.transfer.fid} of ${job.transfer.user} does not come to its end`)
        if (isSpoilt(job)) await sleep(TRY_AGAIN_MS)
        await this.#finish(world, job)
      }
      this.#stock.open.push(...abandoned)
    })
    const { store } = this.#victim.daemon
    this.#lapse(END_LATER_MS)
    this.#stock.finished.push(...this.#stock.open.splice(0))
    if (random.chance(0.5)) await reclaim({ store, random, tally: this.tally, laterMs: this.#clock.laterMs }, false)
    await this.#serve(true, async world => {
      const follows = this.#follow(world)
      for (const user of USERS) await awaitExpiry(world, user)
      await compareEverything(world, this.#stock.finished, this.tally)
      for (const [user, follower] of this.#followers) await compareFollower(world, user, follower)
      await compareBlobs(store, this.#stock.finished)
      await this.#victim.daemon.kill('SIGTERM')
      await follows
    })
    check({ store, tally: this.tally, laterMs: this.#clock.laterMs }, false)
    for (const user of USERS) {
      const [bytes, used] = [this.#stock.bytesOf(user), usedBytes(store, user)]
      if (used !== bytes) throw new Violation(`${user} has ${bytes} bytes, and ${used} are counted`)
    }
    for (const follower of this.#followers.values()) this.tally.events += follower.eventsSeen
  }

  /** A life without a blow. */
  async #serve(isExpiry: boolean, use: (world: World) => Promise<void>): Promise<void> {
    this.#victim.spawn(NEVER, this.#flags(isExpiry))
    await this.#victim.daemon.ready()
    const timeout = setTimeout(() => this.#victim.daemon.kill(), END_TIMEOUT_MS)
    try {
      await use(this.#world())
    } catch (cause) {
      throw cause instanceof ConnectionLost ? new Violation('the daemon went away, or did not come to an end in time', { cause }) : cause
    } finally {
      clearTimeout(timeout)
    }
    await this.#victim.daemon.kill('SIGTERM')
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
