/**
 * The jobs of a campaign, open and finished: which is worked on next, which has to go where the quota is full, and what they have in all.
 */
import type { Random } from '../support/random.ts'
import { type NoRoom, type RecordedFile, Violation } from '../support/record.ts'
import { BOUNDED_USER, type Job, planJob, planTwin, QUOTA_BYTES } from './plan.ts'

const OPEN_JOBS_MAX = 7
/** How many of the jobs that are open at the end are given up. */
const ABANDONED_MAX = 2

export class Stock {
  readonly open: Job[] = []
  readonly finished: Job[] = []
  /** Jobs planned so far. */
  planned = 0
  /** All jobs of the user who has a quota. */
  readonly #bounded: Job[] = []
  /** Taken, and neither finished nor given back. */
  readonly #atWork = new Set<Job>()
  readonly #nowMs: () => number
  readonly #expiring: number
  /** The daemon removes what is not finished as soon as nobody has it open. */
  isExpiring = false

  /** `nowMs` is the daemon's clock, `expiring` the share of files that go by themselves. */
  constructor(nowMs: () => number, expiring: number) {
    this.#nowMs = nowMs
    this.#expiring = expiring
  }

  /** Takes the next job out: an open or a damaged one, or a new one. */
  take(random: Random): Job {
    const spoilt = random.chance(0.25) ? this.takeSpoilt(random) : undefined
    if (spoilt !== undefined) return spoilt
    if (this.open.length > 0 && (this.open.length >= OPEN_JOBS_MAX || random.chance(0.6))) {
      return this.open.splice(random.between(0, this.open.length - 1), 1)[0] as Job
    }
    return this.#noted(planJob(random, this.planned++, this.#nowMs, this.#expiring))
  }

  /** Answers what is gone by now, for `takeForRoom`. */
  begin(job: Job): ReadonlySet<RecordedFile> {
    this.#atWork.add(job)
    return new Set(this.#bounded.flatMap(({ transfer }) => transfer.files.filter(file => transfer.removalOf(file) === 'done')))
  }

  finish(job: Job): void {
    this.#atWork.delete(job)
    this.finished.push(job)
  }

  giveBack(job: Job): void {
    this.#atWork.delete(job)
    this.open.push(job)
    if (this.isExpiring) lapse(job)
  }

  /** Takes a finished job out for as long as it is used, so that nobody removes or repairs it meanwhile. */
  async borrow(random: Random, use: (job: Job) => Promise<void>): Promise<void> {
    if (this.finished.length === 0) return
    const [job] = this.finished.splice(random.between(0, this.finished.length - 1), 1) as [Job]
    try {
      await use(job)
    } finally {
      this.finished.push(job)
    }
  }

  /**
   * A finished job some of whose content is damaged; for one with opaque chunks, which is not repaired in place, the same content again.
   */
  takeSpoilt(random: Random): Job | undefined {
    const index = this.finished.findIndex(isSpoilt)
    const job = this.finished[index]
    if (job === undefined) return undefined
    const file = job.transfer.files.find(one => one.isSpoilt && job.transfer.removalOf(one) === 'no')
    if (job.manner.chunks === 'opaque' && file !== undefined) return this.#noted(planTwin(random, this.planned++, file))
    this.finished.splice(index, 1)
    return job
  }

  /**
   * Takes out the job, an open one, or another, that is removed so that a refused one gets its room; undefined where others are at work
   * there. Throws `Violation` where there was room: what was gone before the job began did not take any.
   */
  takeForRoom(job: Job, { limit, used, message }: NoRoom, gone: ReadonlySet<RecordedFile>): Job | undefined {
    const had = this.#bounded.flatMap(({ transfer }) => [
      ...transfer.files.filter(file => !gone.has(file)),
      ...(transfer.mayBeOrphaned ? transfer.files : []),
    ])
    const hadBytes = had.reduce((sum, { plan }) => sum + plan.sizeBytes, 0)
    const isRight = job.transfer.user === BOUNDED_USER && limit === QUOTA_BYTES && typeof used === 'number' && used <= QUOTA_BYTES
    if (!isRight || hadBytes <= QUOTA_BYTES) throw new Violation(`${message}, of a quota of ${QUOTA_BYTES}, with ${hadBytes} bytes in all`)
    const index = this.finished.findIndex(({ transfer }) => transfer.user === BOUNDED_USER && !transfer.mustBeGone)
    if (index >= 0) return this.finished.splice(index, 1)[0]
    return job.transfer.announced ? this.open.splice(this.open.indexOf(job), 1)[0] : undefined
  }

  /** Takes out some that are announced and not asked to be removed; of users who have room without them. */
  takeAbandoned(): Job[] {
    const isLeft = ({ transfer }: Job): boolean => transfer.announced && transfer.files.every(file => transfer.removalOf(file) === 'no')
    const abandoned = this.open.filter(job => job.transfer.user !== BOUNDED_USER && isLeft(job)).slice(0, ABANDONED_MAX)
    for (const job of abandoned) this.open.splice(this.open.indexOf(job), 1)
    return abandoned
  }

  /** From now on whatever is not known to be stored may have expired. */
  lapse(): void {
    for (const job of [...this.open, ...this.#atWork]) lapse(job)
  }

  /** What a user has in the end: each distinct content once. */
  bytesOf(user: string): number {
    const sizes = new Map<string, number>()
    for (const { transfer } of this.finished) {
      if (transfer.user !== user) continue
      for (const file of transfer.files) {
        if (transfer.removalOf(file) === 'no' && !file.mayHaveLapsed) sizes.set(file.digest, file.plan.sizeBytes)
        file.rest()
      }
    }
    return [...sizes.values()].reduce((sum, size) => sum + size, 0)
  }

  #noted(job: Job): Job {
    if (job.transfer.user === BOUNDED_USER) this.#bounded.push(job)
    return job
  }
}

function lapse({ transfer }: Job): void {
  for (const file of transfer.files) if (!file.storedSeen) file.lapsing = true
}

/** Some of its stored content may be damaged. */
export function isSpoilt({ transfer }: Job): boolean {
  return transfer.files.some(file => file.isSpoilt && file.plan.sizeBytes > 0 && transfer.removalOf(file) === 'no' && !file.mayHaveLapsed)
}
