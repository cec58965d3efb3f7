/**
 * Digests of blobs, computed in a thread of their own that reads back what was written, behind the marked prefix. Hints go there
 * only when there is a block's worth to hash.
 */
import type { ContentDigest, FileId } from '../storage.ts'
import { workerUrl, WorkerLink } from './worker-link.ts'

const HINT_BYTES = 1024 * 1024

export class Digests {
  readonly #link: WorkerLink
  /** How far the worker was told that each followed blob is written. */
  readonly #hinted = new Map<FileId, number>()

  constructor(blobs: string) {
    this.#link = new WorkerLink(workerUrl(import.meta.url, 'digest-worker'), { blobs })
  }

  advance(blob: FileId, prefixBytes: number): void {
    if (prefixBytes - (this.#hinted.get(blob) ?? 0) < HINT_BYTES) return
    this.#hinted.set(blob, prefixBytes)
    this.#link.hint('advance', [blob, prefixBytes])
  }

  async digest(blob: FileId, sizeBytes: number): Promise<ContentDigest> {
    this.#hinted.delete(blob)
    return await this.#link.call('digest', [blob, sizeBytes]) as ContentDigest
  }

  /** Forgets what was hashed. */
  restart(blob: FileId): void {
    if (this.#hinted.delete(blob)) this.#link.hint('restart', [blob])
  }

  close(): Promise<void> {
    return this.#link.close()
  }
}
