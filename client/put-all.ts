/**
 * Many files by path into the store. Small ones travel in groups, each a transfer that is found again by the places of its files; the
 * others, and those that are not what is stored at their place in the group, travel alone, as `put` has them.
 */
import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { type FileAnnouncement, type FileReport, TallyError } from '../protocol/index.ts'
import { anyOf } from './abort.ts'
import { AllProgress } from './all-progress.ts'
import { labelOf } from './content.ts'
import { ClientError, asError } from './errors.ts'
import { FileThread } from './file-thread.ts'
import { inFlight } from './in-flight.ts'
import type { Link } from './link.ts'
import type { PutAllItem, PutAllOptions, PutAllResult } from './options.ts'
import { reportOn } from './report.ts'
import { SMALL_BYTES_MAX, type SmallFile, gathered } from './small-files.ts'
import { BytesSource } from './source.ts'
import type { Tally } from './tally.ts'
import { GENERATIONS_MAX, groupId } from './transfer-id.ts'
import { Upload, noCounts } from './upload.ts'

/** Groups, or single files. */
const IN_FLIGHT_MAX = 12
/** A group's small files have one chunk each. */
const CHUNK_SIZE_BYTES = SMALL_BYTES_MAX
/** Fewer are stored each by itself: whoever names a few files expects a transfer of its own for each. */
const GROUP_FILES_MIN = 8
/** Refusals that no single file is the reason of. */
const OF_ALL: ReadonlySet<string> = new Set(['unauthenticated', 'token-invalid', 'token-expired', 'forbidden'])

/** See `Tally.putAll`. */
export async function* putAll(
  tally: Tally, link: Link, files: Iterable<PutAllItem> | AsyncIterable<PutAllItem>, options: PutAllOptions,
): AsyncGenerator<PutAllResult, void, void> {
  const progress = new AllProgress(options.onEvent)
  const putting = new Putting(tally, link, options, progress)
  const { tags = [], expiresMs, meta = {} } = options
  const common = { tags, meta, ...(expiresMs === undefined ? {} : { expiresMs }) }
  const thread = new FileThread()
  const results = inFlight(gathered(files, common, thread), IN_FLIGHT_MAX, async (work, ending) => {
    const signal = anyOf(ending, options.signal)
    return 'path' in work ? [await putting.alone(work, signal)] : putting.together(work, signal)
  })
  try {
    for await (const some of results) yield* some
  } finally {
    await thread.close()
  }
}

class Putting {
  readonly #tally: Tally
  readonly #link: Link
  readonly #options: PutAllOptions
  readonly #progress: AllProgress

  constructor(tally: Tally, link: Link, options: PutAllOptions, progress: AllProgress) {
    this.#tally = tally
    this.#link = link
    this.#options = options
    this.#progress = progress
  }

