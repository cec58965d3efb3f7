/**
 * The record of what a client was promised, kept in the driver's process, apart from everything under test: which chunks were sent,
 * for which an Ok was read, what was asked to be removed. It judges what the daemon reports against that, and throws `Violation`.
 */
import { createHash } from 'node:crypto'
import type { Answer, FileState } from './raw-client.ts'
import { contentOf } from './random.ts'

/** The daemon broke a promise. */
export class Violation extends Error {
  override readonly name: string = 'Violation'
}

/** An Error was answered where an Ok was due. */
export class Refusal extends Violation {
  override readonly name = 'Refusal'
}

/** `quota-exceeded`: nobody's fault, as long as the user has that much. */
export class NoRoom extends Error {
  override readonly name = 'NoRoom'
  readonly limit: unknown
  readonly used: unknown

  constructor(answer: Answer) {
    super(`${answer.code} (${answer.reason})`)
    this.limit = answer['limit']
    this.used = answer['used']
  }
}

export type Removal = 'no' | 'asked' | 'done'

export interface FilePlan {
  readonly name: string
  readonly sizeBytes: number
  readonly contentSeed: number
  readonly chunkSizeBytes: number
  /** Announced with the size null; told when every whole chunk was sent, or at the next resumption. */
  readonly sizeLate?: boolean
  readonly digest?: 'none' | 'announced' | 'late' | 'wrong'
  /** When it goes by itself, in ms since 1970. */
  readonly expiresMs?: number
}

/** By user and digest: contents of which every chunk was sent in some file. Nobody else's may be had without being sent. */
const sentWhole = new Set<string>()

/** By user and digest: stored contents that somebody has damaged on the disk, and that were not seen whole since. */
const spoilt = new Set<string>()

export function isSpoilt(user: string, digest: string | null): boolean {
  return spoilt.has(`${user} ${digest}`)
}

export class RecordedFile {
  readonly user: string
  readonly plan: FilePlan
  readonly number: number
  readonly chunkCount: number
  /** 1: an Ok for this chunk was read. */
  readonly acked: Uint8Array
  /** How often the chunk was sent, at most 255. */
  readonly sent: Uint8Array
  /** 1: a report did not list this chunk as missing. That is a promise too: the client will not send it. */
  readonly reported: Uint8Array
  ackedCount = 0
  sentCount = 0
  /** An Ok with `stored` was read, or a report said so. */
  storedSeen = false
  /** The daemon may know the size (the digest) from now on. */
  sizeTold: boolean
  digestTold: boolean
  removal: Removal = 'no'
  /** It was not known to be stored when unfinished transfers expired. */
  lapsing = false
  readonly #nowMs: () => number
  #bytes: Buffer | undefined
  #digest: string | undefined

  constructor(user: string, plan: FilePlan, number: number, nowMs: () => number = Date.now) {
    this.user = user
    this.#nowMs = nowMs
    this.plan = plan
    this.number = number
    this.chunkCount = Math.ceil(plan.sizeBytes / plan.chunkSizeBytes)
    this.acked = new Uint8Array(this.chunkCount)
    this.sent = new Uint8Array(this.chunkCount)
    this.reported = new Uint8Array(this.chunkCount)
    this.sizeTold = plan.sizeLate !== true
    this.digestTold = plan.digest === 'announced' || plan.digest === 'wrong'
  }

  get bytes(): Buffer {
    this.#bytes ??= contentOf(this.plan.contentSeed, this.plan.sizeBytes)
    return this.#bytes
  }

  get digest(): string {
    this.#digest ??= `sha256:${createHash('sha256').update(this.bytes).digest('hex')}`
    return this.#digest
  }

