/**
 * What a user has: finding files by their tags, and opening the content of one. The rule that users see only their own files is the
 * catalog's `user`, which stands in every question asked here.
 */
import { TallyError } from '../../protocol/errors.ts'
import type { Find, FoundFile, ValueMap } from '../../protocol/messages.ts'
import { parseMsgpack } from '../../protocol/msgpack.ts'
import { present } from '../../protocol/present.ts'
import type { ContentReader, FoundRecord, Store, StoredContent } from '../storage/storage.ts'
import type { Damage } from './damage.ts'
import { openVerified, readerOf } from './verified.ts'

/** What `next` says: a file's id. */
const CURSOR = /^[0-9]{1,16}$/

export interface Found {
  /** Of the user's last event when this was asked: a WATCH since then misses nothing. */
  readonly sequence: number
  readonly files: readonly FoundFile[]
  /** The cursor of the next page; absent on the last one. */
  readonly next?: string
}

export class Library {
  readonly #store: Store

  readonly #damage: Damage

  constructor(store: Store, damage: Damage) {
    this.#store = store
    this.#damage = damage
  }

  /** Files of this user that match, newest first. Throws `malformed` (field `after`) for what was no `next`. */
  async find(user: string, query: Find): Promise<Found> {
    const { limit, after } = query
    if (after !== undefined && !CURSOR.test(after)) throw new TallyError('malformed', '`after` is what a `next` said', { field: 'after' })
    // One more than asked for tells whether there is a next page.
    const { files: records, sequence } = await this.#store.catalog.find({
      ...query, user, limit: limit + 1, ...(after === undefined ? {} : { after }),
    })
    const page = records.slice(0, limit)
    const next = records.length > limit ? page.at(-1)?.cursor : undefined
    return { files: page.map(toFoundFile), sequence, ...(next === undefined ? {} : { next }) }
  }

  /**
   * The stored file, and a reader of its bytes that a removal does not disturb, and that gives no byte which is not what was stored. Throws
   * `not-found`, and `content-damaged` where damage is known; the reader throws that where it meets some.
   */
  async open(user: string, wanted: { fid: string; file: number } | { digest: string }): Promise<OpenContent> {
    const content = await this.#content(user, wanted)
    // A file of 0 bytes has no blob.
    if (content.sizeBytes === 0) return { content, reader: readerOf(new Uint8Array(0)) }
    if (content.damaged.length > 0) throw new TallyError('content-damaged', `blob ${content.blob} is damaged`)
    try {
      return { content, reader: await openVerified(this.#store, content, () => this.#damage.suspect(user, content)) }
    } catch (cause) {
      // It may have been removed since we asked: then it is not damaged but gone.
      await this.#content(user, wanted)
      throw cause
    }
  }

  async #content(user: string, wanted: { fid: string; file: number } | { digest: string }): Promise<StoredContent> {
    const content = await this.#store.catalog.content(user, wanted)
    if (content === undefined) throw new TallyError('not-found', 'there is no such stored file')
    return content
  }
}

/** A record as the wire shows it: what is not known is absent. */
export function toFoundFile(record: Omit<FoundRecord, 'id' | 'cursor' | 'chunkSizeBytes'>): FoundFile {
  return present<FoundFile>({
    fid: record.fid,
    file: record.number,
    name: record.name,
    sizeBytes: record.sizeBytes,
    digest: record.digest ?? undefined,
    mediaType: record.mediaType ?? undefined,
    modifiedMs: record.modifiedMs ?? undefined,
    meta: record.meta === null ? undefined : parseMsgpack(record.meta) as ValueMap,
    tags: record.tags,
    state: record.state,
    receivedBytes: record.receivedBytes,
    createdMs: record.createdMs,
    storedMs: record.storedMs ?? undefined,
    expiresMs: record.expiresMs ?? undefined,
  })
}

export interface OpenContent {
  readonly content: StoredContent
  readonly reader: ContentReader
}
