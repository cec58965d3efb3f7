/**
 * Blobs on the disk: written at any offset, synced in groups, hashed behind, read, removed. A blob never moves: its name follows
 * from its id (`blob-path.ts`), and it exists before the first mark that relies on it, because `sync` makes its name durable too.
 */
import { hash } from 'node:crypto'
import path from 'node:path'
import { TallyError } from '../../../protocol/errors.ts'
import type { Run } from '../../../protocol/messages.ts'
import type { ContentDigest, ContentReader, Contents, Durability, FileId, Repair } from '../storage.ts'
import { blobPath } from './blob-path.ts'
import { Digests } from './digests.ts'
import { BlobDirectories } from './directories.ts'
import { storageError } from './failures.ts'
import type { Health } from './failures.ts'
import type { FileSystem } from './file-system.ts'
import type { FreeSpace } from './free-space.ts'
import { Handles } from './handles.ts'
import type { Handle } from './handles.ts'
import { workerUrl, WorkerLink } from './worker-link.ts'

/** Below half of the usual limit of 1,024 descriptors; sockets and readers need some too. */
const HANDLES_MAX = 400
/** Up to here a write on the calling thread costs less than the way to the pool and back (measured: docs/design.md). */
const WRITE_NOW_BYTES_MAX = 128 * 1024
/** Up to here a blob that was just written is hashed on the calling thread, for the same reason. */
const DIGEST_NOW_BYTES_MAX = 64 * 1024
/** How many removed blobs are remembered, so that a write that was under way does not make one anew. */
const REMOVED_REMEMBERED = 65_536

export class LocalContents implements Contents {
  readonly #fs: FileSystem
  readonly #blobs: string
  readonly #durability: Durability
  readonly #health: Health
  readonly #free: FreeSpace
  readonly #directories: BlobDirectories
  readonly #handles: Handles
  readonly #digests: Digests
  /** A thread that is there once something has to be checked. */
  readonly #checker: WorkerLink
  readonly #removed = new Set<FileId>()
  /** Contents that a repair writes to, and its end. */
  readonly #repairing = new Map<FileId, Promise<unknown>>()
  readonly #smallBlob = Buffer.allocUnsafeSlow(DIGEST_NOW_BYTES_MAX)

