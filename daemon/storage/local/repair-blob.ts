/**
 * Puts pieces of one blob into another, provided that the whole then has its digest. Synchronous. It may die at any moment and be
 * repeated: what it writes over was damaged, and what it writes was judged before.
 */
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { TallyError } from '../../../protocol/errors.ts'
import { BLOCK_BYTES, type ByteRange } from '../blocks.ts'
import { blobPath } from './blob-path.ts'
import { openForReading, readWhole } from './check-blob.ts'
import type { Repair } from '../storage.ts'
import { syncDirectory } from './version.ts'

const buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES)

/** Answers the digest of the whole; the content was repaired, durably, if it is the content's. Undefined where the rest cannot be read. */
export function repairBlob(blobs: string, { blob, content, digest, sizeBytes, ranges }: Repair): string | undefined {
  const { directory, file } = blobPath(blobs, content)
  const source = openForReading(blobPath(blobs, blob).file)
  if (source === undefined) return undefined
  try {
    const actual = digestOf(source, openForReading(file), ranges, sizeBytes)
    if (actual !== digest) return actual
    fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
    const target = openTarget(file, ranges.length === 1 && ranges[0]?.[1] === sizeBytes)
    try {
      for (const range of ranges) {
        forEachPiece(range, (bytes, offsetBytes) => {
          if (!readWhole(source, bytes, offsetBytes)) throw new Error('what was read before cannot be read')
          for (let done = 0; done < bytes.length;) done += fs.writeSync(target, bytes, done, bytes.length - done, offsetBytes + done)
        })
      }
      fs.fdatasyncSync(target)
    } finally {
      fs.closeSync(target)
    }
    // An absent blob was made anew.
    syncDirectory(directory)
    syncDirectory(blobs)
    return actual
  } finally {
    fs.closeSync(source)
  }
}

/** One of which only a part is to be written was there when it was read: absent now, it was removed, and is not made again. */
function openTarget(file: string, isWhole: boolean): number {
  try {
    return fs.openSync(file, fs.constants.O_RDWR | fs.constants.O_NOFOLLOW | (isWhole ? fs.constants.O_CREAT : 0), 0o600)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
    throw new TallyError('not-found', 'the content was removed meanwhile', {}, { cause })
  }
}

/** Of the content with the ranges in their places. Closes the content. */
function digestOf(source: number, content: number | undefined, ranges: readonly ByteRange[], sizeBytes: number): string | undefined {
  try {
    const hash = createHash('sha256')
    let isReadable = true
    const add = (fd: number | undefined, range: ByteRange): void => forEachPiece(range, (bytes, offsetBytes) => {
      isReadable &&= fd !== undefined && readWhole(fd, bytes, offsetBytes)
      if (isReadable) hash.update(bytes)
    })
    let at = 0
    for (const [offsetBytes, lengthBytes] of ranges) {
      add(content, [at, offsetBytes - at])
      add(source, [offsetBytes, lengthBytes])
      at = offsetBytes + lengthBytes
    }
    add(content, [at, sizeBytes - at])
    return isReadable ? `sha256:${hash.digest('hex')}` : undefined
  } finally {
    if (content !== undefined) fs.closeSync(content)
  }
}

function forEachPiece([offsetBytes, lengthBytes]: ByteRange, use: (bytes: Buffer, offsetBytes: number) => void): void {
  for (let at = 0; at < lengthBytes; at += BLOCK_BYTES) use(buffer.subarray(0, Math.min(BLOCK_BYTES, lengthBytes - at)), offsetBytes + at)
}
