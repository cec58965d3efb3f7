/**
 * A campaign: lives of one daemon on one store, each ended by a blow at a drawn moment, with uploads, finishing and removals going on
 * all the while; after each the record is compared with what the daemon reports, at the end byte for byte with what it hands out.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { ConnectionLost } from '../support/raw-client.ts'
import { DaemonEnded } from '../support/daemon.ts'
import { Random } from '../support/random.ts'
import { Refusal, Violation } from '../support/record.ts'
import { compareBlobs, compareEverything, compareSome } from './compare.ts'
import { type Job, planJob } from './plan.ts'
import { Trigger } from './trigger.ts'
import type { Victim } from './victims.ts'
import { report, work, type World } from './workload.ts'

export interface CampaignOptions {
  readonly seed: number
  readonly strikes: number
  readonly victim: Victim
  readonly log?: (line: string) => void
}

export interface Tally {
  strikes: number
  jobs: number
  sent: number
  sentTwice: number
  acked: number
  removals: number
  filesCompared: number
}

const WORKERS = 3
const OPEN_JOBS_MAX = 7
const END_TIMEOUT_MS = 120_000
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
  readonly tally: Tally = { strikes: 0, jobs: 0, sent: 0, sentTwice: 0, acked: 0, removals: 0, filesCompared: 0 }
  trigger = ''
  readonly #options: CampaignOptions
  readonly #victim: Victim
  readonly #random: Random
  readonly #open: Job[] = []
  readonly #finished: Job[] = []

  constructor(options: CampaignOptions) {
    this.#options = options
    this.#victim = options.victim
    this.#random = new Random(options.seed)
  }

  async run(): Promise<Tally> {
    while (this.tally.strikes < this.#options.strikes) {
      await this.#life()
      this.tally.strikes++
      if (this.tally.strikes % 25 === 0) this.#options.log?.(`${this.tally.strikes} strikes, ${JSON.stringify(this.tally)}`)
    }
    await this.#end()
    return this.tally
  }

  /** One life, from the start of the process to the blow. */
  async #life(): Promise<void> {
    const random = new Random(this.#random.uint32())
    const trigger = new Trigger(random, () => { if (!this.#victim.struck) this.#victim.strike(random) })
    this.trigger = trigger.description
    const world = this.#world(trigger)
    await this.#victim.spawn(random)
    trigger.spawned()
    try {
      await this.#victim.daemon.ready()
      trigger.ready()
      this.#victim.ready(random)
      await this.#judgeOpen(world)
      await compareSome(world, this.#finished, random, this.tally)
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
    for (const { transfer } of this.#open) for (const file of transfer.files) file.rest()
  }

  /** Works on one job after the other until the blow. */
  async #worker(world: World, random: Random): Promise<void> {
    for (;;) {
      const job = this.#take(random)
      try {
        await work(world, job)
        this.#finished.push(job)
        for (const file of job.transfer.files) file.rest()
      } catch (cause) {
        this.#open.push(job)
        // The other workers end with the daemon.
        if (!this.#victim.struck && cause instanceof Violation) this.#victim.daemon.kill()
        throw cause
      }
    }
  }

  #take(random: Random): Job {
    if (this.#open.length > 0 && (this.#open.length >= OPEN_JOBS_MAX || random.chance(0.6))) {
      return this.#open.splice(random.between(0, this.#open.length - 1), 1)[0] as Job
    }
    return planJob(random, this.tally.jobs++)
  }

  async #judgeOpen(world: World): Promise<void> {
    await Promise.all(this.#open.map(async job => {
      if (job.transfer.fid === undefined) return
      const client = await this.#victim.daemon.client({ payload: 'msgpack' })
      try { await report(world, job, client) } finally { client.destroy() }
    }))
  }

  /** No more blows: every job comes to its end, and everything is compared. */
  async #end(): Promise<void> {
    await this.#victim.spawn(NEVER)
    await this.#victim.daemon.ready()
    const world = this.#world()
    const timeout = setTimeout(() => this.#victim.daemon.kill(), END_TIMEOUT_MS)
    try {
      await this.#judgeOpen(world)
      for (const job of this.#open.splice(0)) {
        await work(world, job)
        this.#finished.push(job)
      }
      await compareEverything(world, this.#finished, this.tally)
      await compareBlobs(this.#victim.daemon.store, this.#finished)
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
      token: user => this.#victim.daemon.token({ sub: user }),
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
