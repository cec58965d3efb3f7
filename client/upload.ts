/**
 * One transfer on its way in: announces its files, sends what the daemon lacks, and goes on after whatever breaks until every file is
 * stored. What was acknowledged is not sent again. Each file is hashed while it is sent, or before, and one chunk of it held back until the
 * digest was told, so that content is agreed before it appears (protocol, 3.1).
 */
import { createHash } from 'node:crypto'
import { ChunkIds, MESSAGE_TYPE, TallyError, uuidToBytes } from '../protocol/index.ts'
import { unlessAborted } from './abort.ts'
import type { Connection } from './connection.ts'
import { ClientError } from './errors.ts'
import type { OnEvent, UploadCounts } from './events.ts'
import { Lane, type LaneOwner } from './lane.ts'
import type { Link } from './link.ts'
import { askReport } from './report.ts'
import type { Source } from './source.ts'
import { Final, backOffMs, withRetries } from './timings.ts'
import { type FileLabel, UploadFile } from './upload-file.ts'

export interface UploadOptions {
  /** Lower case. Names the transfer: with the same files it is resumed. */
  readonly fid: string
  readonly files: readonly { readonly label: FileLabel; readonly source: Source; readonly digest?: string | undefined }[]
  /** Files whose digest is not given are hashed before they are announced, as small ones always are. */
  readonly digestFirst?: boolean | undefined
  readonly tags?: readonly string[]
  readonly chunkSizeBytes: number
  /** Fewer unanswered chunks than the daemon allows. */
  readonly windowChunks?: number | undefined
  readonly crc32?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  readonly onEvent?: OnEvent | undefined
}

export interface UploadResult {
  readonly fid: string
  readonly files: readonly {
    readonly name: string
    readonly sizeBytes: number
    readonly digest: string
    /** Of its bytes, how many were sent, repetitions included: 0 where the daemon had them already. */
    readonly sentBytes: number
    /** Milliseconds since 1970: the file is removed then, as was asked for now or before, or by a rule for its tags. */
    readonly expiresMs?: number
  }[]
  readonly counts: Readonly<UploadCounts>
}

/** Bounds what lies in sockets and, for streams, in memory, whatever window the daemon allows. */
const IN_FLIGHT_BYTES_MAX = 25_165_824
/** Up to this size a file is hashed before it is announced, which saves a round trip. */
export const HASH_FIRST_BYTES = 1_048_576
const MISMATCHES_MAX = 2

export function noCounts(): UploadCounts {
  return { chunksSent: 0, chunksSentTwice: 0, acknowledgedSentAgain: 0, acknowledgedLost: 0, resumedChunks: 0, reconnects: 0 }
}

/** Invariant: a file's last chunk is sent only after the daemon agreed to an announcement with the file's digest. */
export class Upload implements LaneOwner {
  readonly fid: string
  readonly crc32: boolean
  readonly counts: UploadCounts = noCounts()
  readonly #link: Link
  readonly #options: UploadOptions
  readonly #files: readonly UploadFile[]
  readonly #ids: ChunkIds
  readonly #lanes: Lane[] = []
  #connection: Connection | undefined
  #window = 1
  #announced = false
  #progressed = (): void => {}

  constructor(link: Link, options: UploadOptions) {
    this.#link = link
    this.#options = options
    this.fid = options.fid
    this.crc32 = options.crc32 === true
    this.#files = options.files.map(({ source, label, digest }, number) => new UploadFile(number, source, label, this.counts, digest))
    this.#ids = new ChunkIds(createHash('sha256').update(uuidToBytes(options.fid)).digest())
  }

  /**
   * Resolves when every file is stored. Throws `gave-up` (resumable), `file-changed` and `digest-mismatch` (the file was removed from the
   * daemon; the latter also where a given digest is not its own), `conflict`, the daemon's other refusals, or the signal's reason.
   * Sources stay open.
   */
  async run(): Promise<UploadResult> {
    const { signal, onEvent } = this.#options
    const abort = (): void => this.#lanes.at(-1)?.fail(signal?.reason instanceof Error ? signal.reason : new Error('aborted'))
    signal?.addEventListener('abort', abort)
    try {
      for (const file of this.#files) await this.#hashFirst(file)
      await withRetries(this.#link.timings, signal, onEvent, progressed => {
        this.#progressed = progressed
        return this.#attempt()
      })
    } catch (error) {
      if (error instanceof ClientError && error.code === 'file-changed') await this.#remove()
      throw error
    } finally {
      signal?.removeEventListener('abort', abort)
      for (const lane of this.#lanes) lane.close()
    }
    const files = this.#files.map(({ label: { name }, source: { sizeBytes }, digest, sentBytes, expiresMs }) =>
      ({ name, sizeBytes: sizeBytes ?? 0, digest: digest ?? '', sentBytes, ...(expiresMs === undefined ? {} : { expiresMs }) }))
    return { fid: this.fid, files, counts: this.counts }
  }

