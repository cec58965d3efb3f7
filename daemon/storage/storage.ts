/**
 * The contracts of the store: a `Catalog` (records and receipts) and a `Contents` (bytes), handed out together as a `Store`.
 * Back-ends implement these and know no messages; `test/storage/conformance.ts` is run against each of them.
 *
 * The division of labour: the daemon's `transfers/` decides (it alone knows what is in flight) and calls in this order for every
 * group of chunks: `contents.write`, `contents.sync`, `catalog.mark`. What `mark` has returned for may be acknowledged, and
 * nothing else. A back-end makes each catalog call atomic and durable on return, and may join calls that arrive together into one
 * transaction. With durability `process` "durable" means: survives the death of the daemon, not of the machine.
 */
import type { Acks, FileState, Query, Run } from '../../protocol/messages.ts'
import type { ByteRange } from './blocks.ts'
import type { Quota, Usage } from './quota.ts'

/** Grows with time and is never used again, not even after a removal; also names the file's blob. */
export type FileId = number
export type TransferId = number
export type Durability = 'power' | 'process'
/**
 * Which of the two kinds of chunks a file takes; null until its first one, and for ever where it was stored without any (protocol, 3.2).
 */
export type ChunkKind = 'numbered' | 'opaque'

export interface NewFile {
  readonly name: string
  readonly sizeBytes: number | null
  readonly digest: string | null
  readonly mediaType: string | null
  readonly modifiedMs: number | null
  readonly expiresMs: number | null
  /** A msgpack map, as encoded by `protocol`; null where none was given. */
  readonly meta: Uint8Array | null
  readonly tags: readonly string[]
}

export interface NewTransfer {
  readonly user: string
  /** 36 characters, lower case. Unique within the user. */
  readonly fid: string
  readonly chunkSizeBytes: number
  readonly acks: Acks
  /** The daemon made the fid: the transfer is dropped again if its connection closes before the first chunk. */
  readonly madeByDaemon: boolean
  readonly files: readonly NewFile[]
  readonly nowMs: number
  /** What the user may have with it; absent: no limit. */
  readonly quota?: Quota
}

export interface FileRecord extends Omit<NewFile, 'digest'> {
  readonly id: FileId
  /** 0-based place in the transfer. */
  readonly number: number
  /** `finishing` is never stored: it is `receiving` with every chunk marked. */
  readonly state: Exclude<FileState, 'finishing'>
  readonly kind: ChunkKind | null
  /** The transfer's, or what the first opaque chunk set. */
  readonly chunkSizeBytes: number
  /** While receiving: as announced, or null. When stored: as computed. */
  readonly digest: string | null
  /** Marked chunks, a page each of `CHUNKS_PER_PAGE`, as `ChunkSet` encodes them. Empty unless receiving. */
  readonly receipts: readonly ReceiptPage[]
  /** Bytes that are durable in the catalog only and belong into the blob (see `Mark.held`). Empty unless receiving. */
  readonly held: readonly HeldBytes[]
  /** Also of a removed file that was stored before: one that was not was given up unfinished. */
  readonly storedMs: number | null
  /**
   * The file is stored, its content is damaged, and it takes the chunks of the damaged blocks into this blob: `receipts` and `held` are
   * those of the repair. Null: not under repair.
   */
  readonly repair: FileId | null
}

export interface OwnedContent {
  readonly user: string
  readonly content: StoredContent
}

/** How far a scrub has read. */
export interface ScrubPosition {
  /** When this pass began. */
  readonly beganMs: number
  /** Contents with a lower blob are done; of this one, the blocks below `block`. */
  readonly blob: FileId
  readonly block: number
  /** The pass is over; the next one has not begun. */
  readonly isOver: boolean
}

/** A stored file whose content is not what was stored any more. */
export interface DamagedFile {
  /** Its number in the transfer. */
  readonly file: number
  /** Of blocks. */
  readonly damaged: readonly Run[]
}

