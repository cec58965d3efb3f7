/**
 * One file on its way out: asks for what its sink lacks, brings the chunks into order, acknowledges what was written, verifies the digest,
 * and after a break goes on from the first byte that is missing.
 */
import { type Hash, createHash } from 'node:crypto'
import { ChunkIds, MESSAGE_TYPE, type Run, TallyError, uuidToBytes } from '../protocol/index.ts'
import type { Connection } from './connection.ts'
import type { OnEvent } from './events.ts'
import type { FileId } from './file-id.ts'
import { Inbox } from './inbox.ts'
import type { Link } from './link.ts'
import type { FileInfo, Sink } from './sink.ts'
import { Final, withRetries } from './timings.ts'

export interface DownloadOptions {
  readonly id: FileId
  readonly sink: Sink
  readonly signal?: AbortSignal | undefined
  readonly onEvent?: OnEvent | undefined
}

export interface DownloadResult extends FileInfo {
  /** Where it is now; absent for what went elsewhere than into a file. */
  readonly path?: string
  /** What was there before, and not fetched again. */
  readonly resumedBytes: number
}

/** 4 MiB on the way, at most. */
const CHUNK_SIZE_BYTES = 262_144
const WINDOW = 16

/** Invariant: the sink holds the first `#received` chunks, and `#hash` covers just these. */
export class Download {
  readonly #link: Link
  readonly #options: DownloadOptions
  #info: FileInfo | undefined
  #hash: Hash = createHash('sha256')
  #received = 0
  #resumedBytes = 0
  #whole = false

  constructor(link: Link, options: DownloadOptions) {
    this.#link = link
    this.#options = options
  }

