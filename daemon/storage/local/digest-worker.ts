/**
 * The thread that hashes blobs: it follows those that arrive in order, a few blocks of each in turn, and finishes first what
 * somebody waits for. A hash's state cannot be saved, so after a restart a blob is read from its start.
 */
import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import fs from 'node:fs'
import { workerData } from 'node:worker_threads'
import { TallyError } from '../../../protocol/errors.ts'
import { BlockSums } from '../blocks.ts'
import type { ContentDigest, FileId } from '../storage.ts'
import { blobPath } from './blob-path.ts'
import { serveLink } from './worker-link.ts'

const READ_BYTES = 1024 * 1024
/** What one blob gets before the next has its turn and messages are looked at. */
const TURN_BYTES = 4 * READ_BYTES
/** More are hashed only when their digest is asked for. */
const FOLLOWED_MAX = 1024

interface Followed {
  readonly blob: FileId
  readonly hash: Hash
  readonly sums: BlockSums
  hashedBytes: number
  /** Up to here the bytes are written and stay. */
  targetBytes: number
  waiting: { resolve(digest: ContentDigest): void; reject(error: unknown): void } | undefined
}

const { blobs } = workerData as { blobs: string }
const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
const followed = new Map<FileId, Followed>()
let isScheduled = false

serveLink({
  advance: (blob: FileId, prefixBytes: number) => {
    if (!followed.has(blob) && followed.size >= FOLLOWED_MAX) return
    const entry = follow(blob)
    entry.targetBytes = Math.max(entry.targetBytes, prefixBytes)
    schedule()
  },
  digest: (blob: FileId, sizeBytes: number) => new Promise<ContentDigest>((resolve, reject) => {
    // Hashed further than asked, or asked twice at once: from the start, apart from the other.
    const known = followed.get(blob)
    if (known !== undefined && (known.waiting !== undefined || known.hashedBytes > sizeBytes)) stop(known, new TallyError('internal', 'asked anew'))
    const entry = follow(blob)
    entry.targetBytes = sizeBytes
    entry.waiting = { resolve, reject }
    schedule()
  }),
  restart: (blob: FileId) => {
    const entry = followed.get(blob)
    if (entry !== undefined) stop(entry, new TallyError('internal', 'the blob is written anew'))
  },
  close: () => {
    for (const entry of followed.values()) stop(entry, new TallyError('shutting-down', 'the store is closed'))
  },
})

function follow(blob: FileId): Followed {
  const known = followed.get(blob)
  if (known !== undefined) return known
  const entry: Followed = { blob, hash: createHash('sha256'), sums: new BlockSums(), hashedBytes: 0, targetBytes: 0, waiting: undefined }
  followed.set(blob, entry)
  return entry
}

function stop(entry: Followed, error: unknown): void {
  followed.delete(entry.blob)
  entry.waiting?.reject(error)
}

function schedule(): void {
  if (isScheduled) return
  isScheduled = true
  setImmediate(turn)
}

/** One turn: of what is waited for if there is any, else of what lies behind. */
function turn(): void {
  isScheduled = false
  let behind: Followed | undefined
  for (const entry of followed.values()) {
    if (entry.waiting !== undefined) {
      behind = entry
      break
    }
    if (behind === undefined && entry.hashedBytes < entry.targetBytes) behind = entry
  }
  if (behind === undefined) return
  // To the end of the line, for the next turn to find another.
  followed.delete(behind.blob)
  followed.set(behind.blob, behind)
  try {
    hashSome(behind)
    if (behind.waiting !== undefined && behind.hashedBytes === behind.targetBytes) {
      followed.delete(behind.blob)
      behind.waiting.resolve({ digest: `sha256:${behind.hash.digest('hex')}`, sums: behind.sums.end() })
    }
  } catch (error) {
    stop(behind, error)
  }
  schedule()
}

/** Throws `content-damaged` where the blob is absent or shorter than was said. */
function hashSome(entry: Followed): void {
  const end = Math.min(entry.targetBytes, entry.hashedBytes + TURN_BYTES)
  if (entry.hashedBytes >= end) return
  const fd = openBlob(entry.blob)
  try {
    while (entry.hashedBytes < end) {
      const read = fs.readSync(fd, buffer, 0, Math.min(READ_BYTES, end - entry.hashedBytes), entry.hashedBytes)
      if (read === 0) throw new TallyError('content-damaged', `blob ${entry.blob} is short`)
      const bytes = buffer.subarray(0, read)
      entry.hash.update(bytes)
      entry.sums.update(bytes)
      entry.hashedBytes += read
    }
  } finally {
    fs.closeSync(fd)
  }
}

function openBlob(blob: FileId): number {
  try {
    return fs.openSync(blobPath(blobs, blob).file, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new TallyError('content-damaged', `blob ${blob} is absent`)
    throw error
  }
}