/** A stored file's repair. */
export interface Repair {
  /** What the chunks came into, each at its place. */
  readonly blob: FileId
  /** The blob that is damaged. */
  readonly content: FileId
  readonly digest: string
  readonly sizeBytes: number
  /** Of `blob`: what goes into `content`. Ascending. */
  readonly ranges: readonly ByteRange[]
}

export interface ReceiptPage {
  readonly page: number
  readonly bytes: Uint8Array
}

export interface HeldBytes {
  readonly offsetBytes: number
  readonly bytes: Uint8Array
}

export interface TransferRecord {
  readonly id: TransferId
  readonly user: string
  readonly fid: string
  /** gone: removed or expired; its fid answers `conflict` until the tombstone is forgotten. `files` is then empty. */
  readonly state: 'open' | 'gone'
  readonly chunkSizeBytes: number
  readonly acks: Acks
  readonly madeByDaemon: boolean
  readonly createdMs: number
  readonly files: readonly FileRecord[]
  /** How many pairs of opaque UUID and place are kept. */
  readonly pairCount: number
}

/** An opaque chunk's UUID and the place that it was given. Kept when the file is stored; dropped with the transfer or by `expire`. */
export interface Pair {
  /** 32 hex digits, lower case. */
  readonly uuid: string
  readonly file: number
  readonly chunk: number
}

/** What a group of chunks changes in one file's records. Everything in one call to `mark` becomes durable together. */
export interface Mark {
  readonly file: FileId
  readonly transfer: TransferId
  /** Replaces these pages whole. */
  readonly pages: readonly ReceiptPage[]
  readonly pairs: readonly Pair[]
  /** Small groups: the bytes themselves, added to what is held already; one sync then serves bytes and mark. */
  readonly held: readonly HeldBytes[]
  /** What was held before this call is now synced in the blob, or is in `held` again: drop it. */
  readonly releaseHeld: boolean
  /** Set by the first chunk of a file. */
  readonly kind: ChunkKind
  readonly chunkSizeBytes: number
  /** How many of the file's bytes are marked once this call returns; with the size it tells whether the file is finishing. */
  readonly receivedBytes: number
}

/** What AUTHENTICATION tells late, or anew. Absent: as before. */
export interface Amendment {
  readonly transfer: TransferId
  /** What the user may have with it; absent: no limit. */
  readonly quota?: Quota
  readonly acks?: Acks
  readonly files: readonly {
    readonly id: FileId
    readonly sizeBytes?: number
    readonly digest?: string
    readonly mediaType?: string
    readonly modifiedMs?: number
    readonly expiresMs?: number
    readonly meta?: Uint8Array
    /** Added to what is there. */
    readonly addTags?: readonly string[]
  }[]
}

/** What TAG asks: a tag in both is removed; what stays keeps its place, what is new follows. */
export interface Tagging {
  readonly transfer: TransferId
  readonly files: readonly FileId[]
  readonly add: readonly string[]
  readonly remove: readonly string[]
}

export interface FindQuery extends Query {
  readonly user: string
  /** Files of exactly so many bytes. */
  readonly sizeBytes?: number
  readonly limit: number
  /** The `cursor` of the last file of the page before. */
  readonly after?: string
}

export interface FoundRecord extends Omit<FileRecord, 'receipts' | 'held' | 'kind' | 'state' | 'repair'> {
  readonly fid: string
  readonly state: FileState
  readonly receivedBytes: number
  readonly createdMs: number
  readonly cursor: string
}

/** One page of FIND, and the number of the user's last event in the same moment: WATCH since then misses nothing. */
export interface FoundPage {
  readonly files: readonly FoundRecord[]
  readonly sequence: number
}

/** The newest events of a user that are kept. A watcher who was away for longer begins anew, with FIND. About 300 bytes each. */
export const EVENTS_KEPT_MAX = 100_000

export type EventKind = 'stored' | 'tagged' | 'removed'

/** What happened to a file, with the file as it was then: a removed one as it was before, without `meta`, but with the state `removed`. */
export interface EventRecord extends Omit<FoundRecord, 'id' | 'cursor' | 'chunkSizeBytes'> {
  /** Counts per user from 1, without gaps; never used again. */
  readonly sequence: number
  readonly event: EventKind
}

