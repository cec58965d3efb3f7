/**
 * Whose chunk is taken next where a rate bounds how fast they come. A chunk is taken when nothing is owed, neither by its user nor in
 * all, and users take turns: however many connections one has and however much waits on them, another waits for one chunk of each.
 */
import type { Rate } from './rate.ts'
import type { UserShare } from './users.ts'

/** What a timer takes. */
export const DELAY_MS_MAX = 2 ** 31 - 1

/** A chunk that waits; a connection has one at a time, because it is not read meanwhile. */
export interface Turn {
  /** True: it is to be taken now. False: it was cancelled. */
  readonly come: Promise<boolean>
  readonly cancel: () => void
}

interface Waiting {
  readonly bytes: number
  readonly settle: (isTaken: boolean) => void
}

export class Turns {
  readonly #total: Rate
  /** In the order of the users' next turns. */
  readonly #waiting = new Map<UserShare, Set<Waiting>>()
  #timer: NodeJS.Timeout | undefined

  constructor(total: Rate) {
    this.#total = total
  }

  /** Asks for a chunk of so many bytes to be taken; undefined: at once. */
  ask(share: UserShare, bytes: number): Turn | undefined {
    if (!this.#total.isLimited && !share.rate.isLimited && this.#waiting.size === 0) return undefined
    const mine = this.#waiting.get(share) ?? new Set()
    const { promise: come, resolve: settle } = Promise.withResolvers<boolean>()
    const waiting: Waiting = { bytes, settle }
    this.#waiting.set(share, mine.add(waiting))
    this.give()
    if (!mine.has(waiting)) return undefined
    const cancel = (): void => {
      mine.delete(waiting)
      if (mine.size === 0 && this.#waiting.get(share) === mine) this.#waiting.delete(share)
      settle(false)
    }
    return { come, cancel }
  }

  /** Takes nothing any more of what waits. */
  stop(): void {
    clearTimeout(this.#timer)
    for (const mine of this.#waiting.values()) for (const { settle } of mine) settle(false)
    this.#waiting.clear()
  }

  /** Takes what may be taken now. Called when something was paid, and when a rate has changed. */
  give(): void {
    clearTimeout(this.#timer)
    let soonestMs = Number.POSITIVE_INFINITY
    // Who is put back at the end comes again in this very loop, after the others.
    for (const [share, waiting] of this.#waiting) {
      const waitMs = Math.max(this.#total.waitMs, share.rate.waitMs)
      soonestMs = Math.min(soonestMs, waitMs === 0 ? Number.POSITIVE_INFINITY : waitMs)
      const [first] = waiting
      if (waitMs > 0 || first === undefined) continue
      this.#waiting.delete(share)
      waiting.delete(first)
      if (waiting.size > 0) this.#waiting.set(share, waiting)
      this.#total.take(first.bytes)
      share.rate.take(first.bytes)
      first.settle(true)
    }
    if (this.#waiting.size > 0) this.#timer = setTimeout(() => this.give(), Math.min(soonestMs, DELAY_MS_MAX)).unref()
  }
}
