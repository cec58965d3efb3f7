/**
 * One file of a live transfer: which chunks are marked, which are on the way, and what each answer has to wait for
 * (docs/design.md, "The life of a file in a transfer"). It decides what a chunk means for the file; when its bytes and its mark become
 * durable is the group commit's business, how the digest is computed is `finish.ts`'s.
 */
import { CHUNKS_PER_PAGE, ChunkSet } from '../../protocol/chunk-set.ts'
import { TallyError } from '../../protocol/errors.ts'
import { CHUNKS_PER_FILE_MAX } from '../../protocol/limits.ts'
import type { FileReport, FileState, Run } from '../../protocol/messages.ts'
import type { ChunkKind, FileId, FileRecord, Mark, Pair, ReceiptPage, TransferId } from '../storage/storage.ts'
import { Group } from './group.ts'
import { Held, type HeldChange } from './held.ts'
import type { ChunkReply } from './reply.ts'

/** What an upload needs from its surroundings. */
export interface UploadHost {
  /** The upload has a group: include it in the next commit cycle. */
  gathered(upload: Upload): void
  /** Chunks were marked, and others are missing still. */
  arrived(upload: Upload): void
  /** Every chunk is marked: compute the digest and store the file. Called again after a failed try. */
  complete(upload: Upload): void
  /** A group of opaque chunks failed: what was placed after them must not become durable before them. */
  opaqueFailed(group: Group): void
  /** The digest of a file that was filled with opaque chunks differed. */
  opaqueMismatched(upload: Upload): void
  readonly fileBytesMax: number
  /** So many pages of chunk sets more, or fewer. */
  pagesTaken(pages: number): void
  /** A chunk may take one page more. */
  readonly hasRoomForPage: boolean
}

export class Upload {
  readonly id: FileId
  readonly transfer: TransferId
  readonly number: number
  readonly name: string
  sizeBytes: number | null
  /** A size that is being written down just now: nothing may be claimed past it any more. */
  sizeToldBytes: number | null = null
  chunkSizeBytes: number
  kind: ChunkKind | null
  /** As announced, until the file is stored; then as computed. */
  digest: string | null
  /** When it is removed once it is stored; null: it stays. */
  expiresMs: number | null
  state: 'receiving' | 'stored' | 'removed'
  /** Durable in the catalog, not yet written to the blob. */
  held: Held
  /** Marked chunks. */
  readonly marked: ChunkSet
  /** Marked chunks and those that the running cycle is about to mark: a superset of `marked`. */
  readonly marking: ChunkSet
  /** The blob of its repair, while it is under repair: it was stored, and receives the chunks of damaged blocks once more. */
  repair: FileId | null
  /** A digest is being computed. */
  isFinishing = false
  /** It is being removed: no chunk is accepted and none acknowledged any more. */
  isClosing = false
  readonly #host: UploadHost
  readonly #chunkSizeAnnouncedBytes: number
  #group: Group | undefined
  /** Answers that wait for the file to be stored. */
  #waiting: { chunk: number; reply: ChunkReply }[] = []
  #lastFailure: TallyError | undefined
  #wasStored: boolean
  #wasMarked: boolean
  readonly #wasNeverSent: boolean
  /** As told to the host. */
  #pages = 0

  constructor(record: FileRecord, transfer: TransferId, chunkSizeBytes: number, host: UploadHost) {
    this.id = record.id
    this.transfer = transfer
    this.number = record.number
    this.name = record.name
    this.sizeBytes = record.sizeBytes
    this.chunkSizeBytes = record.chunkSizeBytes
    this.kind = record.repair === null ? record.kind : 'numbered'
    this.digest = record.digest
    this.expiresMs = record.expiresMs
    this.repair = record.repair
    this.state = record.repair === null ? record.state : 'receiving'
    this.held = new Held(record.held)
    this.marked = ChunkSet.fromPages(record.receipts)
    this.marking = ChunkSet.fromPages(record.receipts)
    this.#wasStored = record.storedMs !== null
    this.#wasMarked = record.kind !== null
    this.#wasNeverSent = this.#wasStored && record.kind === null && record.sizeBytes !== 0
    this.#chunkSizeAnnouncedBytes = chunkSizeBytes
    this.#host = host
    this.#tellPages()
  }

  /** What its chunks are written to. */
  get blob(): FileId {
    return this.repair ?? this.id
  }

  /** How many chunks the file has; undefined while its size is not known. */
  get chunkCount(): number | undefined {
    return this.sizeBytes === null ? undefined : Math.ceil(this.sizeBytes / this.chunkSizeBytes)
  }

