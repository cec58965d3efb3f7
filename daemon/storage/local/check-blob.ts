/**
 * Reads a whole blob and says which of its blocks are not what was stored. Synchronous: for whoever has a thread or a process for it.
 */
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import type { Run } from '../../../protocol/messages.ts'
import { BLOCK_BYTES } from '../storage.ts'

const block = Buffer.allocUnsafeSlow(BLOCK_BYTES)

/**
 * The runs of blocks that are absent, cannot be read, or are not what the digest was computed of: then all of them, as it does not say
 * which.
 */
export function checkBlob(file: string, sizeBytes: number, digest: string): Run[] {
  const count = Math.ceil(sizeBytes / BLOCK_BYTES)
  // 0 bytes have no blob.
  if (count === 0) return []
  let fd: number
  try {
    fd = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW)
  } catch {
    return [[0, count]]
  }
  try {
    const hash = createHash('sha256')
    const damaged: number[] = []
    for (let index = 0; index < count; index++) {
      const bytes = block.subarray(0, Math.min(BLOCK_BYTES, sizeBytes - index * BLOCK_BYTES))
      if (readWhole(fd, bytes, index * BLOCK_BYTES)) hash.update(bytes)
      else damaged.push(index)
    }
    if (damaged.length > 0) return runsOf(damaged)
    return `sha256:${hash.digest('hex')}` === digest ? [] : [[0, count]]
  } finally {
    fs.closeSync(fd)
  }
}

/** False where the file ends before, or the disk does not give the bytes. */
function readWhole(fd: number, bytes: Uint8Array, offsetBytes: number): boolean {
  try {
    for (let done = 0; done < bytes.length;) {
      const read = fs.readSync(fd, bytes, done, bytes.length - done, offsetBytes + done)
      if (read === 0) return false
      done += read
    }
    return true
  } catch {
    return false
  }
}

/** Ascending numbers as runs. */
export function runsOf(numbers: readonly number[]): Run[] {
  const runs: [number, number][] = []
  for (const number of numbers) {
    const last = runs.at(-1)
    if (last !== undefined && last[0] + last[1] === number) last[1]++
    else runs.push([number, 1])
  }
  return runs
}
