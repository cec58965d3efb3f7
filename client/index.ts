/**
 * The client's library: `connect`, then put, get, find, tag and remove. Reconnecting, resuming and asking again happen inside; what happens is
 * told through `onEvent`, and an `AbortSignal` ends each call. Failures are `TallyError` (the daemon's word) or `ClientError` (ours).
 */
import { homedir } from 'node:os'
import { basename } from 'node:path'
import { v4 } from 'uuid'
import {
  CHUNK_SIZE_BYTES_MAX, type FileReport, type FoundFile, MESSAGE_TYPE, type Query, TallyError, secretPath, socketPath, userName,
} from '../protocol/index.ts'
import { Download, type DownloadResult } from './download.ts'
import type { OnEvent } from './events.ts'
import { type FileId, parseFileId } from './file-id.ts'
import { FileSink, type FileTarget } from './file-sink.ts'
import { Link } from './link.ts'
import { BytesSource, FileSource, type Source } from './source.ts'
import { StreamSink } from './sink.ts'
import { StreamSource } from './stream-source.ts'
import { TIMINGS_DEFAULT, type Timings } from './timings.ts'
import { givenToken, mintedToken, tokenFromFile } from './token.ts'
import { transferId } from './transfer-id.ts'
import { Upload, type UploadResult } from './upload.ts'

export type { DownloadResult, FileId, FileReport, FileTarget, FoundFile, Timings, UploadResult }
export type { ClientEvent, OnEvent, UploadCounts } from './events.ts'
export { TallyError } from '../protocol/index.ts'
export { ClientError, type ClientErrorCode } from './errors.ts'
export { safeName } from './safe-name.ts'

export interface ConnectOptions {
  /** Default: `TALLY_SOCKET`, else where a daemon of the same user listens. */
  readonly socket?: string
  /** One of the three; default: `TALLY_TOKEN`, else minted with the secret of `TALLY_SECRET_FILE` or of the same user's daemon. */
  readonly token?: string | (() => string | Promise<string>)
  readonly tokenFile?: string
  readonly secretFile?: string
  /** Who besides ourselves and root may own the socket. */
  readonly trustedUids?: readonly number[]
  readonly timings?: Partial<Timings>
  readonly onEvent?: OnEvent
}

export interface PutOptions {
  /** Default: the file's own name. Required for bytes and streams. */
  readonly name?: string
  readonly tags?: readonly string[]
  /** 1 … 1,048,576; default 65,536. A transfer that is resumed keeps its first. */
  readonly chunkSizeBytes?: number
  /** At most so many chunks are sent before one of them is answered; default: what the daemon allows. */
  readonly windowChunks?: number
  /** Default: for a path derived from it and the file's state, so that the same put resumes after a break; else fresh. */
  readonly fid?: string
  readonly signal?: AbortSignal
  readonly onEvent?: OnEvent
}

export interface GetOptions {
  readonly signal?: AbortSignal
  readonly onEvent?: OnEvent
}

export interface FindOptions {
  /** At most so many files; default: all of them. */
  readonly limit?: number
  readonly signal?: AbortSignal
}

/** A tag that is both added and removed is removed. */
export interface TagChange {
  readonly add?: readonly string[]
  readonly remove?: readonly string[]
}

/** Where a file goes: to disk (see `FileTarget`), or piece by piece, in order, to a function that is waited for. */
export type GetTarget = FileTarget | { readonly write: (bytes: Uint8Array) => void | Promise<void> }

const PUT_CHUNK_SIZE_BYTES = 65_536
const FIND_PAGE = 1000
/** How often a transfer that was removed may be followed by a new one for the same file. */
const GENERATIONS_MAX = 100

/** Opens a connection and logs in, without retries: where no daemon listens, `connect-failed` is thrown at once. */
export async function connect(options: ConnectOptions = {}): Promise<Tally> {
  const link = new Link({
    path: options.socket ?? process.env['TALLY_SOCKET'] ?? socketPath(process.env, homedir()),
    token: tokenSource(options),
    timings: { ...TIMINGS_DEFAULT, ...options.timings },
    trustedUids: options.trustedUids,
    onEvent: options.onEvent,
  })
  await link.connection()
  return new Tally(link, options.onEvent)
}

/** A user's files at one daemon. Calls may run side by side; all share one connection. */
export class Tally {
  readonly #link: Link
  readonly #onEvent: OnEvent | undefined

  constructor(link: Link, onEvent: OnEvent | undefined) {
    this.#link = link
    this.#onEvent = onEvent
  }

  /** As the daemon knows us. */
  get user(): string {
    return this.#link.user
  }

