/**
 * Memory for frames that are about to be written. A typed array of its own costs more than encoding a frame of 1 KiB, so small ones
 * are cut out of a slab; no part of a slab is handed out twice.
 */

const SLAB_BYTES = 65_536
const CUT_BYTES_MAX = 16_384
let slab = new Uint8Array(0)
let taken = 0

/** `length` bytes for the caller alone. They are zero. */
export function takeBytes(length: number): Uint8Array {
  if (length > CUT_BYTES_MAX) return new Uint8Array(length)
  if (taken + length > slab.length) {
    slab = new Uint8Array(SLAB_BYTES)
    taken = 0
  }
  const bytes = slab.subarray(taken, taken + length)
  taken += length
  return bytes
}