  acknowledged(number: number, first: number, count: number): void {
    const file = this.#files[number]
    if (file === undefined) return
    const before = file.acknowledgedChunks
    this.#lanes.at(-1)?.landed(file.acknowledge(first, count))
    if (file.acknowledgedChunks > before) this.#moved()
  }

  stored(number: number, digest: string): void {
    const file = this.#files[number]
    if (file === undefined || file.state === 'stored') return
    file.state = 'stored'
    file.digest = digest
    // By another connection, perhaps: what we have not sent is not wanted any more.
    this.#lanes.at(-1)?.landed(file.acknowledge(0, file.chunkCount))
    this.#progressed()
    this.#options.onEvent?.({ type: 'stored', fid: this.fid, file: number, digest })
  }

  /** One connection's worth of work; whatever ends it early is thrown, and `withRetries` knows what may be tried again. */
  async #attempt(): Promise<void> {
    const connection = await this.#link.connection(this.#options.signal)
    if (this.#connection !== undefined && this.#connection !== connection) this.counts.reconnects++
    this.#connection = connection
    for (let polls = 0; ; polls++) {
      const lane = new Lane(connection, this, this.#link.timings)
      this.#replaceLane(lane)
      try {
        await this.#announce(connection)
        for (const file of this.#files) file.beginAttempt()
        for (const file of this.#files) if (file.state === 'receiving') await this.#send(file, lane)
        await lane.until(() => this.#allStored() || lane.inFlight <= 0)
        if (this.#allStored()) return
        // The daemon computes a digest, or another connection has what is missing. The Ok for a chunk of ours may still tell.
        if (polls === 0) this.#options.onEvent?.({ type: 'finishing', fid: this.fid })
        await lane.until(() => this.#allStored(), backOffMs(this.#link.timings, polls))
        if (this.#allStored()) return
      } catch (error) {
        await this.#judge(error, connection)
      } finally {
        lane.end()
      }
    }
  }

  /** Sends what the daemon lacks of one file; returns when all of it is on its way. */
  async #send(file: UploadFile, lane: Lane): Promise<void> {
    const { chunkSizeBytes, source } = file
    const { windowChunks = Infinity } = this.#options
    const inFlightMax = Math.max(1, Math.min(this.#window, windowChunks, Math.floor(IN_FLIGHT_BYTES_MAX / chunkSizeBytes)))
    for (let chunk = file.next(); chunk !== undefined; chunk = file.next()) {
      lane.throwIfFailed()
      if (!file.isHashed && !file.isSurelyNotLast(chunk) && await lane.during(file.isLast(chunk))) {
        await this.#hash(file, lane)
        continue
      }
      if (lane.inFlight >= inFlightMax) await lane.until(() => lane.inFlight < inFlightMax)
      if (lane.connection.full) await lane.during(lane.connection.drained())
      const offset = chunk * chunkSizeBytes
      const data = source.peek(offset, chunkSizeBytes) ?? await lane.during(source.read(offset, chunkSizeBytes))
      // Meanwhile a late answer, or a failure, may have come.
      if (file.next() !== chunk) continue
      lane.throwIfFailed()
      file.sending(chunk, data.length)
      lane.send(file.number, chunk, this.#ids.encode(file.number, chunk), data)
    }
  }

  /** Before anything is announced: what the daemon has already it then stores without a byte. */
  async #hashFirst(file: UploadFile): Promise<void> {
    const { digestFirst = false, signal, onEvent } = this.#options
    const { sizeBytes } = file.source
    if (sizeBytes === null || file.digest !== undefined || (sizeBytes > HASH_FIRST_BYTES && !digestFirst)) return
    const onHashed = (hashedBytes: number): void => onEvent?.({ type: 'hashing', hashedBytes, totalBytes: sizeBytes })
    file.digest = await unlessAborted(file.source.digest(sizeBytes > HASH_FIRST_BYTES ? onHashed : undefined), signal)
    file.isHashed = true
  }

  /** All but the last chunk was sent: that one may go when the daemon knows the digest, and, where it was given, when it is right. */
  async #hash(file: UploadFile, lane: Lane): Promise<void> {
    const digest = await lane.during(file.source.digest())
    if (file.digest !== undefined && file.digest !== digest) await this.#refuse(file, digest)
    file.digest = digest
    file.isHashed = true
    if (!file.isTold) await this.#announce(lane.connection)
  }

  /** The digest that was given is not that of the content: nothing of it is kept. */
  async #refuse(file: UploadFile, actual: string): Promise<never> {
    await this.#remove(file)
    throw wrongDigest(file, actual)
  }

  /**
   * The daemon knows the transfer otherwise than it was announced, with another digest perhaps: where a digest that was given is not the
   * content's, that is what is wrong. What the daemon has came before, and stays.
   */
  async #compareGiven(): Promise<void> {
    for (const file of this.#files) {
      if (!file.isDigestGiven || file.isHashed || file.source.sizeBytes === null) continue
      const actual = await unlessAborted(file.source.digest(), this.#options.signal)
      if (actual !== file.digest) throw wrongDigest(file, actual)
    }
  }

  /** Says all that is known, and learns what is missing. Throws `conflict` where a file is gone. */
  async #announce(connection: Connection): Promise<void> {
    const { tags = [], chunkSizeBytes, signal } = this.#options
    for (const file of this.#files) file.beginReport()
    const files = this.#files.map(file => file.announcement)
    const announcement = { type: MESSAGE_TYPE.AUTHENTICATION, fid: this.fid, files, tags, chunkSizeBytes, acks: 'ranges' } as const
    const { window, files: reports } = await askReport(this.#link, connection, announcement, signal)
    this.#window = window
    for (const file of this.#files) {
      const report = reports[file.number]
      if (report === undefined) throw new TallyError('internal', `the daemon does not report on file ${file.number}`)
      if (report.state === 'removed') throw new TallyError('conflict', `file ${file.number} was removed`, { state: 'removed' })
      const { landed, mismatched } = file.takeReport(report)
      this.#lanes.at(-1)?.landed(landed)
      if (mismatched) throw new TallyError('digest-mismatch', `the content of file ${file.number} was refused`, { file: file.number })
      if (report.state === 'stored') this.stored(file.number, report.digest ?? file.digest ?? '')
    }
    if (this.#announced) return
    this.#announced = true
    const presentChunks = this.#files.reduce((sum, file) => sum + file.acknowledgedChunks, 0)
    this.counts.resumedChunks = presentChunks
    const chunks = this.#files.reduce((sum, file) => sum + file.chunkCount, 0)
    this.#options.onEvent?.({ type: 'announced', fid: this.fid, chunks, presentChunks })
    this.#moved()
  }

  /** Rethrows what ended an attempt, after what has to be done about it first. */
  async #judge(error: unknown, connection: Connection): Promise<never> {
    if (error instanceof TallyError && error.code === 'digest-mismatch') await this.#startOver(error)
    if (isConflict(error)) await this.#compareGiven()
    await this.#link.recover(connection, error, this.#options.signal)
    throw error
  }

  /** Once more; when it differs again, or cannot be read again, it is removed. */
  async #startOver(error: TallyError): Promise<void> {
    const expected = error.details['expected']
    const refused = this.#files.filter(file => file.state !== 'stored' && file.digest !== undefined)
    const file = refused.find(each => each.number === error.details['file']) ?? refused.find(each => each.digest === expected) ?? refused[0]
    if (file === undefined) throw error
    const told = file.digest
    if (!file.startOver() || file.mismatches >= MISMATCHES_MAX) {
      await this.#remove(file)
      throw new Final(error)
    }
    const actual = await file.source.digest()
    if (actual === told) return
    if (file.isDigestGiven) await this.#refuse(file, actual)
    throw new ClientError('file-changed', `${file.label.name} changed while it was sent`)
  }

  /** Best effort: what is not removed now expires. */
  async #remove(file?: UploadFile): Promise<void> {
    try {
      const connection = await this.#link.connection()
      await this.#link.ask(connection, { type: MESSAGE_TYPE.REMOVE, fid: this.fid, ...(file === undefined ? {} : { file: file.number }) })
    } catch (error) {
      if (!(error instanceof TallyError || error instanceof ClientError)) throw error
    }
  }

  #replaceLane(lane: Lane): void {
    // Answers to earlier lanes of a connection that lives may still come; those of a lost one cannot.
    for (const old of this.#lanes) if (old.connection.lost !== undefined) old.close()
    this.#lanes.splice(0, this.#lanes.length, ...this.#lanes.filter(old => old.connection.lost === undefined), lane)
  }

  #allStored(): boolean {
    return this.#files.every(file => file.state === 'stored')
  }

  #moved(): void {
    this.#progressed()
    const { onEvent } = this.#options
    if (onEvent === undefined) return
    let acknowledgedBytes = 0
    let totalBytes: number | null = 0
    for (const { source, chunkSizeBytes, acknowledgedChunks } of this.#files) {
      const bytes = acknowledgedChunks * chunkSizeBytes
      acknowledgedBytes += source.sizeBytes === null ? bytes : Math.min(bytes, source.sizeBytes)
      totalBytes = totalBytes === null || source.sizeBytes === null ? null : totalBytes + source.sizeBytes
    }
    const inFlightBytes = (this.#lanes.at(-1)?.inFlight ?? 0) * (this.#files[0]?.chunkSizeBytes ?? 0)
    const sentBytes = Math.min(acknowledgedBytes + inFlightBytes, totalBytes ?? Infinity)
    onEvent({ type: 'progress', sentBytes, acknowledgedBytes, totalBytes, counts: this.counts })
  }
}

/** Not that it is gone, which is nobody's mistake. */
function isConflict(error: unknown): boolean {
  return error instanceof TallyError && error.code === 'conflict' && !['gone', 'removed'].includes(String(error.details['state']))
}

function wrongDigest({ number, label, digest = '' }: UploadFile, actual: string): Final {
  const details = { file: number, expected: digest, actual }
  return new Final(new TallyError('digest-mismatch', `${label.name} does not have the digest that was given for it`, details))
}
