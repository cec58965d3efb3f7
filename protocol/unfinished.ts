/**
 * The bytes of a frame that is not whole yet. They are kept in one buffer that grows with what arrives, never to an announced length at
 * once, and what exceeds a free part is charged to the budget that all connections share.
 */

/** What all unfinished frames of a process may hold together. `charge` may throw `busy`, which ends the connection. */
export interface MemoryBudget {
  charge(bytes: number): void
  release(bytes: number): void
}

/** Bytes of an unfinished frame that are not charged to the budget. */
export const UNFINISHED_FREE_BYTES = 16_384
const FIRST_GROWTH_BYTES = 2048
const EMPTY = new Uint8Array(0)

/** Invariant: what is charged to the budget is the capacity beyond the free part. */
export class Unfinished {
  readonly #budget: MemoryBudget | undefined
  #bytes = EMPTY
  #length = 0
  #chargedBytes = 0

  constructor(budget: MemoryBudget | undefined) {
    this.#budget = budget
  }

  /** How many bytes were kept. */
  get length(): number {
    return this.#length
  }

  /** How much memory they take. */
  get capacityBytes(): number {
    return this.#bytes.length
  }

  /** What was kept, as a view on a buffer that is not written again after `forget`. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Keeps bytes[from, end) behind what is there; the whole will have at most `wholeBytes`. Throws what the budget throws. */
  keep(bytes: Uint8Array, from: number, end: number, wholeBytes: number): void {
    const neededBytes = this.#length + end - from
    if (neededBytes > this.#bytes.length) this.#grow(neededBytes, wholeBytes)
    this.#bytes.set(bytes.subarray(from, end), this.#length)
    this.#length = neededBytes
  }

  /** Lets go of everything and gives the budget back what it was charged. */
  forget(): void {
    if (this.#chargedBytes > 0) this.#budget?.release(this.#chargedBytes)
    this.#chargedBytes = 0
    this.#bytes = EMPTY
    this.#length = 0
  }

  /** Twice what has arrived, so that a frame that trickles in is copied a few times and not once per read. */
  #grow(neededBytes: number, wholeBytes: number): void {
    const capacityBytes = Math.min(wholeBytes, Math.max(FIRST_GROWTH_BYTES, 2 * neededBytes))
    const chargeBytes = Math.max(0, capacityBytes - UNFINISHED_FREE_BYTES) - this.#chargedBytes
    if (chargeBytes > 0) {
      this.#budget?.charge(chargeBytes)
      this.#chargedBytes += chargeBytes
    }
    const grown = new Uint8Array(capacityBytes)
    grown.set(this.bytes)
    this.#bytes = grown
  }
}
