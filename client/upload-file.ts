/**
 * One file of an upload: which of its chunks were acknowledged, which were sent, and which comes next. Pure bookkeeping; it sends nothing
 * and asks nobody.
 */
import { ChunkSet, type FileAnnouncement, type FileReport, type FileState, type Run } from '../protocol/index.ts'
import type { UploadCounts } from './events.ts'
import type { Source } from './source.ts'

/** What is known of a file besides its bytes; as in AUTHENTICATION. */
export type FileLabel = Pick<FileAnnouncement, 'name' | 'mediaType' | 'modifiedMs' | 'expiresMs' | 'tags' | 'meta'>

/**
 * Invariants: `#acknowledged` holds what the daemon answered Ok for or reported as present, and only `lose` takes out of it. Below
 * `#cursor` every chunk was acknowledged or sent in the present attempt.
 */
export class UploadFile {
  readonly number: number
  readonly source: Source
  readonly label: FileLabel
  state: FileState = 'receiving'
  chunkSizeBytes = 0
  /** Told to the daemon or about to be. */
  digest: string | undefined
  /** The digest is that of what was read here: the last chunk may go. */
  isHashed = false
  /** The digest came from the caller, who may be wrong. */
  readonly isDigestGiven: boolean
  /** When the daemon removes the file once it is stored, as it reported last; undefined: it stays. */
  expiresMs: number | undefined
  /** Of the file's bytes, repetitions included. */
  sentBytes = 0
  /** `digest-mismatch` so far. */
  mismatches = 0
  readonly #counts: UploadCounts
  readonly #acknowledged = new ChunkSet()
  /** Acknowledged since the report at hand was asked for: it may not know of them yet. */
  #acknowledgedSince = new ChunkSet()
  /**
   * Whether the report at hand was asked for with the file's size: without it, it does not list what lies behind the last chunk that came.
   */
  #isSizeTold = false
  #isDigestTold = false
  readonly #sent = new ChunkSet()
  #cursor = 0
  #lastMissing = -1

  constructor(number: number, source: Source, label: FileLabel, counts: UploadCounts, digest?: string) {
    this.number = number
    this.digest = digest
    this.isDigestGiven = digest !== undefined
    this.source = source
    this.label = label
    this.#counts = counts
  }

  /** How many chunks the file has; 0 while its size is not known. */
  get chunkCount(): number {
    return Math.ceil((this.source.sizeBytes ?? 0) / this.chunkSizeBytes)
  }

  get acknowledgedChunks(): number {
    return this.#acknowledged.size
  }

  get announcement(): FileAnnouncement {
    return { ...this.label, sizeBytes: this.source.sizeBytes, ...(this.digest === undefined ? {} : { digest: this.digest }) }
  }

  /** The daemon was told size and digest, when the report at hand was asked for. */
  get isTold(): boolean {
    return this.#isSizeTold && this.#isDigestTold
  }

  /** To be called before a report is asked for, with what `announcement` says then. */
  beginReport(): void {
    this.#isSizeTold = this.source.sizeBytes !== null
    this.#isDigestTold = this.digest !== undefined
    this.#acknowledgedSince = new ChunkSet()
  }

