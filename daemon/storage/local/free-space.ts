/**
 * Keeps a part of the disk free for others: what would write is refused before, what removes never asks. The file system is asked now and
 * then; in between, what was written since counts.
 */
import fs from 'node:fs'
import { TallyError } from '../../../protocol/errors.ts'

const ASK_EVERY_MS = 1_000
const ASK_EVERY_BYTES = 67_108_864

export class FreeSpace {
  readonly #directory: string
  readonly #minFreeBytes: number
  readonly #freeBytesOf: (directory: string) => number
  #freeBytes = 0
  #untilMs = Number.NEGATIVE_INFINITY
  #askedBytes = 0

  /** `minFreeBytes` 0: nothing is asked and nothing refused. `freeBytesOf` is for tests. */
  constructor(directory: string, minFreeBytes: number, freeBytesOf: (directory: string) => number = diskFreeBytes) {
    this.#directory = directory
    this.#minFreeBytes = minFreeBytes
    this.#freeBytesOf = freeBytesOf
  }

  /** So many bytes are about to be written. Throws `storage-full` with the `limit` and what is `free`. */
  spend(bytes: number): void {
    if (this.#minFreeBytes === 0) return
    const isFar = this.#askedBytes - this.#freeBytes > ASK_EVERY_BYTES
    if (performance.now() >= this.#untilMs || isFar || this.#freeBytes - bytes < this.#minFreeBytes) this.#ask()
    if (this.#freeBytes - bytes < this.#minFreeBytes) {
      const reason = `the disk has ${this.#freeBytes} bytes free, and ${this.#minFreeBytes} are to stay free`
      throw new TallyError('storage-full', reason, { limit: this.#minFreeBytes, free: this.#freeBytes })
    }
    this.#freeBytes -= bytes
  }

  #ask(): void {
    this.#freeBytes = this.#freeBytesOf(this.#directory)
    this.#askedBytes = this.#freeBytes
    this.#untilMs = performance.now() + ASK_EVERY_MS
  }
}

/** What is there for those who are not root. */
function diskFreeBytes(directory: string): number {
  const { bavail, bsize } = fs.statfsSync(directory)
  return bavail * bsize
}
