/**
 * Reads a whole blob and says which of its blocks are not what was stored. Synchronous: for whoever has a thread or a process for it.
 */
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { ChunkSet } from '../../../protocol/chunk-set.ts'
import type { Run } from '../../../protocol/messages.ts'
import { BLOCK_BYTES, blockCount, BlockSums, hasSum, mergeRuns } from '../blocks.ts'

const block = Buffer.allocUnsafeSlow(BLOCK_BYTES)

export interface CheckedBlob {
  /** Runs of blocks; empty where all is well. */
  readonly damaged: readonly Run[]
  /** As read, where all is well. */
  readonly sums: Uint8Array
}

/**
 * Damaged are blocks that are absent, that the disk cannot read, or that have another sum. Where the sums have nothing against any, or
 * there are none, and the digest differs: all of them. Throws whatever else keeps it from reading, such as too many open files.
 */
export function checkBlob(file: string, sizeBytes: number, digest: string, sums: Uint8Array): CheckedBlob {
  const count = blockCount(sizeBytes)
  const none = new Uint8Array(0)
  // 0 bytes have no blob.
  if (count === 0) return { damaged: [], sums: none }
  const fd = openForReading(file)
  if (fd === undefined) return { damaged: [[0, count]], sums: none }
  try {
    const hash = createHash('sha256')
    const actual = new BlockSums()
    const damaged = new ChunkSet()
    for (let index = 0; index < count; index++) {
      const bytes = block.subarray(0, Math.min(BLOCK_BYTES, sizeBytes - index * BLOCK_BYTES))
      if (!readWhole(fd, bytes, index * BLOCK_BYTES) || !hasSum(bytes, sums, index)) damaged.add(index)
      // One damaged block, and nobody asks for the digest any more.
      if (damaged.size > 0) continue
      hash.update(bytes)
      actual.update(bytes)
    }
    if (damaged.size > 0) return { damaged: mergeRuns([...damaged.runs()]), sums: none }
    if (`sha256:${hash.digest('hex')}` !== digest) return { damaged: [[0, count]], sums: none }
    return { damaged: [], sums: actual.end() }
  } finally {
    fs.closeSync(fd)
  }
}

/** Undefined where there is no such file. */
export function openForReading(file: string): number | undefined {
  return unless('ENOENT', () => fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW))
}

/** Fills `bytes`. False where the file ends before, or the disk does not give the bytes. */
export function readWhole(fd: number, bytes: Uint8Array, offsetBytes: number): boolean {
  for (let done = 0; done < bytes.length;) {
    const read = unless('EIO', () => fs.readSync(fd, bytes, done, bytes.length - done, offsetBytes + done)) ?? 0
    if (read === 0) return false
    done += read
  }
  return true
}

/** Only this failure says something about the file; others, such as EMFILE, about the machine. */
function unless<T>(code: string, act: () => T): T | undefined {
  try {
    return act()
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== code) throw cause
    return undefined
  }
}