  constructor(directory: string, durability: Durability, health: Health, free: FreeSpace, fileSystem: FileSystem) {
    this.#fs = fileSystem
    this.#blobs = path.join(directory, 'blobs')
    this.#durability = durability
    this.#health = health
    this.#free = free
    this.#directories = new BlobDirectories(fileSystem)
    this.#digests = new Digests(this.#blobs)
    this.#checker = new WorkerLink(workerUrl(import.meta.url, 'check-worker'), { blobs: this.#blobs })
    this.#handles = new Handles({
      open: blob => this.#open(blob),
      sync: handle => this.#sync(handle),
      close: async fd => {
        try {
          fileSystem.closeNow(fd)
        } catch {
          // What was written was synced before, or is not wanted any more.
        }
      },
    }, HANDLES_MAX)
  }

  async write(blob: FileId, offsetBytes: number, pieces: readonly Uint8Array[]): Promise<void> {
    this.#health.check()
    if (this.#removed.has(blob)) return
    this.#free.spend(lengthOf(pieces))
    try {
      const handle = this.#handles.use(blob) ?? await this.#handles.acquire(blob)
      try {
        await this.#writeAll(handle.fd, pieces, offsetBytes)
      } finally {
        // Counted when it is over, failed ones too: a sync that began before must not pass for one that covers it.
        if (this.#durability === 'power') handle.written++
        this.#handles.done(handle)
      }
    } catch (cause) {
      if (this.#removed.has(blob)) return
      throw this.#health.failed(cause)
    }
  }

  async sync(blobs: readonly FileId[]): Promise<void> {
    this.#health.check()
    if (this.#durability === 'process') return
    // A blob that is not open has nothing unsynced: its descriptor was closed only after a sync.
    const handles = [...new Set(blobs)].map(blob => this.#handles.use(blob)).filter(handle => handle !== undefined)
    const results = await Promise.allSettled(handles.map(handle => this.#sync(handle).finally(() => this.#handles.done(handle))))
    const failed = results.find(result => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  advance(blob: FileId, prefixBytes: number): void {
    this.#digests.advance(blob, prefixBytes)
  }

  async digest(blob: FileId, sizeBytes: number): Promise<ContentDigest> {
    const digest = sizeBytes > DIGEST_NOW_BYTES_MAX ? undefined : this.#digestNow(blob, sizeBytes)
    return digest === undefined ? this.#digests.digest(blob, sizeBytes) : { digest, sums: new Uint8Array(0) }
  }

  async check(blob: FileId, sizeBytes: number, digest: string, sums: Uint8Array): Promise<readonly Run[]> {
    return await this.#checker.call('check', [blob, sizeBytes, digest, sums]) as readonly Run[]
  }

  async repair(repair: Repair): Promise<string | undefined> {
    this.#health.check()
    if (this.#removed.has(repair.content)) throw new TallyError('not-found', `blob ${repair.content} was removed`)
    const call = this.#checker.call('repair', [repair])
    const end = Promise.allSettled([call, this.#repairing.get(repair.content)])
    this.#repairing.set(repair.content, end)
    try {
      return await call as string | undefined
    } catch (cause) {
      throw this.#health.failed(cause)
    } finally {
      if (this.#repairing.get(repair.content) === end) this.#repairing.delete(repair.content)
    }
  }

  restart(blob: FileId): void {
    this.#digests.restart(blob)
  }

  async release(blob: FileId): Promise<void> {
    this.#digests.restart(blob)
    this.#handles.release(blob)
  }

  async open(blob: FileId): Promise<ContentReader> {
    let fd: number
    try {
      fd = await this.#fs.openForReading(blobPath(this.#blobs, blob).file)
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') throw new TallyError('content-damaged', `blob ${blob} is absent`, {}, { cause })
      throw storageError(cause)
    }
    return {
      read: (offsetBytes, lengthBytes) => this.#readAll(fd, blob, offsetBytes, lengthBytes),
      close: () => this.#fs.close(fd).catch(() => {}),
    }
  }

  async remove(blob: FileId): Promise<void> {
    this.#removed.add(blob)
    if (this.#removed.size > REMOVED_REMEMBERED) this.#removed.delete(this.#removed.values().next().value as FileId)
    this.#digests.restart(blob)
    // A repair may make it anew. Its id is not forgotten before this returns, so a crash leaves no blob without a record.
    await this.#repairing.get(blob)
    await this.#handles.drop(blob)
    const { directory, file } = blobPath(this.#blobs, blob)
    await this.#fs.unlink(file).catch(ignoreAbsent)
    if (this.#durability === 'process') return
    // Also for one that was absent: an earlier run may have unlinked it without living to sync.
    await this.#directories.sync(directory).catch(ignoreAbsent).catch(cause => {
      throw this.#health.failed(asFailedSync(cause))
    })
  }

  async close(): Promise<void> {
    await this.#handles.closeAll()
    await Promise.all([this.#digests.close(), this.#checker.abort()])
  }

  async #open(blob: FileId): Promise<number> {
    const { directory, file } = blobPath(this.#blobs, blob)
    await this.#directories.make(directory)
    if (this.#removed.has(blob)) throw new TallyError('not-found', `blob ${blob} was removed`)
    return this.#fs.openForWriting(file)
  }

  /** Bytes and name. What fails here is never tried again: `Health` refuses every later change. */
  async #sync(handle: Handle): Promise<void> {
    const { written } = handle
    if (written === handle.synced && handle.isNameDurable) return
    try {
      const { directory } = blobPath(this.#blobs, handle.blob)
      await Promise.all([this.#fs.syncData(handle.fd), handle.isNameDurable ? undefined : this.#directories.sync(directory)])
      this.#health.check()
    } catch (cause) {
      throw this.#health.failed(asFailedSync(cause))
    }
    handle.isNameDurable = true
    handle.synced = Math.max(handle.synced, written)
  }

  /** Reads back a small blob that is open for writing, so its bytes are in memory; undefined where it is not, or cannot be read. */
  #digestNow(blob: FileId, sizeBytes: number): string | undefined {
    const handle = this.#handles.use(blob)
    if (handle === undefined) return undefined
    try {
      const bytes = this.#smallBlob.subarray(0, sizeBytes)
      return this.#fs.readNow(handle.fd, bytes, 0) === sizeBytes ? `sha256:${hash('sha256', bytes)}` : undefined
    } catch {
      return undefined
    } finally {
      this.#handles.done(handle)
    }
  }

  async #writeAll(fd: number, pieces: readonly Uint8Array[], offsetBytes: number): Promise<void> {
    let left = pieces
    let at = offsetBytes
    for (let leftBytes = lengthOf(left); leftBytes > 0; leftBytes = lengthOf(left)) {
      const written = leftBytes <= WRITE_NOW_BYTES_MAX ? this.#fs.writeNow(fd, left, at) : await this.#fs.write(fd, left, at)
      if (written === 0) throw new TallyError('storage-full', 'the disk takes no more bytes')
      if (written === leftBytes) return
      left = without(left, written)
      at += written
    }
  }

  async #readAll(fd: number, blob: FileId, offsetBytes: number, lengthBytes: number): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafeSlow(lengthBytes)
    for (let done = 0; done < lengthBytes;) {
      const read = await this.#fs.read(fd, bytes.subarray(done), offsetBytes + done).catch(cause => {
        throw storageError(cause)
      })
      if (read === 0) throw new TallyError('content-damaged', `blob ${blob} is short`)
      done += read
    }
    return bytes
  }
}

function lengthOf(pieces: readonly Uint8Array[]): number {
  let length = 0
  for (const piece of pieces) length += piece.length
  return length
}

/** What is left of the pieces after so many bytes: a disk may take fewer than it was given. */
function without(pieces: readonly Uint8Array[], written: number): Uint8Array[] {
  const left: Uint8Array[] = []
  let skip = written
  for (const piece of pieces) {
    if (skip < piece.length) left.push(piece.subarray(skip))
    skip = Math.max(0, skip - piece.length)
  }
  return left
}

/** Whatever a sync fails with, also for want of room: the kernel no longer knows which pages it did not write. */
function asFailedSync(cause: unknown): TallyError {
  const hasBegun = !(cause instanceof TallyError) && (cause as NodeJS.ErrnoException).syscall !== 'open'
  return hasBegun ? new TallyError('storage-failed', 'the disk failed to sync', {}, { cause }) : storageError(cause)
}

function ignoreAbsent(cause: NodeJS.ErrnoException): void {
  if (cause.code !== 'ENOENT') throw storageError(cause)
}