  /** Resolves when the sink is complete. Throws `not-found`, `digest-mismatch`, `gave-up` (resumable), and what the sink throws. */
  async run(): Promise<DownloadResult> {
    const { sink, signal, onEvent } = this.#options
    try {
      await withRetries(this.#link.timings, signal, onEvent, async progressed => {
        await this.#attempt(progressed)
        await this.#verify()
      })
      if (!this.#whole) await sink.complete()
    } finally {
      await sink.close()
    }
    return { ...this.#file, resumedBytes: this.#resumedBytes, ...(sink.path === undefined ? {} : { path: sink.path }) }
  }

  get #file(): FileInfo {
    if (this.#info === undefined) throw new Error('FETCH was not answered yet')
    return this.#info
  }

  get #chunkCount(): number {
    return Math.ceil(this.#file.sizeBytes / CHUNK_SIZE_BYTES)
  }

  async #attempt(progressed: () => void): Promise<void> {
    if (this.#info !== undefined && this.#received === this.#chunkCount) return
    const connection = await this.#link.connection()
    const asked = this.#info === undefined ? 0 : this.#received
    const inbox = await this.#fetch(connection)
    try {
      if (this.#received === asked) {
        await this.#receive(connection, inbox, progressed)
        return
      }
    } finally {
      inbox.close()
    }
    // What the sink holds became known only with the answer, which names the file: ask again, for the rest of it.
    if (this.#received < this.#chunkCount) await this.#attempt(progressed)
  }

  /** FETCH for what is missing, or for all while it is not known. The first answer opens the sink. */
  async #fetch(connection: Connection): Promise<Inbox> {
    const inbox = new Inbox(connection, this.#link.timings.answerTimeoutMs, this.#options.signal)
    const missing: readonly Run[] | undefined = this.#info === undefined ? undefined : [[this.#received, this.#chunkCount - this.#received]]
    try {
      const ok = await this.#link.ask(connection, {
        type: MESSAGE_TYPE.FETCH, messageId: inbox.fetchId, ...wireId(this.#options.id), chunkSizeBytes: CHUNK_SIZE_BYTES, acks: 'ranges',
        window: WINDOW, ...(missing === undefined ? {} : { missing }),
      }, this.#options.signal)
      const { fid, file, name, sizeBytes, digest } = ok
      if (fid === undefined || file === undefined || name === undefined || sizeBytes === undefined || digest === undefined) {
        throw new TallyError('internal', 'the answer to FETCH does not name the file')
      }
      if (ok.chunkSizeBytes !== undefined && ok.chunkSizeBytes !== CHUNK_SIZE_BYTES) {
        throw new TallyError('internal', `the daemon fetches in chunks of ${ok.chunkSizeBytes} bytes, not ${CHUNK_SIZE_BYTES}`)
      }
      if (this.#info === undefined) await this.#begin({ fid: fid.toLowerCase(), file, name, sizeBytes, digest })
      else if (this.#info.digest !== digest) throw new TallyError('content-damaged', 'the content changed between two FETCHes', { file })
      return inbox
    } catch (error) {
      inbox.close()
      throw error
    }
  }

  async #begin(info: FileInfo): Promise<void> {
    const { presentBytes, hash, whole } = await this.#options.sink.begin(info, CHUNK_SIZE_BYTES)
    this.#info = info
    this.#hash = hash
    this.#whole = whole === true
    this.#received = Math.ceil(presentBytes / CHUNK_SIZE_BYTES)
    this.#resumedBytes = presentBytes
  }

  /** Writes and acknowledges until the daemon says that it is done. What comes too early waits; the window bounds it. */
  async #receive(connection: Connection, inbox: Inbox, progressed: () => void): Promise<void> {
    const { fid, file, sizeBytes } = this.#file
    const ids = new ChunkIds(createHash('sha256').update(uuidToBytes(fid)).digest())
    const early = new Map<number, Uint8Array>()
    for (let batch = await inbox.next(); batch !== undefined; batch = await inbox.next()) {
      let latest = ''
      for (const { messageId, chunk: words, data } of batch) {
        const place = ids.decode(words)
        const lengthBytes = place === undefined ? -1 : Math.min(CHUNK_SIZE_BYTES, sizeBytes - place.chunk * CHUNK_SIZE_BYTES)
        if (place === undefined || place.file !== file || data.length !== lengthBytes) {
          throw new TallyError('internal', 'the daemon sent a chunk that does not belong to the file')
        }
        if (place.chunk >= this.#received) early.set(place.chunk, data)
        latest = messageId
      }
      const first = this.#received
      const due: Uint8Array[] = []
      for (let data = early.get(first); data !== undefined; data = early.get(first + due.length)) {
        early.delete(first + due.length)
        due.push(data)
      }
      if (due.length === 0) continue
      const bytes = due.length === 1 ? due[0] as Uint8Array : Buffer.concat(due)
      this.#hash.update(bytes)
      await this.#options.sink.write(bytes).catch((error: unknown) => { throw error instanceof Error ? new Final(error) : error })
      this.#received += due.length
      progressed()
      connection.sendMessage({ type: MESSAGE_TYPE.RESPONSE, messageId: latest, response: 'Ok', fid, chunks: [[file, first, due.length]] })
      const acknowledgedBytes = Math.min(this.#received * CHUNK_SIZE_BYTES, sizeBytes)
      this.#options.onEvent?.({ type: 'progress', acknowledgedBytes, totalBytes: sizeBytes })
    }
    if (this.#received < this.#chunkCount) throw new TallyError('internal', 'the daemon ended the FETCH before its last chunk')
  }

  /** A partial file may have been spoilt while nobody watched: fetched whole once more. */
  async #verify(): Promise<void> {
    if (this.#whole) return
    const actual = `sha256:${this.#hash.digest('hex')}`
    const { digest: expected } = this.#file
    if (actual === expected) return
    const spoilt = this.#resumedBytes > 0
    const error = new TallyError('digest-mismatch', 'what was fetched does not have the digest of the file', { expected, actual })
    if (!(await this.#options.sink.discard()) || !spoilt) throw new Final(error)
    this.#received = 0
    this.#resumedBytes = 0
    this.#hash = createHash('sha256')
    throw error
  }
}

function wireId(id: FileId): { fid: string; file: number } | { digest: string } {
  return 'digest' in id ? { digest: id.digest } : { fid: id.fid, file: id.file ?? 0 }
}