  /** It may be stored by its announcement, because the user has its content. */
  get mayBeKnown(): boolean {
    return this.plan.digest === 'announced' && this.sizeTold && sentWhole.has(this.#content)
  }

  /** Expiry may have removed it. */
  get mayHaveLapsed(): boolean {
    const { expiresMs } = this.plan
    return this.lapsing || (expiresMs !== undefined && expiresMs <= this.#nowMs())
  }

  /** FETCH may refuse it, and AUTHENTICATION may ask for any of its chunks again. */
  get isSpoilt(): boolean {
    return spoilt.has(this.#content)
  }

  spoil(): void {
    spoilt.add(this.#content)
  }

  /** It was handed out whole. */
  seenWhole(): void {
    spoilt.delete(this.#content)
  }

  get #content(): string {
    return `${this.user} ${this.digest}`
  }

  /** An Ok was read for every chunk. Files of no bytes are stored by their announcement. */
  get complete(): boolean {
    return this.ackedCount === this.chunkCount
  }

  chunk(index: number): Buffer {
    return this.bytes.subarray(index * this.plan.chunkSizeBytes, (index + 1) * this.plan.chunkSizeBytes)
  }

  markSent(index: number): void {
    if (this.acked[index] === 1) throw new Violation(`chunk ${index} of file ${this.number} is sent again after its Ok`)
    if (this.sent[index] === 0) this.sentCount++
    if (this.sentCount === this.chunkCount) sentWhole.add(this.#content)
    this.sent[index] = Math.min(255, (this.sent[index] as number) + 1)
  }

  markAcked(index: number): void {
    if (this.acked[index] === undefined) {
      throw new Violation(`an Ok for chunk ${index} of file ${this.number}, which has ${this.chunkCount}`)
    }
    if (this.sent[index] === 0) throw new Violation(`an Ok for chunk ${index} of file ${this.number}, which was never sent`)
    if (this.acked[index] === 0) this.ackedCount++
    this.acked[index] = 1
  }

  /** After a digest mismatch: no chunk is promised any more. */
  forgetChunks(): void {
    this.acked.fill(0)
    this.reported.fill(0)
    this.ackedCount = 0
  }

  /** Drops the bytes from memory; they are made again when needed. */
  rest(): void {
    this.#bytes = undefined
  }
}

export class RecordedTransfer {
  readonly user: string
  readonly tags: readonly string[]
  readonly files: readonly RecordedFile[]
  /** Undefined until the daemon that makes it has told it. */
  fid: string | undefined
  readonly madeByDaemon: boolean
  /** An Ok for AUTHENTICATION was read. */
  announced = false
  /** It was announced without a fid, and no answer came: the daemon may have it under a fid that nobody was told. */
  mayBeOrphaned = false
  removal: Removal = 'no'
  /** It was to be removed, and was not there (any more): nothing may remember it, so to announce it would make it. */
  wasUnknown = false

  constructor(user: string, fid: string | undefined, tags: readonly string[], plans: readonly FilePlan[], nowMs?: () => number) {
    this.user = user
    this.fid = fid
    this.madeByDaemon = fid === undefined
    this.tags = tags
    this.files = plans.map((plan, number) => new RecordedFile(user, plan, number, nowMs))
  }

  get ackedCount(): number {
    return this.files.reduce((sum, file) => sum + file.ackedCount, 0)
  }

  /** Nothing is left to send. */
  get settled(): boolean {
    return this.removal !== 'no' || (this.announced && this.files.every(file => file.removal !== 'no' || file.storedSeen))
  }

  removalOf(file: RecordedFile): Removal {
    if (this.removal === 'done' || file.removal === 'done') return 'done'
    return this.removal === 'asked' || file.removal === 'asked' ? 'asked' : 'no'
  }

  /** The transfer may have closed: it, or each of its files, was asked to be removed or may have expired. */
  get mayBeGone(): boolean {
    return this.files.every(file => this.removalOf(file) !== 'no' || file.mayHaveLapsed)
  }

  get mustBeGone(): boolean {
    return this.removal === 'done' || this.files.every(file => file.removal === 'done')
  }

  /** The daemon may have dropped it, or never written it. */
  get mayBeUnknown(): boolean {
    return !this.announced || (this.madeByDaemon && this.ackedCount === 0)
  }
}

/** Judges the answer to an AUTHENTICATION that resumes the transfer; `false`: it is gone, as was asked. */
export function judgeReport(transfer: RecordedTransfer, answer: Answer): boolean {
  const about = `transfer ${transfer.fid}`
  if (answer.response === 'Error') {
    if (answer.code === 'conflict' && answer.state === 'gone' && transfer.mayBeGone) {
      transfer.removal = 'done'
      return false
    }
    if (answer.code === 'unknown-fid' && transfer.mayBeUnknown) return false
    if (answer.code === 'quota-exceeded') throw new NoRoom(answer)
    throw new Refusal(`${about}: ${answer.code} ${answer.state ?? ''} (${answer.reason})`)
  }
  if (transfer.mustBeGone) throw new Violation(`${about}: is there again after the Ok of its removal`)
  const files = answer.files ?? []
  if (files.length !== transfer.files.length) {
    throw new Violation(`${about}: a report of ${files.length} files, announced were ${transfer.files.length}`)
  }
  transfer.announced = true
  for (const [number, state] of files.entries()) judgeFile(transfer, transfer.files[number] as RecordedFile, state, answer['chunk-size'])
  return true
}

function judgeFile(transfer: RecordedTransfer, file: RecordedFile, report: FileState, transferChunkBytes: number | undefined): void {
  const fail = (what: string): never => { throw new Violation(`transfer ${transfer.fid} file ${file.number} (${report.state}): ${what}`) }
  if (report.state === 'removed') {
    if (transfer.removalOf(file) === 'no' && !file.mayHaveLapsed) fail('nobody removed it')
    file.removal = 'done'
    return
  }
  file.lapsing = false
  if (transfer.removalOf(file) === 'done') fail('is there again after the Ok of its removal')
  if (report.state === 'stored') {
    if (file.plan.digest === 'wrong') fail('is stored with another digest than announced')
    if (file.sentCount < file.chunkCount && !file.mayBeKnown) fail(`only ${file.sentCount} of ${file.chunkCount} chunks were ever sent`)
    if (report.digest !== undefined && report.digest !== file.digest) fail(`has digest ${report.digest}, should have ${file.digest}`)
    file.storedSeen = true
    return
  }
  const chunkBytes = report['chunk-size'] ?? transferChunkBytes ?? file.plan.chunkSizeBytes
  if (chunkBytes !== file.plan.chunkSizeBytes && file.ackedCount === 0) return // the first opaque chunk will set it
  if (chunkBytes !== file.plan.chunkSizeBytes && file.plan.sizeBytes > file.plan.chunkSizeBytes) fail(`its chunk size became ${chunkBytes}`)
  const missing = new Uint8Array(file.chunkCount)
  for (const [first, count] of report.missing) missing.fill(1, first, first + count)
  const lost: number[] = []
  const phantom: number[] = []
  for (let i = 0; i < file.chunkCount; i++) {
    if (missing[i] === 1 && (file.acked[i] === 1 || file.reported[i] === 1)) lost.push(i)
    // Until the size is told, a report lists only the gaps below the highest chunk.
    if (missing[i] === 0 && file.sizeTold) {
      if (file.sent[i] === 0 && !file.isSpoilt) phantom.push(i)
      else file.reported[i] = 1
    }
  }
  if (file.plan.digest === 'wrong' && file.sentCount === file.chunkCount && lost.length > 0) {
    if (missing.includes(0)) fail('after a digest mismatch some chunks are still marked')
    file.forgetChunks()
    return
  }
  if (file.isSpoilt) {
    // Under repair: what was stored before may be asked for again, once or, after more damage, anew.
    if (lost.length > 0 || file.storedSeen) file.forgetChunks()
    file.storedSeen = false
    return
  }
  if (lost.length > 0) fail(`${lost.length} chunks that were acknowledged or reported are missing: ${lost.slice(0, 20).join(' ')}`)
  if (phantom.length > 0) fail(`${phantom.length} chunks that were never sent are not missing: ${phantom.slice(0, 20).join(' ')}`)
  if (file.storedSeen) fail('was stored before')
  // Where the size was told after the last chunk, no Ok has promised a whole file.
  if (file.complete && file.plan.sizeLate !== true && file.plan.digest !== 'wrong') fail('every chunk was acknowledged, so it was stored')
}
