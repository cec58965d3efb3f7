/**
 * When the blow falls: after the nth thing of a kind, drawn from the seed, plus a delay of some milliseconds; else at a time. The
 * same seed aims at the same moments, as far as two processes can be made to meet again.
 */
import type { Random } from '../support/random.ts'

export type Happening = 'acked' | 'sent' | 'last-sent' | 'remove-sent' | 'removed' | 'stored'

const KINDS = ['acked', 'acked', 'acked', 'sent', 'last-sent', 'last-sent', 'remove-sent', 'removed', 'stored', 'time', 'start'] as const
const LIFE_MS_MAX = 1500
const EARLY_MS_MAX = 60

export class Trigger {
  readonly #strike: () => void
  readonly #kind: Happening | 'time' | 'start' | 'own'
  readonly #delayMs: number
  readonly description: string
  #left: number
  #timers: NodeJS.Timeout[] = []
  #fired = false

  /**
   * `early`: soon after the daemon serves, or its clock has jumped, while it does what is due then; `own`: at a step of its own, by itself,
   * so this is only for a step that does not come.
   */
  constructor(random: Random, strike: () => void, when: 'drawn' | 'early' | 'own' = 'drawn') {
    this.#strike = strike
    this.#kind = when === 'own' ? 'own' : when === 'early' ? 'time' : random.pick(KINDS)
    this.#delayMs = when === 'early' ? random.between(0, EARLY_MS_MAX) : this.#kind === 'time' || this.#kind === 'start' ? random.between(0, 300) : random.pick([0, 0, 0, 1, 2, 4])
    this.#left = this.#kind === 'acked' || this.#kind === 'sent' ? random.magnitude(1, 2000) : random.magnitude(1, 6)
    this.description = when === 'own' ? 'a step of its own' : `${this.#kind} ${this.#left} + ${this.#delayMs} ms`
  }

  /** The daemon's process was spawned. */
  spawned(): void {
    if (this.#kind === 'start') this.#after(this.#delayMs)
  }

  ready(): void {
    if (this.#kind === 'time') this.#after(this.#delayMs)
    // Whatever it waits for may not come any more.
    this.#after(LIFE_MS_MAX)
  }

  happened(what: Happening): void {
    if (what !== this.#kind || --this.#left !== 0) return
    if (this.#delayMs === 0) this.#fire()
    else this.#after(this.#delayMs)
  }

  cancel(): void {
    this.#fired = true
    for (const timer of this.#timers) clearTimeout(timer)
  }

  #after(delayMs: number): void {
    this.#timers.push(setTimeout(() => this.#fire(), delayMs))
  }

  #fire(): void {
    if (this.#fired) return
    this.cancel()
    this.#strike()
  }
}
