/**
 * Small contents, read by the thread that looks them up: three calls of the file system there cost less than the way of one of them to the
 * thread pool and back (measured: docs/design.md).
 */
import fs from 'node:fs'
import type { StoredContent } from '../storage.ts'
import { blobPath } from './blob-path.ts'

/** Sixteen of them, a connection's fetches, are no more than one block of a large content. */
const SMALL_BYTES_MAX = 16_384

/** The content with its bytes, if they are few and all there; without them it is for whoever opens it to find out why. */
export function withBytes(blobs: string, content: StoredContent): StoredContent {
  const { blob, sizeBytes, damaged } = content
  if (sizeBytes === 0 || sizeBytes > SMALL_BYTES_MAX || damaged.length > 0) return content
  let fd: number
  try {
    fd = fs.openSync(blobPath(blobs, blob).file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW)
  } catch {
    return content
  }
  try {
    const bytes = new Uint8Array(sizeBytes)
    return fs.readSync(fd, bytes, 0, sizeBytes, 0) === sizeBytes ? { ...content, bytes } : content
  } catch {
    return content
  } finally {
    fs.closeSync(fd)
  }
}
