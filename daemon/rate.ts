/**
 * How fast bytes may come: it tells how long to wait before the next are read, and never refuses any. One short burst is free, so that
 * small requests do not wait.
 */

/** So much time's worth of bytes may come at once. */
const BURST_MS = 100

export class Rate {
  readonly #bytesPerSecond: () => number
  readonly #clockMs: () => number
  /** When what was taken is paid for. */
  #paidAtMs = Number.NEGATIVE_INFINITY

  /** Infinity: no limit. The clock is monotonic. */
  constructor(bytesPerSecond: () => number, clockMs: () => number = () => performance.now()) {
    this.#bytesPerSecond = bytesPerSecond
    this.#clockMs = clockMs
  }

  /** Bytes have come; answers for how many ms no more should be read. */
  take(bytes: number): number {
    const bytesPerSecond = this.#bytesPerSecond()
    if (bytesPerSecond === Number.POSITIVE_INFINITY) return 0
    const nowMs = this.#clockMs()
    this.#paidAtMs = Math.max(this.#paidAtMs, nowMs - BURST_MS) + bytes / bytesPerSecond * 1000
    return Math.max(0, this.#paidAtMs - nowMs)
  }
}
