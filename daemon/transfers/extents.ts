/**
 * The bytes of chunks that wait for their commit cycle, as few contiguous extents as their order allows. They are copied into blocks, so
 * that a thousand chunks are one write and what they came in is free again; blocks are used again because fresh memory costs a page fault
 * per 4 KiB, and its end the collector's time.
 */
import { free } from '../../protocol/free.ts'

/** A contiguous piece of a file: the pieces follow each other from the offset on. */
export interface Extent {
  readonly offsetBytes: number
  readonly pieces: Uint8Array[]
  lengthBytes: number
}

/** The first block of a group is small, so that a thousand trickling transfers cost little; a flood soon takes large ones. */
const SMALL_BLOCK_BYTES = 16_384
const LARGE_BLOCK_BYTES = 262_144
/** 16 MiB of large ones, 4 MiB of small ones. */
const FREE_LARGE_BLOCKS_MAX = 64
const FREE_SMALL_BLOCKS_MAX = 256

const freeLargeBlocks: Uint8Array[] = []
const freeSmallBlocks: Uint8Array[] = []

function takeBlock(lengthBytes: number): Uint8Array {
  return (lengthBytes === LARGE_BLOCK_BYTES ? freeLargeBlocks : freeSmallBlocks).pop() ?? new Uint8Array(lengthBytes)
}

function giveBlock(block: Uint8Array): void {
  if (block.length === LARGE_BLOCK_BYTES && freeLargeBlocks.length < FREE_LARGE_BLOCKS_MAX) freeLargeBlocks.push(block)
  else if (block.length === SMALL_BLOCK_BYTES && freeSmallBlocks.length < FREE_SMALL_BLOCKS_MAX) freeSmallBlocks.push(block)
  else free(block)
}

export class Extents {
  readonly list: Extent[] = []
  lengthBytes = 0
  #blocks: Uint8Array[] = []
  /** Pieces with memory of their own. */
  #copies: Uint8Array[] = []
  /** Where the next small chunk goes if it follows on. */
  #block: Uint8Array | undefined
  /** The extent whose newest bytes are in the block but not among its pieces yet. */
  #openExtent: Extent | undefined
  #blockUsedBytes = 0
  /** Bytes of the block that are no piece yet. */
  #blockFromBytes = 0
  #endBytes = -1

  /** Adds a chunk's bytes, which are free again after the call. */
  add(offsetBytes: number, bytes: Uint8Array): void {
    const follows = offsetBytes === this.#endBytes
    if (!follows) this.#closePiece()
    const extent = follows ? this.#last() : this.#open(offsetBytes)
    // A small chunk that follows nothing may be one of many strewn ones, or all that comes: a whole block for it would be wasted.
    if (follows || bytes.length >= SMALL_BLOCK_BYTES) this.#copy(extent, bytes)
    else this.#copyAlone(extent, bytes)
    extent.lengthBytes += bytes.length
    this.lengthBytes += bytes.length
    this.#endBytes = offsetBytes + bytes.length
  }

  /** Closes what is open, after which `list` may be written, and sorts it by offset. */
  seal(): readonly Extent[] {
    this.#closePiece()
    this.#endBytes = -1
    this.#block = undefined
    return this.list.sort((a, b) => a.offsetBytes - b.offsetBytes)
  }

  /** Gives the blocks back; nothing may use the pieces any more. */
  recycle(): void {
    for (const block of this.#blocks) giveBlock(block)
    for (const copy of this.#copies) free(copy)
    this.#blocks = []
    this.#copies = []
    this.list.length = 0
  }

  #last(): Extent {
    return this.list[this.list.length - 1] as Extent
  }

  #open(offsetBytes: number): Extent {
    const extent = { offsetBytes, pieces: [], lengthBytes: 0 }
    this.list.push(extent)
    return extent
  }

  #copyAlone(extent: Extent, bytes: Uint8Array): void {
    const copy = new Uint8Array(bytes)
    this.#copies.push(copy)
    extent.pieces.push(copy)
  }

  #copy(extent: Extent, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const block = this.#roomFor(bytes.length)
      const part = at === 0 && block.length - this.#blockUsedBytes >= bytes.length
        ? bytes
        : bytes.subarray(at, at + block.length - this.#blockUsedBytes)
      if (this.#blockFromBytes === this.#blockUsedBytes) this.#openExtent = extent
      block.set(part, this.#blockUsedBytes)
      this.#blockUsedBytes += part.length
      at += part.length
    }
  }

  /** A block that is not full. */
  #roomFor(lengthBytes: number): Uint8Array {
    if (this.#block !== undefined && this.#blockUsedBytes < this.#block.length) return this.#block
    this.#closePiece()
    const isTrickle = this.#blocks.length === 0 && lengthBytes < SMALL_BLOCK_BYTES
    this.#block = takeBlock(isTrickle ? SMALL_BLOCK_BYTES : LARGE_BLOCK_BYTES)
    this.#blocks.push(this.#block)
    this.#blockUsedBytes = 0
    this.#blockFromBytes = 0
    return this.#block
  }

  #closePiece(): void {
    if (this.#block !== undefined && this.#blockUsedBytes > this.#blockFromBytes) {
      this.#openExtent?.pieces.push(this.#block.subarray(this.#blockFromBytes, this.#blockUsedBytes))
      this.#blockFromBytes = this.#blockUsedBytes
    }
  }
}
