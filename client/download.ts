/**
 * One file on its way out: asks for what its sink lacks, brings the chunks into order, acknowledges what was written, verifies the digest,
 * and after a break goes on from the first byte that is missing.
 */
import { type Hash, createHash } from 'node:crypto'
import { ChunkIds, MESSAGE_TYPE, TallyError, uuidToBytes } from '../protocol/index.ts'
import { ChunkBuffers } from './chunk-buffers.ts'
import type { Connection } from './connection.ts'
import type { OnEvent } from './events.ts'
import type { FileId } from './file-id.ts'
import { Inbox } from './inbox.ts'
import type { Link } from './link.ts'
import type { Extent, FileInfo, Sink } from './sink.ts'
import { Final, withRetries } from './timings.ts'

export interface DownloadOptions {
  readonly id: FileId
  /** Default: the whole file. */
  readonly offsetBytes?: number | undefined
  readonly lengthBytes?: number | undefined
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

/** 8 MiB on the way, at most. */
const CHUNK_SIZE_BYTES = 262_144
const WINDOW = 32

/** Invariant: the sink holds what is wanted of the chunks before `#received`, and `#hash` covers just that. */
export class Download {
  readonly #link: Link
  readonly #options: DownloadOptions
  #info: FileInfo | undefined
  #extent: Extent = { offsetBytes: 0, endBytes: 0, isPart: false }
  #hash: Hash | undefined
  #received = 0
  #resumedBytes = 0
  #whole = false
  readonly #buffers = new ChunkBuffers(CHUNK_SIZE_BYTES)

  constructor(link: Link, options: DownloadOptions) {
    this.#link = link
    this.#options = options
  }