export interface EventQuery extends Query {
  readonly user: string
  /** What came after this number; absent: nothing but what the last number is. */
  readonly after?: number
  /** At most so many events. */
  readonly limit: number
}

export interface EventPage {
  /** Those that match before or after the change, in their order. */
  readonly events: readonly EventRecord[]
  /** Looked at up to here: the `after` of the next page. */
  readonly through: number
  /** The number of the user's last event. */
  readonly sequence: number
  /** What followed `after` is not kept any more, or `after` was never given by this store; the page begins where it can. */
  readonly isTruncated: boolean
}

export interface UnfinishedQuery {
  readonly user?: string
  readonly limit: number
  readonly after?: TransferId
}

export interface UnfinishedTransfer {
  readonly id: TransferId
  readonly user: string
  readonly fid: string
  readonly createdMs: number
  /** The last chunk that was marked, or the announcement. */
  readonly touchedMs: number
  /** These count the files that are not stored yet. */
  readonly files: number
  /** Null where the size of one is not known. */
  readonly sizeBytes: number | null
  readonly receivedBytes: number
}

/** Where the bytes of a stored file are. */
export interface StoredContent {
  readonly fid: string
  readonly file: number
  readonly name: string
  readonly sizeBytes: number
  readonly digest: string
  readonly tags: readonly string[]
  readonly meta: Uint8Array | null
  readonly blob: FileId
  /** Runs of blocks (`blocks.ts`) of which it was noticed that they are not what was stored; empty where nothing is known. */
  readonly damaged: readonly Run[]
  /** The first page of the blocks' sums. */
  readonly sums: Uint8Array
  /** The bytes of a small one, where `content` had them at hand; not compared with the digest. */
  readonly bytes?: Uint8Array
}

/**
 * Records: users' transfers, files, tags, receipts, pairs and contents by digest.
 * Every method may reject with `storage-full` (nothing changed; a retry may succeed) or `storage-failed` (a sync or write failed;
 * the back-end refuses every further change until it is opened anew).
 */
