/**
 * A user's files at one daemon, as an app sees them: each call of the library, put into terms of uploads, downloads and single requests.
 */
import { v4 } from 'uuid'
import { CHUNK_SIZE_BYTES_MAX, type FoundFile, MESSAGE_TYPE, TallyError, uuidToWords } from '../protocol/index.ts'
import { byteStream } from './byte-stream.ts'
import { type Content, type PutContent, labelOf, openContent } from './content.ts'
import { Download, type DownloadResult } from './download.ts'
import type { OnEvent } from './events.ts'
import { type FileId, parseFileId } from './file-id.ts'
import { FileSink } from './file-sink.ts'
import { getAll } from './get-all.ts'
import { KnownDigest, candidateOf, givenDigest } from './known-digest.ts'
import { checkOptions } from './known-options.ts'
import type { Link } from './link.ts'
import type {
  ByteRange, CallOptions, FileOfTransfer, FindOptions, FindQuery, GetAllOptions, GetAllResult, GetAllTarget, GetOptions, GetTarget,
  PutAllItem, PutAllOptions, PutAllResult, PutOptions, PutResult, TagChange, TallyEvent, WatchOptions,
} from './options.ts'
import { Operator } from './operator.ts'
import { putAll } from './put-all.ts'
import { type Report, reportOn } from './report.ts'
import { StreamSink } from './sink.ts'
import { FileSource } from './source.ts'
import { GENERATIONS_MAX, transferId } from './transfer-id.ts'
import { HASH_FIRST_BYTES, Upload, type UploadResult } from './upload.ts'
import type { FileLabel } from './upload-file.ts'
import { watch } from './watch.ts'

/** A smaller one costs more of the processor, a larger one saves nothing (docs/design.md, "What the hot path costs"). */
const PUT_CHUNK_SIZE_BYTES = 262_144
const FIND_PAGE = 1000

/** Calls may run side by side; all share one connection, which is made again when it breaks. */
export class Tally {
  readonly #link: Link
  readonly #onEvent: OnEvent | undefined
  readonly #known: KnownDigest

  constructor(link: Link, onEvent: OnEvent | undefined) {
    this.#link = link
    this.#onEvent = onEvent
    this.#known = new KnownDigest(link)
  }

