/**
 * Many files by path into the store. Small ones travel in groups, each a transfer that is found again by the state of its files; the others,
 * and those of a group that cannot be stored as one, travel alone, as `put` has them.
 */
import { basename } from 'node:path'
import { TallyError } from '../protocol/index.ts'
import { anyOf } from './abort.ts'
import { AllProgress } from './all-progress.ts'
import { labelOf } from './content.ts'
import { ClientError, asError } from './errors.ts'
import { inFlight } from './in-flight.ts'
import type { Link } from './link.ts'
import type { PutAllItem, PutAllOptions, PutAllResult } from './options.ts'
import { SMALL_BYTES_MAX, type SmallFile, gathered } from './small-files.ts'
import { BytesSource } from './source.ts'
import type { Tally } from './tally.ts'
import { groupId } from './transfer-id.ts'
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
  const results = inFlight(gathered(files, common), IN_FLIGHT_MAX, async (work, ending) => {
    const signal = anyOf(ending, options.signal)
    return 'path' in work ? [await putting.alone(work, signal)] : putting.together(work, signal)
  })
  for await (const some of results) yield* some
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

  /** One transfer for all of them. What it cannot bring in is tried alone, so that each failure is told of the file that has it. */
  async together(group: readonly SmallFile[], signal: AbortSignal): Promise<readonly PutAllResult[]> {
    if (group.length < GROUP_FILES_MIN) return Promise.all(group.map(({ item }) => this.alone(item, signal)))
    try {
      return await this.#upload(group, signal)
    } catch (error) {
      this.#throwIfOver(error)
      if (!(error instanceof TallyError) || OF_ALL.has(error.code)) {
        return group.map(({ item: { path } }) => ({ path, error: asError(error) }))
      }
      const stored = await this.#storedOf(group, signal)
      return Promise.all(group.map(({ item }, file) => stored[file] ?? this.alone(item, signal)))
    }
  }

  async #upload(group: readonly SmallFile[], signal: AbortSignal): Promise<readonly PutAllResult[]> {
    const { tags = [], chunkSizeBytes = CHUNK_SIZE_BYTES, windowChunks, crc32, ...common } = this.#options
    const { fid, files, counts } = await new Upload(this.#link, {
      fid: groupId(this.#tally.user, group.map(({ identity }) => identity)),
      files: group.map(({ item, bytes, modifiedMs }) => {
        const label = labelOf({ name: basename(item.path), modifiedMs }, { ...common, ...item })
        return { label: item.tags === undefined ? label : { ...label, tags: item.tags }, source: new BytesSource(bytes) }
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

  /** By their places in the group, those that are stored already. */
  async #storedOf(group: readonly SmallFile[], signal: AbortSignal): Promise<readonly (PutAllResult | undefined)[]> {
    const fid = groupId(this.#tally.user, group.map(({ identity }) => identity))
    const reports = await this.#tally.report(fid, { signal }).catch(() => [])
    return reports.map(({ state, digest = '' }, file) => {
      const small = group[file]
      if (state !== 'stored' || small === undefined) return undefined
      const { path, name = basename(path) } = small.item
      return { path, fid, file, name, sizeBytes: small.bytes.length, digest, counts: noCounts() }
    })
  }

  /** What concerns every file is not told of each. */
  #throwIfOver(error: unknown): void {
    this.#options.signal?.throwIfAborted()
    if (error instanceof ClientError && error.code === 'closed') throw error
  }
}
