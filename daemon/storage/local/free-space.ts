/**
 * Keeps a part of the disk free for others: what would write is refused before, what removes never asks. The file system is asked now and
 * then; in between, what was written since counts. It also tells whoever watches the store how much room there is.
 */
import fs from 'node:fs'
import { TallyError } from '../../../protocol/errors.ts'
import { CHUNK_SIZE_BYTES_MAX } from '../../../protocol/limits.ts'
import { sizeText } from '../../../protocol/quantities.ts'
import { storageError } from './failures.ts'

const ASK_EVERY_MS = 1_000
const ASK_EVERY_BYTES = 67_108_864

/** The room on a store's disk, for whoever watches it. */
export interface Room {
  /** For those who are not root. */
  readonly freeBytes: number
  /** Of these, what is to stay free. */
  readonly minFreeBytes: number
  /** Why new bytes are refused just now: `storage-full` or `storage-failed`. Undefined: they are taken. */
  readonly refusal: TallyError | undefined
}

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
    if (this.#freeBytes - bytes < this.#minFreeBytes) throw tooLittle(this.#freeBytes, this.#minFreeBytes)
    this.#freeBytes -= bytes
  }

  /** As it is at this moment; too little is where a chunk of the largest size would be refused. */
  room(): Room {
    const minFreeBytes = this.#minFreeBytes
    try {
      const freeBytes = this.#freeBytesOf(this.#directory)
      const isEnough = freeBytes - CHUNK_SIZE_BYTES_MAX >= minFreeBytes
      return { freeBytes, minFreeBytes, refusal: isEnough ? undefined : tooLittle(freeBytes, minFreeBytes) }
    } catch (cause) {
      return { freeBytes: 0, minFreeBytes, refusal: storageError(cause) }
    }
  }

  #ask(): void {
    this.#freeBytes = this.#freeBytesOf(this.#directory)
    this.#askedBytes = this.#freeBytes
    this.#untilMs = performance.now() + ASK_EVERY_MS
  }
}

function tooLittle(freeBytes: number, minFreeBytes: number): TallyError {
  const toStay = minFreeBytes === 0 ? '' : `, and ${sizeText(minFreeBytes)} are to stay free`
  return new TallyError('storage-full', `the disk has ${sizeText(freeBytes)} free${toStay}`, { limit: minFreeBytes, free: freeBytes })
}

/** What is there for those who are not root. */
function diskFreeBytes(directory: string): number {
  const { bavail, bsize } = fs.statfsSync(directory)
  return bavail * bsize
}
