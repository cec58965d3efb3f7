/**
 * Blocks: the pieces of a stored content by which damage is found, told and repaired. Here are their size, their sums and the
 * arithmetic of runs; who reads them and who writes them down is others' matter.
 */
import { crc32 } from 'node:zlib'
import { ChunkSet } from '../../protocol/chunk-set.ts'
import type { Run } from '../../protocol/messages.ts'

/**
 * A FETCH reads about as much at once, so it verifies what it sends without keeping more in memory. A content of one block needs no sum
 * besides its digest.
 */
export const BLOCK_BYTES = 262_144
/** How many sums are kept and loaded together: 16 KiB, for a content of 1 GiB. */
export const SUMS_PER_PAGE = 4096
export const SUM_BYTES = 4
/** More runs of damage are told as one: nobody repairs a thousand places one by one. */
const RUNS_MAX = 1024

/** Offset and length, in bytes. */
export type ByteRange = readonly [offsetBytes: number, lengthBytes: number]

export function blockCount(sizeBytes: number): number {
  return Math.ceil(sizeBytes / BLOCK_BYTES)
}

/** Sums of a content that is given piece by piece from its start: zlib's CRC-32 of each block, big-endian. */
export class BlockSums {
  #sums = Buffer.alloc(64)
  #count = 0
  #sum = 0
  #filledBytes = 0

  update(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const piece = bytes.subarray(at, at + BLOCK_BYTES - this.#filledBytes)
      this.#sum = crc32(piece, this.#sum)
      this.#filledBytes += piece.length
      at += piece.length
      if (this.#filledBytes === BLOCK_BYTES) this.#endBlock()
    }
  }

  /** The sums of all blocks, the last one as long as it is; none for at most one block. To be called once. */
  end(): Uint8Array {
    if (this.#filledBytes > 0) this.#endBlock()
    return this.#count < 2 ? new Uint8Array(0) : new Uint8Array(this.#sums.subarray(0, this.#count * SUM_BYTES))
  }

  #endBlock(): void {
    if (this.#count * SUM_BYTES === this.#sums.length) this.#sums = Buffer.concat([this.#sums], this.#sums.length * 2)
    this.#sums.writeUInt32BE(this.#sum, this.#count++ * SUM_BYTES)
    this.#sum = 0
    this.#filledBytes = 0
  }
}

/** Whether a block has the sum of this index; where there is no such sum, nothing is known against it. */
export function hasSum(block: Uint8Array, sums: Uint8Array, index: number): boolean {
  if (sums.length < (index + 1) * SUM_BYTES) return true
  return crc32(block) === Buffer.from(sums.buffer, sums.byteOffset + index * SUM_BYTES, SUM_BYTES).readUInt32BE()
}

/** All of these, ascending, joined where they touch, and at most a thousand: what lies between the last ones is then counted in. */
export function mergeRuns(...lists: readonly (readonly Run[])[]): Run[] {
  const set = new ChunkSet()
  for (const [first, count] of lists.flat()) set.addRun(first, count)
  const runs: Run[] = [...set.runs()]
  const rest = runs.splice(RUNS_MAX - 1)
  const [from] = rest[0] ?? []
  const [last, count] = rest.at(-1) ?? []
  if (from !== undefined && last !== undefined && count !== undefined) runs.push([from, last + count - from])
  return runs
}

/** What of the first is not in the second. */
export function withoutRuns(runs: readonly Run[], others: readonly Run[]): Run[] {
  const set = new ChunkSet()
  for (const [first, count] of others) set.addRun(first, count)
  return runs.flatMap(([first, count]) => set.missing(first + count, Infinity, first))
}

/** Runs of blocks as bytes of a content of this size. */
export function rangesOf(runs: readonly Run[], sizeBytes: number): ByteRange[] {
  return runs.map(([first, count]) => [first * BLOCK_BYTES, Math.min(count * BLOCK_BYTES, sizeBytes - first * BLOCK_BYTES)])
}

/** The chunks that have bytes of these runs of blocks, ascending. */
export function chunksTouching(runs: readonly Run[], chunkSizeBytes: number, sizeBytes: number): Run[] {
  return mergeRuns(rangesOf(runs, sizeBytes).map(([offsetBytes, lengthBytes]) => {
    const first = Math.floor(offsetBytes / chunkSizeBytes)
    return [first, Math.ceil((offsetBytes + lengthBytes) / chunkSizeBytes) - first]
  }))
}

/** A run of chunks as bytes of a file of this size. */
export function rangeOfChunks([first, count]: Run, chunkSizeBytes: number, sizeBytes: number): ByteRange {
  const offsetBytes = first * chunkSizeBytes
  return [offsetBytes, Math.min(count * chunkSizeBytes, sizeBytes - offsetBytes)]
}

/** The same of several runs; of a file whose size is not known every chunk is whole. */
export function rangesOfChunks(runs: readonly Run[], chunkSizeBytes: number, sizeBytes: number | null): ByteRange[] {
  return runs.map(run => rangeOfChunks(run, chunkSizeBytes, sizeBytes ?? Number.MAX_SAFE_INTEGER))
}
