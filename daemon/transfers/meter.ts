/** How fast bytes come just now: a mean over the last seconds in which the newest count most. It costs two numbers and no timer. */

const MEAN_MS = 5_000

export class Meter {
  /** When bytes came last; undefined before the first. */
  lastMs: number | undefined
  #perSecond = 0

  add(bytes: number, nowMs: number): void {
    this.#perSecond = this.perSecond(nowMs) + bytes / (MEAN_MS / 1000)
    this.lastMs = nowMs
  }

  perSecond(nowMs: number): number {
    return this.lastMs === undefined ? 0 : this.#perSecond * Math.exp(-Math.max(0, nowMs - this.lastMs) / MEAN_MS)
  }
}
