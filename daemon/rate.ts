/**
 * How fast bytes may come: what was taken is a debt that time pays off, and while there is any no more should be taken. One short burst is
 * free, so that small requests do not wait. Whose turn it is when several wait is `turns.ts`'s matter.
 */

/** So much time's worth of bytes may come at once. */
const BURST_MS = 100

export class Rate {
  readonly #bytesPerSecond: () => number
  readonly #clockMs: () => number
  /** Below 0: what is left of the burst. In bytes, so that a new rate holds for what is owed already. */
  #debtBytes = Number.NEGATIVE_INFINITY
  #atMs = 0

  /** Infinity: no limit. The clock is monotonic. */
  constructor(bytesPerSecond: () => number, clockMs: () => number = () => performance.now()) {
    this.#bytesPerSecond = bytesPerSecond
    this.#clockMs = clockMs
  }

  get isLimited(): boolean {
    return this.#bytesPerSecond() !== Number.POSITIVE_INFINITY
  }

  /** Bytes have come. */
  take(bytes: number): void {
    this.#pay()
    this.#debtBytes += bytes
  }

  /** How long no more should be taken, in ms. */
  get waitMs(): number {
    return this.#untilMs(0)
  }

  /** When the burst is whole again, in ms from now: nothing is remembered then. */
  get restedMs(): number {
    return this.#untilMs(this.#burstBytes)
  }

  get #burstBytes(): number {
    return this.#bytesPerSecond() * BURST_MS / 1000
  }

  #untilMs(savedBytes: number): number {
    this.#pay()
    const owedBytes = this.isLimited ? this.#debtBytes + savedBytes : 0
    return owedBytes <= 0 ? 0 : owedBytes / this.#bytesPerSecond() * 1000
  }

  #pay(): void {
    const nowMs = this.#clockMs()
    const paidBytes = this.isLimited ? (nowMs - this.#atMs) * this.#bytesPerSecond() / 1000 : Number.POSITIVE_INFINITY
    this.#debtBytes = Math.max(-this.#burstBytes, this.#debtBytes - paidBytes)
    this.#atMs = nowMs
  }
}