  /** Every chunk is marked and the size is known, but the file is not stored yet. */
  get isComplete(): boolean {
    return this.state === 'receiving' && this.marked.size === this.chunkCount
  }

  /** No chunk has come yet, not even a pending one, nor one that was forgotten with a digest that differed. */
  get isUntouched(): boolean {
    return this.#hasNoChunk && !this.#wasMarked
  }

  get #hasNoChunk(): boolean {
    return this.state === 'receiving' && !this.#wasStored && this.marking.size === 0 && this.#group === undefined
  }

  /** Why chunks were refused, or finishing failed, the last time. */
  get lastFailure(): TallyError | undefined {
    return this.#lastFailure
  }

  /** Neither marked nor on its way. */
  isFree(chunk: number): boolean {
    return this.state === 'receiving' && !this.marking.has(chunk) && !(this.#group?.chunks.has(chunk) ?? false)
  }

  /** It was removed, or is being removed, before it was stored. */
  get #wasGivenUp(): boolean {
    return (this.isClosing || this.state === 'removed') && !this.#wasStored
  }

  /**
   * It was stored without a chunk, as its content was there already, or it was given up: whoever does not know that sends its chunks all
   * the same.
   */
  get mayGetStrayChunks(): boolean {
    return this.#wasGivenUp || this.#wasNeverSent
  }

  /** Something of it is not decided yet. */
  get hasPending(): boolean {
    return this.#group !== undefined || this.marking.size !== this.marked.size || this.#waiting.length > 0 || this.held.moving !== undefined
  }

  /** Every place is taken, by marked or pending chunks. */
  get isFull(): boolean {
    return this.marking.size + (this.#group?.chunks.size ?? 0) === this.chunkCount
  }

  /** The group, which was taken, is all of the file, in one numbered chunk: then it may be stored without a mark. */
  isWholly(group: Group): boolean {
    return this.chunkCount === 1 && group.order.length === 1 && this.kind === 'numbered' && this.repair === null && !this.isClosing
  }

  /** One past the highest byte that whole chunks have claimed, pending ones included. */
  get claimedBytes(): number {
    const bytes = Math.max(this.marking.end, this.#group?.chunks.end ?? 0) * this.chunkSizeBytes
    return this.sizeBytes === null ? bytes : Math.min(bytes, this.sizeBytes)
  }

  /** The first place that no chunk has, pending ones included. */
  firstFree(): number {
    let chunk = this.marking.firstMissing()
    while (this.#group?.chunks.has(chunk)) chunk = this.marking.firstMissing(this.#group.chunks.firstMissing(chunk))
    return chunk
  }

  /** The length that the chunk must have; undefined where the file has no such place. */
  expectedBytes(chunk: number): number | undefined {
    if (this.sizeBytes === null) {
      if (this.sizeToldBytes !== null && (chunk + 1) * this.chunkSizeBytes > this.sizeToldBytes) return undefined
      return chunk < CHUNKS_PER_FILE_MAX ? this.chunkSizeBytes : undefined
    }
    const left = this.sizeBytes - chunk * this.chunkSizeBytes
    return left > 0 ? Math.min(left, this.chunkSizeBytes) : undefined
  }

  /**
   * Takes one chunk. Its reply comes when it is marked, or when the whole file is stored (the completing chunk, and every one that
   * comes while the file is finishing), or with `chunk-unknown`, `chunk-length`, `file-too-big`, or the code of a failed cycle.
   */
  receive(chunk: number, data: Uint8Array, kind: ChunkKind, reply: ChunkReply, pair?: Pair): void {
    const refusal = this.#judge(chunk, data.length, kind)
    if (refusal !== undefined) {
      reply.refused(refusal)
      return
    }
    if (this.state === 'stored' || this.marked.has(chunk)) {
      this.#answerMarked(chunk, reply)
      return
    }
    // Opaque ones come in order.
    if (kind === 'numbered' && this.#takesPage(chunk) && !this.#host.hasRoomForPage) {
      reply.refused(new TallyError('busy', 'too many chunks that are far apart are known of unfinished files: send them in order', { 'retry-after': 5_000 }))
      return
    }
    const group = this.#gathering()
    if (this.marking.has(chunk) || group.chunks.has(chunk)) {
      group.addDuplicate(chunk, reply)
      return
    }
    this.kind = kind
    group.add(chunk, chunk * this.chunkSizeBytes, data, reply)
    if (pair !== undefined) group.pairs.push(pair)
  }

  /** Hands the gathered group to the group commit; its chunks count as being marked from now on. */
  take(): Group | undefined {
    const group = this.#group
    this.#group = undefined
    if (group === undefined) return undefined
    for (const [first, count] of group.chunks.runs()) this.marking.addRun(first, count)
    this.#tellPages()
    return group
  }

  /** The receipt of a taken group: the pages it touched, whole. */
  mark(group: Group, { held, release }: HeldChange): Mark {
    const pages = new Set<number>()
    for (const [first, count] of group.chunks.runs()) {
      const last = Math.floor((first + count - 1) / CHUNKS_PER_PAGE)
      for (let page = Math.floor(first / CHUNKS_PER_PAGE); page <= last; page++) pages.add(page)
    }
    const encoded: ReceiptPage[] = [...pages].map(page => ({ page, bytes: this.marking.encodePage(page) }))
    return {
      file: this.id,
      transfer: this.transfer,
      pages: encoded,
      pairs: group.pairs,
      held,
      releaseHeld: release,
      kind: this.kind ?? 'numbered',
      chunkSizeBytes: this.chunkSizeBytes,
      receivedBytes: this.#markingBytes(),
    }
  }

  /** The group is durable: this is where acknowledgements come from. */
  committed(group: Group): void {
    this.#wasMarked = true
    for (const [first, count] of group.chunks.runs()) this.marked.addRun(first, count)
    const completed = this.isComplete
    const last = group.order.length - 1
    for (let i = 0; i <= last; i++) {
      const chunk = group.order[i] as number
      const reply = group.replies[i] as ChunkReply
      if (this.isClosing) reply.refused(removedError())
      else if (completed && i === last) this.#waiting.push({ chunk, reply })
      else reply.acknowledged(this.number, chunk, undefined)
    }
    this.#settleDuplicates(group)
    if (!completed) this.#host.arrived(this)
    else if (!this.isClosing) this.#host.complete(this)
  }

  /** The file is stored, of which the group was the whole. */
  storedWholly(group: Group, digest: string): void {
    for (const reply of group.replies) {
      if (this.isClosing) reply.refused(removedError())
      else this.#waiting.push({ chunk: 0, reply })
    }
    this.stored(digest)
    this.#settleDuplicates(group)
  }

  /** The cycle failed: its chunks are missing again. */
  failed(group: Group, error: TallyError): void {
    this.#lastFailure = error
    for (const chunk of group.order) this.marking.delete(chunk)
    this.#tellPages()
    if (group.pairs.length > 0) this.#host.opaqueFailed(group)
    if (this.#hasNoChunk) {
      this.kind = null
      this.chunkSizeBytes = this.#chunkSizeAnnouncedBytes
    }
    for (const reply of group.replies) reply.refused(error)
    this.#settleDuplicates(group)
  }

  /** Takes away what was gathered and not taken; who waits for it is still to be answered. */
  drop(): Group | undefined {
    const group = this.#group
    this.#group = undefined
    return group
  }

  /**
   * What is known of the repair of this file, which is or was stored: with a record it is under repair, and the chunks that the record does
   * not have are missing; without one its content is whole.
   */
  noteRepair(record: FileRecord | undefined): void {
    if (this.isClosing || this.isFinishing || this.hasPending || this.repair === (record?.repair ?? null)) return
    if (record === undefined) return this.stored(this.digest as string)
    this.state = 'receiving'
    this.repair = record.repair
    this.marked.clear()
    this.marking.clear()
    this.kind = 'numbered'
    this.held.forget()
    this.held = new Held(record.held)
    for (const [first, count] of ChunkSet.fromPages(record.receipts).runs()) {
      this.marked.addRun(first, count)
      this.marking.addRun(first, count)
    }
    this.#tellPages()
  }

  /** The digest was computed and agreed, and the catalog shows the file. */
  stored(digest: string): void {
    this.state = 'stored'
    this.repair = null
    this.#wasStored = true
    this.digest = digest
    this.#clear()
    for (const { chunk, reply } of this.#waiting.splice(0)) reply.acknowledged(this.number, chunk, { file: this.number, digest })
  }

  /** Finishing failed: with a mismatch no chunk is marked any more, else a later chunk or report tries again. */
  finishFailed(error: TallyError): void {
    this.#lastFailure = error
    if (error.code === 'digest-mismatch') {
      this.#clear()
      if (this.kind === 'opaque') this.#host.opaqueMismatched(this)
    }
    for (const { reply } of this.#waiting.splice(0)) reply.refused(error)
  }

  /** Removal begins: nothing is accepted or acknowledged from now on, unless `reopen` takes it back. */
  close(): void {
    this.isClosing = true
    const error = removedError()
    this.drop()?.refuse(error)
    for (const { reply } of this.#waiting.splice(0)) reply.refused(error)
  }

  /** The removal failed: the file is as it was. */
  reopen(): void {
    this.isClosing = false
  }

  /** The records are gone. */
  removed(): void {
    this.close()
    this.state = 'removed'
    this.#clear()
  }

  /** Its part of a report: at most so many runs of what is not marked, from a chunk on. Pending chunks are missing still. */
  report(runsMax: number, from: number): FileReport {
    const state: FileState = this.isComplete ? 'finishing' : this.state
    const end = this.chunkCount ?? this.marked.end
    const missing: Run[] = state === 'receiving' && from < end ? this.marked.missing(end, runsMax, from) : []
    return {
      state,
      missing,
      ...(this.chunkSizeBytes === this.#chunkSizeAnnouncedBytes ? {} : { chunkSizeBytes: this.chunkSizeBytes }),
      ...(this.digest === null ? {} : { digest: this.digest }),
      ...(this.expiresMs === null || state === 'removed' ? {} : { expiresMs: this.expiresMs }),
    }
  }

  #judge(chunk: number, lengthBytes: number, kind: ChunkKind): TallyError | undefined {
    if (this.isClosing || this.state === 'removed') return removedError()
    if (this.kind !== null && this.kind !== kind) {
      return new TallyError('chunk-unknown', `file ${this.number} takes ${this.kind} chunks; a file takes either kind, never both`)
    }
    const expected = this.expectedBytes(chunk)
    if (expected === undefined) return new TallyError('chunk-unknown', `file ${this.number} has no chunk ${chunk}`)
    if (lengthBytes !== expected) {
      return new TallyError('chunk-length', `chunk ${chunk} of file ${this.number} has ${expected} bytes, not ${lengthBytes}`, { expected })
    }
    const limit = this.#host.fileBytesMax
    if (this.sizeBytes === null && (chunk + 1) * this.chunkSizeBytes > limit) {
      return new TallyError('file-too-big', `a file may have ${limit} bytes`, { limit })
    }
    return undefined
  }

  /** The bytes of all chunks in `marking`; only the last one may be shorter than the others. */
  #markingBytes(): number {
    const count = this.chunkCount
    const whole = this.marking.size * this.chunkSizeBytes
    if (this.sizeBytes === null || count === undefined || !this.marking.has(count - 1)) return whole
    return whole - (count * this.chunkSizeBytes - this.sizeBytes)
  }

  #answerMarked(chunk: number, reply: ChunkReply): void {
    if (this.state === 'stored') reply.acknowledged(this.number, chunk, { file: this.number, digest: this.digest ?? '' })
    else if (!this.isComplete) reply.acknowledged(this.number, chunk, undefined)
    else {
      // Nobody knows after a restart which chunk came last, and the last one's Ok says `stored`: so all wait.
      this.#waiting.push({ chunk, reply })
      this.#host.complete(this)
    }
  }

  #settleDuplicates(group: Group): void {
    for (let i = 0; i < group.duplicateOrder.length; i++) {
      const chunk = group.duplicateOrder[i] as number
      const reply = group.duplicateReplies[i] as ChunkReply
      if (this.isClosing || this.state === 'removed') reply.refused(removedError())
      else if (this.state === 'stored' || this.marked.has(chunk)) this.#answerMarked(chunk, reply)
      else reply.refused(this.#lastFailure ?? new TallyError('storage-failed', 'the chunk could not be stored'))
    }
  }

  /** No chunk is marked any more. */
  #clear(): void {
    this.held.clear()
    this.marked.clear()
    this.marking.clear()
    this.#tellPages()
  }

  #takesPage(chunk: number): boolean {
    return !this.marking.hasPageOf(chunk) && !(this.#group?.chunks.hasPageOf(chunk) ?? false)
  }

  #tellPages(): void {
    this.#host.pagesTaken(this.marking.pageCount - this.#pages)
    this.#pages = this.marking.pageCount
  }

  #gathering(): Group {
    if (this.#group === undefined) {
      this.#group = new Group()
      this.#host.gathered(this)
    }
    return this.#group
  }
}

function removedError(): TallyError {
  return new TallyError('chunk-unknown', 'the file was removed')
}
