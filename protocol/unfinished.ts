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
/** Buffers have a power of two and this: room for a chunk of a usual size and what stands around it. */
const AROUND_BYTES = 1024
/** Buffers that wait for the next frame, of all connections: a fresh one for each large frame costs more than the copy into it. */
const SPARE_BYTES_MAX = 4_194_304
const EMPTY = new Uint8Array(0)

/** By capacity. */
const spares = new Map<number, Uint8Array<ArrayBuffer>[]>()
let spareBytes = 0

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

  /** What was kept, as a view on a buffer that is not written again, unless `forget` is told so. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Keeps bytes[from, end) behind what is there. Throws what the budget throws. */
  keep(bytes: Uint8Array, from: number, end: number): void {
    const neededBytes = this.#length + end - from
    if (neededBytes > this.#bytes.length) this.#grow(neededBytes)
    this.#bytes.set(bytes.subarray(from, end), this.#length)
    this.#length = neededBytes
  }

  /**
   * Lets go of everything and gives the budget back what it was charged. Where nobody looks at `bytes` any more, others may use the buffer.
   */
  forget(isSpare: boolean): void {
    if (this.#bytes === EMPTY) return
    if (this.#chargedBytes > 0) this.#budget?.release(this.#chargedBytes)
    this.#chargedBytes = 0
    if (isSpare) spare(this.#bytes)
    this.#bytes = EMPTY
    this.#length = 0
  }

  /** Less than twice what has arrived, by doubling, so that a frame that trickles in is copied a few times and not once per read. */
  #grow(neededBytes: number): void {
    let capacityBytes = 2 * AROUND_BYTES
    while (capacityBytes < neededBytes) capacityBytes = 2 * (capacityBytes - AROUND_BYTES) + AROUND_BYTES
    const chargeBytes = Math.max(0, capacityBytes - UNFINISHED_FREE_BYTES) - this.#chargedBytes
    if (chargeBytes > 0) {
      this.#budget?.charge(chargeBytes)
      this.#chargedBytes += chargeBytes
    }
    const grown = take(capacityBytes)
    grown.set(this.bytes)
    if (this.#bytes !== EMPTY) spare(this.#bytes)
    this.#bytes = grown
  }
}

function take(capacityBytes: number): Uint8Array<ArrayBuffer> {
  const buffer = spares.get(capacityBytes)?.pop()
  if (buffer === undefined) return new Uint8Array(capacityBytes)
  spareBytes -= capacityBytes
  return buffer
}

function spare(buffer: Uint8Array<ArrayBuffer>): void {
  if (spareBytes + buffer.length > SPARE_BYTES_MAX) return
  spareBytes += buffer.length
  const others = spares.get(buffer.length)
  if (others === undefined) spares.set(buffer.length, [buffer])
  else others.push(buffer)
}