  /** For tokens whose scope has `admin`. */
  get operator(): Operator {
    return new Operator(this.#link)
  }

  /** As the daemon knows us. */
  get user(): string {
    return this.#link.user
  }

  /**
   * Stores a file (by path), a blob, bytes, or a stream of unknown length, which is read as fast as the daemon takes it. Resolves when it
   * is stored, as durable as the daemon promises. What was acknowledged stays when it fails or is aborted, and putting the same path (or
   * any content under the same `fid`) again goes on. Content that the user has stored already is not sent where its digest is known before
   * its first byte: see `digest` and `digestFirst`. Throws `gave-up` where that may help, `file-changed`, `not-bytes`, `digest-mismatch`
   * where `digest` is not the content's, what the stream threw, or the daemon's refusal.
   */
  async put(content: PutContent, options: PutOptions = {}): Promise<PutResult> {
    checkOptions('put', options)
    options.signal?.throwIfAborted()
    if (options.fid !== undefined && uuidToWords(options.fid) === undefined) {
      throw new TallyError('malformed', `${JSON.stringify(options.fid)} is no UUID`, { field: 'fid' })
    }
    const digest = options.digest === undefined ? undefined : givenDigest(options.digest)
    const opened = await openContent(content)
    const { source } = opened
    try {
      const label = labelOf(opened.label, options)
      const upload = (fid: string): Promise<UploadResult> => this.#upload(opened, label, fid, { ...options, digest })
      const result = options.fid !== undefined ? await upload(options.fid)
        : source instanceof FileSource ? await this.#putFile(content as string, source, label.name, upload)
          : await upload(v4())
      const [file] = result.files
      if (file === undefined) throw new TypeError('an upload has one file')
      return { ...result, ...file, file: 0 }
    } finally {
      await source.close()
    }
  }

  /**
   * Stores many files by path, several at a time. Yields for each, as it ends, where it is or why it failed; only an abort, or `close`,
   * ends all of them. What is stored already is not sent again. Leaving the loop ends what is under way.
   */
  putAll(files: Iterable<PutAllItem> | AsyncIterable<PutAllItem>, options: PutAllOptions = {}): AsyncGenerator<PutAllResult, void, void> {
    checkOptions('putAll', options)
    return putAll(this, this.#link, files, { ...options, onEvent: options.onEvent ?? this.#onEvent })
  }

  /**
   * Brings a file, or a range of its bytes, here; a whole one is verified against its digest. `id` is `fid/N`, `sha256:…`, or `fid` for its
   * only file. Continues a partial file. A file on disk is durable on return. Throws `not-found`, `exists`, `no-space` and `gave-up`
   * (both: the same get goes on), `unsafe-target`, `digest-mismatch`, `content-damaged`, what the file system or `write` throws.
   */
  async get(id: string | FileId, target: GetTarget, options: GetOptions = {}): Promise<DownloadResult> {
    checkOptions('get', options)
    const wanted = typeof id === 'string' ? parseFileId(id) : id
    const sink = 'write' in target ? new StreamSink(target.write) : new FileSink(target)
    return new Download(this.#link, { ...options, id: wanted, sink, onEvent: options.onEvent ?? this.#onEvent }).run()
  }

  /** Brings many files here, several at a time. Yields for each, as it ends, where it is or why it failed. */
  getAll(
    files: Iterable<FoundFile | FileId> | AsyncIterable<FoundFile | FileId>, target: GetAllTarget, options: GetAllOptions = {},
  ): AsyncGenerator<GetAllResult, void, void> {
    checkOptions('getAll', options)
    return getAll(this.#link, files, target, { ...options, onEvent: options.onEvent ?? this.#onEvent })
  }

  /**
   * A file, or a range of its bytes, as a web stream that can also be iterated; nothing is fetched before it is read, and no more than is
   * read. A whole file is verified: where its digest differs, the stream fails after its last byte instead of ending.
   */
  stream(id: string | FileId, options: ByteRange & CallOptions = {}): ReadableStream<Uint8Array> & AsyncIterable<Uint8Array> {
    checkOptions('get', options)
    return byteStream((write, signal) => this.get(id, { write }, { ...options, signal }), options.signal)
  }

  /** The files that match, newest first. */
  async *find(query: FindQuery = {}, options: FindOptions = {}): AsyncGenerator<FoundFile, void, void> {
    checkOptions('query', query)
    checkOptions('find', options)
    let after: string | undefined
    let left = options.limit ?? Infinity
    do {
      const page = { limit: Math.min(left, FIND_PAGE), ...(after === undefined ? {} : { after }) }
      const ok = await this.#link.askUntilAnswered({
        type: MESSAGE_TYPE.FIND, tags: [], anyTags: [], notTags: [], ...query, ...page,
      }, options)
      const files = (ok.files ?? []) as readonly FoundFile[]
      yield* files
      left -= files.length
      after = ok.next
    } while (after !== undefined && left > 0)
  }

  /**
   * What happens to the files that match, from now on or after the event `since`; until the loop is left or the signal aborted. Goes on
   * by itself after a break, without missing or repeating a numbered event; where the daemon no longer keeps them, the event
   * `truncated` tells. Throws `gave-up` and the daemon's refusals.
   */
  watch(query: FindQuery = {}, options: WatchOptions = {}): AsyncGenerator<TallyEvent, void, void> {
    checkOptions('query', query)
    checkOptions('watch', options)
    return watch(this.#link, query, { ...options, onEvent: options.onEvent ?? this.#onEvent })
  }

  /**
   * The state of each file of a transfer, with all of its gaps and its chunk size. Who asks with a right to put takes over the filling of
   * the transfer with opaque chunks. Throws `unknown-fid` or `conflict` (gone).
   */
  async report(fid: string, { signal, onEvent = this.#onEvent }: CallOptions = {}): Promise<Report['files']> {
    const { files } = await reportOn(this.#link, fid, { signal, onEvent })
    return files
  }

  /**
   * Adds and removes tags of a transfer's file, or of all of its files. Resolves with the tags that the file has then, or that all of
   * them have; durable then. A change of nothing reads. Throws `not-found`, `tag-invalid`, and then nothing has changed.
   */
  async tag(id: FileOfTransfer, { add = [], remove = [] }: TagChange, options: CallOptions = {}): Promise<readonly string[]> {
    const ok = await this.#link.askUntilAnswered({ type: MESSAGE_TYPE.TAG, ...wireId(id), add, remove }, options)
    return ok.tags ?? []
  }

  /** Removes a transfer's file, or all of its files. Resolves with how many; durable then. Throws `unknown-fid`, `not-found`. */
  async remove(id: FileOfTransfer, options: CallOptions = {}): Promise<number> {
    const ok = await this.#link.askUntilAnswered({ type: MESSAGE_TYPE.REMOVE, ...wireId(id) }, options)
    return ok.removed ?? 0
  }

  /** What is under way fails with `closed`. */
  close(): void {
    this.#link.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  /** Under the fid that follows from the file; where that transfer was removed, under the next one. */
  async #putFile(path: string, source: FileSource, name: string, upload: (fid: string) => Promise<UploadResult>): Promise<UploadResult> {
    for (let generation = 0; ; generation++) {
      const fid = await transferId(this.user, path, source.identity, name, generation)
      try {
        return await upload(fid)
      } catch (error) {
        if (!isGone(error) || generation >= GENERATIONS_MAX) throw error
      }
    }
  }

  async #upload(content: Content, label: FileLabel, given: string, options: UploadOptionsGiven): Promise<UploadResult> {
    const { source } = content
    const { digest, signal, onEvent = this.#onEvent } = options
    const fid = given.toLowerCase()
    return await new Upload(this.#link, {
      fid,
      files: [{ label, source, digest }],
      digestFirst: await this.#isDigestFirst(content, label, fid, options),
      tags: options.tags ?? [],
      chunkSizeBytes: Math.min(options.chunkSizeBytes ?? PUT_CHUNK_SIZE_BYTES, CHUNK_SIZE_BYTES_MAX),
      windowChunks: options.windowChunks,
      crc32: options.crc32,
      signal,
      onEvent,
    }).run()
  }

  /** Small content always is, without a question. */
  async #isDigestFirst(
    { source: { sizeBytes }, label: own }: Content, label: FileLabel, fid: string, options: UploadOptionsGiven,
  ): Promise<boolean> {
    const { digest, digestFirst, signal, onEvent = this.#onEvent } = options
    if (sizeBytes === null || sizeBytes <= HASH_FIRST_BYTES || digest !== undefined || digestFirst === false) return false
    return this.#known.isWorthHashing(candidateOf(fid, sizeBytes, own, label), digestFirst === true, { signal, onEvent })
  }
}

/** As `PutOptions`, with the digest checked. */
type UploadOptionsGiven = Omit<PutOptions, 'digest'> & { readonly digest: string | undefined }

function wireId({ fid, file }: FileOfTransfer): FileOfTransfer {
  return file === undefined ? { fid } : { fid, file }
}

function isGone(error: unknown): boolean {
  if (!(error instanceof TallyError) || error.code !== 'conflict') return false
  return error.details['state'] === 'gone' || error.details['state'] === 'removed'
}