export interface Catalog {
  /**
   * Writes a new transfer. The caller has made sure that `load` knows nothing of this user and fid. Files get growing ids. A file whose
   * announced digest and size the user has stored already, undamaged as far as is known, is stored at once and shares that content.
   * `quota-exceeded`: nothing has changed.
   */
  announce(transfer: NewTransfer): Promise<TransferRecord>
  /** The transfer with its receipts, gone or not; undefined where the user has no such fid. Others' transfers do not exist. */
  load(user: string, fid: string): Promise<TransferRecord | undefined>
  /** Transfers with a file whose every chunk is marked and that is not stored, or not repaired: what a crash while finishing leaves. */
  complete(): Promise<readonly { user: string; fid: string }[]>
  /** Transfers with files that are not stored yet, of this user or of all, newest first; `after` is the `id` of the last one of a page. */
  unfinished(query: UnfinishedQuery): Promise<readonly UnfinishedTransfer[]>
  /**
   * Files that get tags which they had not are told as `tagged`. `quota-exceeded` where a size told now goes too far, `not-found` where a
   * file is gone: nothing has changed.
   */
  amend(amendment: Amendment, nowMs: number): Promise<void>
  /**
   * Changes the tags of all of these files, and tells those whose tags change as `tagged`. `not-found` where one of them was removed, or
   * the transfer is gone: then nothing has changed.
   */
  tag(tagging: Tagging, nowMs: number): Promise<void>
  /**
   * Receipts for groups of chunks of any number of transfers, atomically: after a crash all of it is there or nothing.
   * What concerns a file that is not receiving any more (removed meanwhile) is left out. With a
   * quota all of them are one user's: `quota-exceeded` where files whose size is not told grow beyond it, and nothing has changed.
   */
  mark(marks: readonly Mark[], nowMs: number, quota?: Quota): Promise<void>
  /** What counts for the user just now. */
  usage(user: string): Promise<Usage>
  /** The pairs among these UUIDs that were marked. */
  pairs(transfer: TransferId, uuids: readonly string[]): Promise<readonly Pair[]>
  /**
   * Makes a file stored and visible under its computed digest, marked before or not, and drops its receipts and held bytes. If the user has
   * the digest already, the file shares that content and its own blob becomes garbage; a content that is damaged is replaced by the new
   * blob instead. `not-found` if the file was removed meanwhile; a file that is stored already stays as it is. `sums` are those of the
   * content's blocks; without them damage is found by the digest alone. Told as `stored`.
   */
  store(file: FileId, digest: string, sizeBytes: number, nowMs: number, sums?: Uint8Array): Promise<void>
  /** Whether a stored file of the transfer is damaged and can be repaired, or is under repair. */
  isDamaged(transfer: TransferId): Promise<boolean>
  /** The stored files of the transfer whose content is known to be damaged, whatever chunks they take, by ascending number. */
  damagedFiles(transfer: TransferId): Promise<readonly DamagedFile[]>
  /**
   * Begins to repair the damaged files of the transfer that take numbered chunks: those chunks that have bytes of a damaged block are not
   * marked from here on, and `mark` counts for these files as for receiving ones. They stay stored. Answers all that are under repair.
   */
  beginRepairs(transfer: TransferId, nowMs: number): Promise<readonly FileRecord[]>
  /** Undefined where the file is not under repair (any more). */
  repair(file: FileId): Promise<Repair | undefined>
  /**
   * The repair with this blob has written, durably, the blocks that were damaged when it began: they are damaged no more, and no repair of
   * the content goes on. Changes nothing where that repair is over already, even if a later one of the file has begun.
   */
  endRepair(file: FileId, blob: FileId): Promise<void>
  /** After a digest mismatch: no chunk of the file is marked any more. Pairs, kind and chunk size stay. Also of a file under repair. */
  reset(file: FileId): Promise<void>
  /**
   * Removes these files (absent: all); answers how many. With its last file the transfer is gone; one of a made fid without any
   * chunk leaves no tombstone and is not told of; else each is told as `removed`. Works on a full disk.
   */
  remove(transfer: TransferId, files: readonly FileId[] | undefined, nowMs: number): Promise<number>
  /** Newest first (descending file id). Removed files are never found. */
  find(query: FindQuery): Promise<FoundPage>
  /** The files of this user among these that were not removed, as `find` shows them. */
  found(user: string, files: readonly FileId[]): Promise<readonly FoundRecord[]>
  /** A page of this user's numbered events. Each was written together with the change that it tells, and survives what that survives. */
  events(query: EventQuery): Promise<EventPage>
  /** Calls with each user who has new events, once they are durable; also in vain sometimes. */
  onEvents(listener: (user: string) => void): void
  /** The stored file or content of this user, else undefined. */
  content(user: string, wanted: { fid: string; file: number } | { digest: string }): Promise<StoredContent | undefined>
  /** A page of the sums of a stored content's blocks; empty where it has none. */
  sums(blob: FileId, page: number): Promise<Uint8Array>
  /**
   * The content with the lowest blob from this one on that has bytes and no damage that is known, and whose it is: what a scrub reads next.
   */
  contentFrom(blob: FileId): Promise<OwnedContent | undefined>
  /** Where the scrub is, as `scrubbed` was told last. */
  scrubPosition(): Promise<ScrubPosition | undefined>
  scrubbed(position: ScrubPosition): Promise<void>
  /** Notes that these blocks of a stored content are not what was stored, beside those that are known. One that was removed stays so. */
  damaged(blob: FileId, runs: readonly Run[]): Promise<void>
  /**
   * Applies what time does (product.md, promise 6): the unfinished files of transfers whose last chunk (or announcement; to the minute)
   * is older than `unfinishedBeforeMs` are removed, and with its last file a transfer is gone; repairs without a chunk since then are
   * dropped; stored files with `expires` before `nowMs` are removed; pairs of transfers all of whose files were stored before
   * `pairsBeforeMs` and tombstones older than `tombstonesBeforeMs` are forgotten; transfers of a made fid without any chunk, left by an
   * earlier run, are dropped when `dropMade`. Skips the transfers in `inUse`. Events older than `eventsBeforeMs` are forgotten. Works on a
   * full disk. One call does a bounded amount of work, so it is called again for as long as files went.
   */
  expire(limits: ExpiryLimits): Promise<Expired>
  /** Blobs that no record refers to any more, at most so many; each is listed until `forget` was called for it. */
  garbage(limit: number): Promise<readonly FileId[]>
  forget(blobs: readonly FileId[]): Promise<void>
}

