/** Where a blob lies: `blobs/XXX/XXXXXXXX`, its id in hexadecimal, 4,096 neighbours to a directory. */
import path from 'node:path'
import type { FileId } from '../storage.ts'

export interface BlobPath {
  readonly directory: string
  readonly file: string
}

/** A directory's name in `blobs/`. */
export const SHARD = /^[0-9a-f]{3,}$/

export function blobPath(blobs: string, blob: FileId): BlobPath {
  const directory = path.join(blobs, Math.floor(blob / 4096).toString(16).padStart(3, '0'))
  return { directory, file: path.join(directory, blob.toString(16).padStart(8, '0')) }
}