  /** Resolves when the sink is complete. Throws `not-found`, `digest-mismatch`, `gave-up` (resumable), and what the sink throws. */
  async run(): Promise<DownloadResult> {
    const { sink, signal, onEvent } = this.#options
    try {
      await withRetries(this.#link.timings, signal, onEvent, async progressed => {
        await this.#link.fetchSlots.run(() => this.#attempt(progressed), signal)
        await this.#verify()
      })
      if (!this.#whole && await sink.complete()) this.#resumedBytes = this.#extent.endBytes
    } finally {
      await sink.close()
    }
    return { ...this.#file, resumedBytes: this.#resumedBytes, ...(sink.path === undefined ? {} : { path: sink.path }) }
  }

  get #file(): FileInfo {
    if (this.#info === undefined) throw new Error('FETCH was not answered yet')
    return this.#info
  }

  /** The first chunk after the last one that is wanted. */
  get #chunkEnd(): number {
    return Math.ceil(this.#extent.endBytes / CHUNK_SIZE_BYTES)
  }

  get #firstChunk(): number {
    return Math.floor(this.#extent.offsetBytes / CHUNK_SIZE_BYTES)
  }

  async #attempt(progressed: () => void): Promise<void> {
    if (this.#info !== undefined && this.#received >= this.#chunkEnd) return
    const { signal } = this.#options
    const connection = await this.#link.connection(signal)
    try {
      await this.#fetchRest(connection, progressed)
    } catch (error) {
      await this.#link.recover(connection, error, signal)
      throw error
    }
  }

  async #fetchRest(connection: Connection, progressed: () => void): Promise<void> {
    const asked = this.#info === undefined ? undefined : this.#received
    const inbox = await this.#fetch(connection)
    try {
      if (this.#received === (asked ?? this.#firstChunk)) {
        await this.#receive(connection, inbox, progressed)
        return
      }
    } finally {
      inbox.close()
    }
    // What the sink holds became known only with the answer, which names the file: ask again, for the rest of it.
    if (this.#received < this.#chunkEnd) await this.#fetchRest(connection, progressed)
  }

  /** FETCH for what is missing, or for all while it is not known. The first answer opens the sink. */
  async #fetch(connection: Connection): Promise<Inbox> {
    const inbox = new Inbox(connection, WINDOW, this.#buffers, this.#link.timings.answerTimeoutMs, this.#options.signal)
    const { offsetBytes, lengthBytes } = this.#options
    const range = { ...(offsetBytes === undefined ? {} : { offsetBytes }), ...(lengthBytes === undefined ? {} : { lengthBytes }) }
    const wanted = this.#info === undefined ? range : { missing: [[this.#received, this.#chunkEnd - this.#received]] as const }
    try {
      const ok = await this.#link.ask(connection, {
        type: MESSAGE_TYPE.FETCH, messageId: inbox.fetchId, ...wireId(this.#options.id), chunkSizeBytes: CHUNK_SIZE_BYTES, acks: 'ranges',
        window: WINDOW, ...wanted,
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
    const { offsetBytes = 0, lengthBytes = Infinity } = this.#options
    const from = Math.min(offsetBytes, info.sizeBytes)
    const endBytes = Math.min(from + lengthBytes, info.sizeBytes)
    this.#extent = { offsetBytes: from, endBytes, isPart: endBytes - from < info.sizeBytes }
    const { presentBytes, hash, whole } = await this.#options.sink.begin(info, this.#extent, CHUNK_SIZE_BYTES).catch(noRetry)
    this.#info = info
    this.#hash = hash
    this.#whole = whole === true
    this.#received = endBytes === from ? this.#chunkEnd : this.#firstChunk + Math.ceil(presentBytes / CHUNK_SIZE_BYTES)
    this.#resumedBytes = presentBytes
  }

  /** Writes and acknowledges until the daemon says that it is done. What comes too early waits; the window bounds it. */
  async #receive(connection: Connection, inbox: Inbox, progressed: () => void): Promise<void> {
    const { fid, file, sizeBytes } = this.#file
    const ids = chunkIdsOf(fid)
    const early = new Map<number, Uint8Array>()
    for (let batch = await inbox.next(); batch !== undefined; batch = await inbox.next()) {
      let latest = ''
      for (const { messageId, chunk: words, data } of batch) {
        const place = ids.decode(words)
        const lengthBytes = place === undefined ? -1 : Math.min(CHUNK_SIZE_BYTES, sizeBytes - place.chunk * CHUNK_SIZE_BYTES)
        if (place === undefined || place.file !== file || data.length !== lengthBytes) {
          throw new TallyError('internal', 'the daemon sent a chunk that does not belong to the file')
        }
        if (place.chunk >= this.#received && place.chunk < this.#chunkEnd) early.set(place.chunk, this.#wantedOf(place.chunk, data))
        latest = messageId
      }
      if (early.size > WINDOW) throw new TallyError('internal', 'the daemon sends more than was asked for')
      const first = this.#received
      const due: Uint8Array[] = []
      for (let data = early.get(first); data !== undefined; data = early.get(first + due.length)) {
        early.delete(first + due.length)
        due.push(data)
      }
      if (due.length === 0) continue
      for (const data of due) await this.#take(data)
      this.#received += due.length
      progressed()
      connection.sendMessage({ type: MESSAGE_TYPE.RESPONSE, messageId: latest, response: 'Ok', fid, chunks: [[file, first, due.length]] })
      this.#moved(early.size)
      // Its `done` would tell nothing new; who comes next need not wait for it.
      if (this.#received === this.#chunkEnd) return inbox.complete()
    }
    if (this.#received < this.#chunkEnd) throw new TallyError('internal', 'the daemon ended the FETCH before its last chunk')
  }

  /** Hashes what comes next while it is written, unless it changes hands: then before. */
  async #take(data: Uint8Array): Promise<void> {
    const { sink } = this.#options
    const hash = this.#hash ??= createHash('sha256')
    if (sink.keepsBytes) hash.update(data)
    const writing = sink.write(data).catch(noRetry)
    if (!sink.keepsBytes) hash.update(data)
    await writing
    if (!sink.keepsBytes) this.#buffers.recycle(data)
  }

  /** A chunk without what lies outside of the range. */
  #wantedOf(chunk: number, data: Uint8Array): Uint8Array {
    const { offsetBytes, endBytes } = this.#extent
    const at = chunk * CHUNK_SIZE_BYTES
    return data.subarray(Math.max(0, offsetBytes - at), endBytes - at)
  }

  #moved(earlyChunks: number): void {
    const { offsetBytes, endBytes } = this.#extent
    const totalBytes = endBytes - offsetBytes
    const bytesBefore = (chunk: number): number => Math.max(0, Math.min(chunk * CHUNK_SIZE_BYTES - offsetBytes, totalBytes))
    this.#options.onEvent?.({
      type: 'progress', sentBytes: bytesBefore(this.#received + earlyChunks), acknowledgedBytes: bytesBefore(this.#received), totalBytes,
    })
  }

  /** A partial file may have been spoilt while nobody watched: fetched whole once more. */
  async #verify(): Promise<void> {
    if (this.#whole || this.#extent.isPart) return
    const actual = `sha256:${(this.#hash ?? createHash('sha256')).digest('hex')}`
    const { digest: expected } = this.#file
    if (actual === expected) return
    const spoilt = this.#resumedBytes > 0
    const error = new TallyError('digest-mismatch', 'what was fetched does not have the digest of the file', { expected, actual })
    if (!(await this.#options.sink.discard()) || !spoilt) throw new Final(error)
    this.#received = this.#firstChunk
    this.#resumedBytes = 0
    this.#hash = undefined
    throw error
  }
}

let latest: { readonly fid: string; readonly ids: ChunkIds } | undefined

/** Files of one transfer are often fetched one after the other. */
function chunkIdsOf(fid: string): ChunkIds {
  if (latest?.fid !== fid) latest = { fid, ids: new ChunkIds(createHash('sha256').update(uuidToBytes(fid)).digest()) }
  return latest.ids
}

/** What fails on this side of the wire, whatever its code. */
function noRetry(cause: unknown): never {
  throw new Final(cause)
}

function wireId(id: FileId): { fid: string; file: number } | { digest: string } {
  return 'digest' in id ? { digest: id.digest } : { fid: id.fid, file: id.file ?? 0 }
}