  async alone({ path, ...label }: PutAllItem, signal: AbortSignal): Promise<PutAllResult> {
    const { tags = [], ...common } = this.#options
    try {
      const own = { ...common, ...label, tags: [...tags, ...label.tags ?? []], signal, onEvent: this.#progress.listener() }
      return { path, ...await this.#tally.put(path, own) }
    } catch (error) {
      this.#throwIfOver(error)
      return { path, error: asError(error) }
    }
  }

  /**
   * One transfer for all of them, made anew where none of them is what an earlier one has. What is stored in an earlier one as it is stays
   * there, and what has changed, or what a transfer cannot bring in, goes alone, so that each failure is told of the file that has it.
   */
  async together(group: readonly SmallFile[], signal: AbortSignal): Promise<readonly PutAllResult[]> {
    if (group.length < GROUP_FILES_MIN) return Promise.all(group.map(({ item }) => this.alone(item, signal)))
    const stored = new Map<SmallFile, PutAllResult>()
    let isTaken = true
    for (let generation = 0; isTaken && generation <= GENERATIONS_MAX; generation++) {
      const fid = groupId(this.#tally.user, group.map(({ place }) => place), generation)
      try {
        if (stored.size === 0) return await this.#upload(fid, group, signal)
      } catch (error) {
        this.#throwIfOver(error)
        if (!(error instanceof TallyError) || OF_ALL.has(error.code)) return group.map(({ item: { path } }) => ({ path, error: asError(error) }))
        isTaken = error.code === 'conflict'
      }
      isTaken = await this.#addStored(stored, fid, group, signal) && isTaken
    }
    return Promise.all(group.map(small => stored.get(small) ?? this.alone(small.item, signal)))
  }

  async #upload(fid: string, group: readonly SmallFile[], signal: AbortSignal): Promise<readonly PutAllResult[]> {
    const { tags = [], chunkSizeBytes = CHUNK_SIZE_BYTES, windowChunks, crc32, ...common } = this.#options
    const { files, counts } = await new Upload(this.#link, {
      fid,
      files: group.map(({ item, bytes, modifiedMs }) => {
        const label = labelOf({ name: basename(item.path), modifiedMs }, { ...common, ...item })
        const labelled = item.tags === undefined ? label : { ...label, tags: item.tags }
        return { label: labelled, source: new BytesSource(bytes), digest: item.digest?.toLowerCase() }
      }),
      tags,
      chunkSizeBytes,
      windowChunks,
      crc32,
      signal,
      onEvent: this.#progress.listener(),
    }).run()
    return files.map((stored, file) => ({ path: group[file]?.item.path ?? '', fid, file, ...stored, counts }))
  }

  /** Adds those that the transfer has with the very content, with their tags and expiry. False where there is no such transfer. */
  async #addStored(stored: Map<SmallFile, PutAllResult>, fid: string, group: readonly SmallFile[], signal: AbortSignal): Promise<boolean> {
    const digests = group.map(({ bytes }) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`)
    const isThere = (report: FileReport | undefined, file: number): boolean => report?.state === 'stored' && report.digest === digests[file]
    const asking = { signal, onEvent: this.#options.onEvent }
    let reports: readonly FileReport[]
    try {
      reports = (await reportOn(this.#link, fid, asking)).files
      const told = group.map((small, file) => this.#expiryOf(small, !stored.has(small) && isThere(reports[file], file)))
      if (told.some(({ expiresMs }) => expiresMs !== undefined)) reports = (await reportOn(this.#link, fid, asking, told)).files
    } catch (error) {
      this.#throwIfOver(error)
      return error instanceof TallyError && error.code === 'conflict'
    }
    await Promise.all(group.map(async (small, file) => {
      const { path, name = basename(path), tags = [] } = small.item
      const [report, digest = ''] = [reports[file], digests[file]]
      if (stored.has(small) || !isThere(report, file)) return
      const add = [...this.#options.tags ?? [], ...tags]
      try {
        if (add.length > 0) await this.#tally.tag({ fid, file }, { add }, { signal })
        const expiry = report?.expiresMs === undefined ? {} : { expiresMs: report.expiresMs }
        stored.set(small, { path, fid, file, name, sizeBytes: small.bytes.length, digest, sentBytes: 0, ...expiry, counts: noCounts() })
      } catch (error) {
        // Whatever is wrong with it, such as a tag: it is told when the file goes alone.
        this.#throwIfOver(error)
      }
    }))
    return true
  }

  /** Of a file that is there with this content, when it expires from now on; else nothing but its name, which cannot be another. */
  #expiryOf({ item: { path, name = basename(path), expiresMs = this.#options.expiresMs } }: SmallFile, isThere: boolean): FileAnnouncement {
    return { name, sizeBytes: null, ...(isThere && expiresMs !== undefined ? { expiresMs } : {}) }
  }

  /** What concerns every file is not told of each. */
  #throwIfOver(error: unknown): void {
    this.#options.signal?.throwIfAborted()
    if (error instanceof ClientError && error.code === 'closed') throw error
  }
}
