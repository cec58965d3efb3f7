/** So many may be under way at once; who comes later waits, in order. */
import { unlessAborted } from './abort.ts'

export class Slots {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  /** Runs the work as soon as there is room for it. Rejects with the signal's reason where it is aborted before. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted()
    if (this.#free > 0) this.#free--
    else await this.#turn(signal)
    try {
      return await work()
    } finally {
      this.#pass()
    }
  }

  async #turn(signal: AbortSignal | undefined): Promise<void> {
    let mine = (): void => {}
    const turn = new Promise<void>(resolve => { mine = resolve })
    this.#waiting.push(mine)
    try {
      await unlessAborted(turn, signal)
    } catch (error) {
      const at = this.#waiting.indexOf(mine)
      if (at >= 0) this.#waiting.splice(at, 1)
      // It was given to us in the very moment.
      else this.#pass()
      throw error
    }
  }

  /** To whoever waits longest. */
  #pass(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#free++
    else next()
  }
}