  /**
   * Stores a file (by path), bytes, or a stream of unknown length. Resolves when it is stored, as durable as the daemon promises. Throws
   * `gave-up` where putting the same again would go on, `file-changed`, or the daemon's refusal.
   */
  async put(content: string | Uint8Array | AsyncIterable<Uint8Array>, options: PutOptions = {}): Promise<UploadResult> {
    const source = typeof content === 'string' ? await FileSource.open(content)
      : content instanceof Uint8Array ? new BytesSource(content) : new StreamSource(content)
    try {
      const name = options.name ?? (typeof content === 'string' ? basename(content) : undefined)
      if (name === undefined) throw new TallyError('name-invalid', 'bytes and streams need a name', { field: 'name' })
      if (options.fid !== undefined) return await this.#upload(source, name, options.fid, options)
      if (!(source instanceof FileSource)) return await this.#upload(source, name, v4(), options)
      for (let generation = 0; ; generation++) {
        const fid = await transferId(this.user, content as string, source.identity, name, generation)
        try {
          return await this.#upload(source, name, fid, options)
        } catch (error) {
          if (!isGone(error) || generation >= GENERATIONS_MAX) throw error
        }
      }
    } finally {
      await source.close()
    }
  }

  /** Brings a file here, verified against its digest. `id` is `fid/N`, `sha256:…`, or `fid` for its only file. */
  async get(id: string | FileId, target: GetTarget, options: GetOptions = {}): Promise<DownloadResult> {
    const wanted = typeof id === 'string' ? parseFileId(id) : id
    const sink = 'write' in target ? new StreamSink(target.write) : new FileSink(target)
    return new Download(this.#link, { id: wanted, sink, onEvent: this.#onEvent, ...options }).run()
  }

  /** The files that match, newest first. */
  async *find(query: Partial<Query> = {}, options: FindOptions = {}): AsyncGenerator<FoundFile, void, void> {
    let after: string | undefined
    let left = options.limit ?? Infinity
    do {
      const page = { limit: Math.min(left, FIND_PAGE), ...(after === undefined ? {} : { after }) }
      const ok = await this.#link.askUntilAnswered({
        type: MESSAGE_TYPE.FIND, tags: [], anyTags: [], notTags: [], ...query, ...page,
      }, options.signal)
      const files = (ok.files ?? []) as readonly FoundFile[]
      yield* files
      left -= files.length
      after = ok.next
    } while (after !== undefined && left > 0)
  }

  /** The state of each file of a transfer. Throws `unknown-fid` or `conflict` (gone). */
  async report(fid: string, options: { signal?: AbortSignal } = {}): Promise<readonly FileReport[]> {
    const ok = await this.#link.askUntilAnswered({
      type: MESSAGE_TYPE.AUTHENTICATION, token: await this.#link.token(), fid, files: [], tags: [],
    }, options.signal)
    return (ok.files ?? []) as readonly FileReport[]
  }

  /**
   * Adds and removes tags of a transfer's file, or of all of its files. Resolves with the tags that the file has then, or that all of
   * them have; durable then. A change of nothing reads. Throws `not-found`, `tag-invalid`, and then nothing has changed.
   */
  async tag(
    id: { readonly fid: string; readonly file?: number }, { add = [], remove = [] }: TagChange, options: { signal?: AbortSignal } = {},
  ): Promise<readonly string[]> {
    const ok = await this.#link.askUntilAnswered({
      type: MESSAGE_TYPE.TAG, fid: id.fid, ...(id.file === undefined ? {} : { file: id.file }), add, remove,
    }, options.signal)
    return ok.tags ?? []
  }

  /** Removes a transfer's file, or all of its files. Resolves with how many; durable then. Throws `unknown-fid`, `not-found`. */
  async remove(id: { readonly fid: string; readonly file?: number }, options: { signal?: AbortSignal } = {}): Promise<number> {
    const ok = await this.#link.askUntilAnswered({
      type: MESSAGE_TYPE.REMOVE, fid: id.fid, ...(id.file === undefined ? {} : { file: id.file }),
    }, options.signal)
    return ok.removed ?? 0
  }

  /** What is under way fails with `closed`. */
  close(): void {
    this.#link.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  #upload(source: Source, name: string, fid: string, options: PutOptions): Promise<UploadResult> {
    const modifiedMs = source instanceof FileSource ? { modifiedMs: Number(source.identity.mtimeNs / 1_000_000n) } : {}
    return new Upload(this.#link, {
      fid: fid.toLowerCase(),
      files: [{ label: { name, ...modifiedMs }, source }],
      tags: options.tags ?? [],
      chunkSizeBytes: Math.min(options.chunkSizeBytes ?? PUT_CHUNK_SIZE_BYTES, CHUNK_SIZE_BYTES_MAX),
      windowChunks: options.windowChunks,
      signal: options.signal,
      onEvent: options.onEvent ?? this.#onEvent,
    }).run()
  }
}

function tokenSource(options: ConnectOptions): () => Promise<string> {
  const { token } = options
  if (typeof token === 'function') return async () => token()
  if (token !== undefined) return givenToken(token)
  if (options.tokenFile !== undefined) return tokenFromFile(options.tokenFile)
  const fromEnvironment = process.env['TALLY_TOKEN']
  if (options.secretFile === undefined && fromEnvironment !== undefined) return givenToken(fromEnvironment)
  const secretFile = options.secretFile ?? process.env['TALLY_SECRET_FILE'] ?? secretPath(process.env, homedir())
  return mintedToken(secretFile, userName(process.getuid?.() ?? 0))
}

function isGone(error: unknown): boolean {
  if (!(error instanceof TallyError) || error.code !== 'conflict') return false
  return error.details['state'] === 'gone' || error.details['state'] === 'removed'
}
