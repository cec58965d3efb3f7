/** What a command waits for, such as a daemon that is busy: told once, however often it is tried, and again when it comes back later. */
import type { ClientEvent } from '../events.ts'
import { reasonOf } from './exit.ts'
import { ageText, escaped } from './text.ts'

type Retry = Extract<ClientEvent, { type: 'retry' }>

/** Where nobody watches a terminal, only pauses that somebody may wonder about are told. */
const QUIET_PAUSE_MS = 1000
/** What fails in the same way within so long after its pause is waited for still, by this file or by another one beside it. */
const SAME_WITHIN_MS = 15_000

export class Waits {
  /** By what failed: until when it is no news. */
  readonly #toldUntilMs = new Map<string, number>()

  /** The sentence, where there is one to say. `isWatched`: a person sees it at once. */
  sentence({ cause, afterMs, leftMs }: Retry, isWatched: boolean, nowMs: number): string | undefined {
    const what = 'code' in cause ? String(cause.code) : cause.message
    const isNews = nowMs > (this.#toldUntilMs.get(what) ?? -Infinity)
    if (isNews && !isWatched && afterMs < QUIET_PAUSE_MS) return undefined
    this.#toldUntilMs.set(what, nowMs + afterMs + SAME_WITHIN_MS)
    if (!isNews) return undefined
    const wait = leftMs === Infinity ? 'until it works' : `for ${ageText(Math.ceil(leftMs / 1000) * 1000)} at most`
    return `tally: ${escaped(reasonOf(cause))}; trying again ${wait}`
  }
}