  /**
   * Takes what the daemon says about this file. Returns how many chunks turned out to be present that were in flight here, and whether
   * the whole content was refused while we did not listen. That a file is stored is left to the caller to note.
   */
  takeReport(report: FileReport & { readonly chunkSizeBytes: number }): { landed: number; mismatched: boolean } {
    const { state, missing } = report
    this.chunkSizeBytes = report.chunkSizeBytes
    this.expiresMs = report.expiresMs
    if (state !== 'stored') this.state = state
    if (state === 'removed') return { landed: 0, mismatched: false }
    if (state !== 'receiving') return { landed: this.acknowledge(0, this.chunkCount), mismatched: false }
    if (this.#wasRefused(missing)) return { landed: 0, mismatched: true }
    for (const [first, count] of missing) this.#lose(first, count)
    if (!this.#isSizeTold) return { landed: 0, mismatched: false }
    let landed = 0
    let at = 0
    for (const [first, count] of missing) {
      if (first > at) landed += this.acknowledge(at, first - at)
      at = first + count
    }
    if (at < this.chunkCount) landed += this.acknowledge(at, this.chunkCount - at)
    return { landed, mismatched: false }
  }

  /** Returns how many of these chunks were in flight until now. */
  acknowledge(first: number, count: number): number {
    if (count === 1 ? this.#acknowledged.has(first) : this.#acknowledged.missing(first + count, 1, first).length === 0) return 0
    let landed = 0
    for (const [gap, length] of this.#acknowledged.missing(first + count, Infinity, first)) {
      landed += Math.max(0, Math.min(gap + length, this.#cursor) - gap)
    }
    this.#acknowledged.addRun(first, count)
    this.#acknowledgedSince.addRun(first, count)
    if (first <= this.#lastMissing && this.#lastMissing < first + count) this.#lastMissing = this.#findLastMissing()
    this.source.release(this.#acknowledged.firstMissing() * this.chunkSizeBytes)
    return landed
  }

  /** What comes next is counted from the start again: nothing is in flight any more. */
  beginAttempt(): void {
    this.#cursor = 0
    this.#lastMissing = this.#findLastMissing()
  }

  /** The next chunk to send, not counting what is in flight; undefined where there is none (of a file whose size is known). */
  next(): number | undefined {
    const chunk = this.#acknowledged.firstMissing(this.#cursor)
    return this.source.sizeBytes === null || chunk < this.chunkCount ? chunk : undefined
  }

  /** Whether no chunk after this one is left to send: it is the one that is held back until the digest is told. */
  async isLast(chunk: number): Promise<boolean> {
    if (this.source.sizeBytes === null && await this.source.reaches((chunk + 1) * this.chunkSizeBytes)) return false
    if (this.#lastMissing === Infinity) this.#lastMissing = this.#findLastMissing()
    return chunk >= this.#lastMissing
  }

  /** As `isLast`, where the answer needs no waiting. */
  isSurelyNotLast(chunk: number): boolean {
    return chunk < this.#lastMissing && this.#lastMissing !== Infinity
  }

  /** This chunk, which `next` gave, is being sent, with so many bytes. */
  sending(chunk: number, bytes: number): void {
    this.#cursor = chunk + 1
    this.sentBytes += bytes
    this.#counts.chunksSent++
    if (this.#acknowledged.has(chunk)) this.#counts.acknowledgedSentAgain++
    else if (!this.#sent.add(chunk)) this.#counts.chunksSentTwice++
  }

  /** After `digest-mismatch`: everything is missing again, by the protocol's leave. Returns false where the bytes cannot be had again. */
  startOver(): boolean {
    this.mismatches++
    this.#acknowledged.clear()
    this.#sent.clear()
    this.#cursor = 0
    return this.source.rewind()
  }

  /** Reported missing. What was acknowledged before the report was asked for was lost by the daemon: to be sent again, and counted. */
  #lose(first: number, count: number): void {
    const end = first + count
    for (let at = first; at < end;) {
      const gap = this.#acknowledged.missing(end, 1, at)[0] ?? [end, 0]
      for (; at < gap[0]; at++) {
        if (this.#acknowledgedSince.has(at)) continue
        this.#acknowledged.delete(at)
        this.#counts.acknowledgedLost++
        this.#counts.acknowledgedSentAgain++
      }
      at = gap[0] + gap[1]
    }
  }

  /** Every chunk was sent, the digest was told, and all of it is missing: the answer `digest-mismatch` was lost. */
  #wasRefused(missing: readonly Run[]): boolean {
    if (this.digest === undefined || this.#acknowledged.size === 0 || missing[0]?.[1] !== this.chunkCount) return false
    return this.#everythingWasSent()
  }

  #everythingWasSent(): boolean {
    for (const [first, count] of this.#acknowledged.missing(this.chunkCount, Infinity)) {
      if (this.#sent.missing(first + count, 1, first).length > 0) return false
    }
    return true
  }

  #findLastMissing(): number {
    if (this.source.sizeBytes === null) return Infinity
    const count = this.chunkCount
    if (this.#acknowledged.end < count) return count - 1
    const last = this.#acknowledged.missing(count, Infinity).at(-1)
    return last === undefined ? -1 : last[0] + last[1] - 1
  }
}