export interface Expired {
  /** Those that went with all of their files. */
  readonly transfers: readonly { readonly user: string; readonly fid: string }[]
  /** How many files went, of these transfers and others. */
  readonly files: number
}

export interface ExpiryLimits {
  readonly nowMs: number
  readonly unfinishedBeforeMs: number
  readonly pairsBeforeMs: number
  readonly tombstonesBeforeMs: number
  readonly eventsBeforeMs: number
  readonly dropMade: boolean
  readonly inUse: ReadonlySet<TransferId>
}

/**
 * Bytes, addressed by the id of the file that brought them. No path here comes from a client.
 * Every method may reject with `storage-full` or `storage-failed`.
 */
export interface Contents {
  /**
   * Writes the pieces one after the other from the offset on, any offset, any order, concurrently. Durable after `sync`. The pieces
   * must not change before it returns. What is written to a blob that was removed goes nowhere.
   */
  write(blob: FileId, offsetBytes: number, pieces: readonly Uint8Array[]): Promise<void>
  /**
   * All that `write` had returned for in these blobs, and that they exist, is durable on return. After a failure the pages are not
   * to be trusted: every later write and sync of these blobs is refused with `storage-failed` until the store is opened anew.
   */
  sync(blobs: readonly FileId[]): Promise<void>
  /** A hint: this prefix of the blob is written and stays; a back-end may hash along. Cheap, never waits. */
  advance(blob: FileId, prefixBytes: number): void
  /** SHA-256 over the first `sizeBytes` of what the blob holds, as `sha256:` and hex, and the sums of its blocks. */
  digest(blob: FileId, sizeBytes: number): Promise<ContentDigest>
  /** Reads a stored blob whole and compares it: the runs of blocks that are not what was stored (all, where no sum tells which). */
  check(blob: FileId, sizeBytes: number, digest: string, sums: Uint8Array): Promise<readonly Run[]>
  /**
   * Puts the ranges of one blob into another, provided that the whole then has the digest: durably, and what is not to be changed is not
   * touched. Answers the digest of the whole, undefined where the rest of it cannot be read; may be repeated.
   */
  repair(repair: Repair): Promise<string | undefined>
  /** Forgets what was hashed along: the blob is going to be written again from anywhere. */
  restart(blob: FileId): void
  /** The file is stored or abandoned: closes what is open for writing. */
  release(blob: FileId): Promise<void>
  /**
   * Opens for reading; removal does not disturb an open reader. `content-damaged` where the blob is absent or short; the content
   * of 0 bytes has no blob.
   */
  open(blob: FileId): Promise<ContentReader>
  /** Deletes the blob, durably; one that is absent is no error. */
  remove(blob: FileId): Promise<void>
}

/** What is computed of a whole content in one pass. */
export interface ContentDigest {
  readonly digest: string
  /** As `BlockSums` has them. */
  readonly sums: Uint8Array
}

export interface ContentReader {
  /** Exactly so many bytes, in a buffer that is the caller's; `content-damaged` where the blob is short. */
  read(offsetBytes: number, lengthBytes: number): Promise<Uint8Array>
  /** The same at once; there where all bytes are at hand. */
  readonly readNow?: (offsetBytes: number, lengthBytes: number) => Uint8Array
  close(): Promise<void>
}

export interface Store {
  readonly catalog: Catalog
  readonly contents: Contents
  readonly durability: Durability
  /** Closes everything; calls made before it complete. */
  close(): Promise<void>
}
