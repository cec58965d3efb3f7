/**
 * What time does: unfinished transfers expire, files with an expiry go, tombstones and pairs are forgotten; blobs without a record are
 * deleted; transfers that were complete when the daemon died are finished; idle ones leave memory (product.md, promise 6).
 */
import type { ExpiryLimits, Store } from '../storage/storage.ts'
import type { Registry } from './registry.ts'

const DAY_MS = 86_400_000
/** Where nothing else is configured. */
export const UNFINISHED_KEPT_MS = 7 * DAY_MS
const PAIRS_KEPT_MS = 7 * DAY_MS
const TOMBSTONES_KEPT_MS = 30 * DAY_MS
/** As tombstones: whoever was away for longer asks what there is. */
const EVENTS_KEPT_MS = 30 * DAY_MS
/** Often, because one round does a bounded amount of work. */
const EXPIRE_EVERY_MS = 60_000
const LET_GO_EVERY_MS = 10_000
const GARBAGE_BATCH = 256

/** What has expired by now. */
export function expiryLimits(nowMs: number, unfinishedKeptMs: number, dropMade: boolean): Omit<ExpiryLimits, 'inUse'> {
  return {
    nowMs,
    unfinishedBeforeMs: nowMs - unfinishedKeptMs,
    pairsBeforeMs: nowMs - PAIRS_KEPT_MS,
    tombstonesBeforeMs: nowMs - TOMBSTONES_KEPT_MS,
    eventsBeforeMs: nowMs - EVENTS_KEPT_MS,
    dropMade,
  }
}

export class Housekeeping {
  readonly #store: Store
  readonly #registry: Registry
  readonly #nowMs: () => number
  readonly #unfinishedKeptMs: () => number
  readonly #onFailure: (what: string, cause: unknown) => void
  #timers: NodeJS.Timeout[] = []
  #collecting: Promise<void> | undefined
  #collectAgain = false
  #expiring: Promise<void> = Promise.resolve()
  /** Of expiry, that have not ended. */
  #rounds = 0
  #isStopping = false

  constructor(store: Store, registry: Registry, nowMs: () => number, unfinishedKeptMs: () => number, onFailure: (what: string, cause: unknown) => void) {
    this.#store = store
    this.#registry = registry
    this.#nowMs = nowMs
    this.#unfinishedKeptMs = unfinishedKeptMs
    this.#onFailure = onFailure
  }

  /** Does what the last run left undone, then keeps at it. Resolves when the first round is done. */
  async start(): Promise<void> {
    this.#every(EXPIRE_EVERY_MS, () => {
      if (this.#rounds === 0) void this.expire(false)
    })
    this.#every(LET_GO_EVERY_MS, () => {
      this.#registry.letGo(this.#nowMs())
      // A file that was shared when it was stored, or removed by a connection since.
      this.collect()
    })
    await this.expire(true)
    if (!this.#isStopping) await this.#finishComplete()
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    for (const timer of this.#timers) clearInterval(timer)
    await this.#expiring
    await this.#collecting
  }

  /** Applies every expiry as of now, after the rounds that were begun before. */
  expire(dropMade: boolean): Promise<void> {
    this.#rounds++
    this.#expiring = this.#expiring.then(() => this.#expireAll(dropMade)).finally(() => this.#rounds--)
    return this.#expiring
  }

  async #expireAll(dropMade: boolean): Promise<void> {
    const limits = expiryLimits(this.#nowMs(), this.#unfinishedKeptMs(), dropMade)
    try {
      // As long as there is much of it; others come between.
      for (let went = 1; went > 0 && !this.#isStopping;) {
        await this.#registry.expire(async inUse => {
          went = (await this.#store.catalog.expire({ ...limits, inUse })).files
        })
      }
    } catch (cause) {
      this.#onFailure('expiry', cause)
    }
    this.collect()
  }

  /** Deletes the blobs that no record refers to any more, in the background. */
  collect(): void {
    if (this.#collecting !== undefined) {
      this.#collectAgain = true
      return
    }
    this.#collecting = this.#collectAll()
      .catch(cause => this.#onFailure('deleting removed content', cause))
      .finally(() => {
        this.#collecting = undefined
        if (this.#collectAgain) {
          this.#collectAgain = false
          this.collect()
        }
      })
  }

  async #collectAll(): Promise<void> {
    for (;;) {
      const blobs = await this.#store.catalog.garbage(GARBAGE_BATCH)
      if (blobs.length === 0) return
      await Promise.all(blobs.map(blob => this.#store.contents.remove(blob)))
      await this.#store.catalog.forget(blobs)
    }
  }

  /** Opening a transfer whose file has every chunk marked finishes it; its client may never come back to ask. */
  async #finishComplete(): Promise<void> {
    const complete = await this.#store.catalog.complete().catch(cause => {
      this.#onFailure('looking for what an earlier run received', cause)
      return []
    })
    for (const { user, fid } of complete) {
      try {
        const holder = {}
        const opened = await this.#registry.open(holder, user, fid)
        if (opened !== undefined) await this.#registry.leave(opened.transfer, holder)
      } catch (cause) {
        this.#onFailure('finishing what an earlier run received', cause)
      }
    }
  }

  #every(ms: number, job: () => void): void {
    const timer = setInterval(job, ms)
    timer.unref()
    this.#timers.push(timer)
  }
}
