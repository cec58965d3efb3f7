/** What the library's calls take and give: the types that an app's author meets. */
import type { Event, FoundFile, Query, ValueMap } from '../protocol/index.ts'
import type { DownloadResult } from './download.ts'
import type { OnEvent, UploadCounts } from './events.ts'
import type { FileId } from './file-id.ts'
import type { FileTarget } from './file-sink.ts'
import type { Timings } from './timings.ts'
import type { UploadResult } from './upload.ts'

export interface ConnectOptions {
  /** Default: `TALLY_SOCKET`, else where a daemon of the same user listens. */
  readonly socket?: string
  /** One of the three; default: `TALLY_TOKEN`, else minted with the secret of `TALLY_SECRET_FILE` or of the same user's daemon. */
  readonly token?: string | (() => string | Promise<string>)
  readonly tokenFile?: string
  readonly secretFile?: string
  /** Who besides ourselves and root may own the socket. */
  readonly trustedUids?: readonly number[]
  /** Also the first connection is tried again, as later ones always are. Default: only a daemon that says `busy` is waited for. */
  readonly retry?: boolean
  readonly timings?: Partial<Timings>
  /** Hears what calls tell that have no `onEvent` of their own, and what concerns the connection. */
  readonly onEvent?: OnEvent | undefined
  /** Ends the connecting; what is connected then is ended by `close`. */
  readonly signal?: AbortSignal | undefined
}

/** What each call takes. */
export interface CallOptions {
  /** Ends the call, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  readonly onEvent?: OnEvent | undefined
}

/** What is said of a file besides its content; kept with it, and returned by `find`. */
export interface PutLabel {
  /** Default: the file's own name. Required for bytes and streams. */
  readonly name?: string
  readonly tags?: readonly string[]
  /** Such as `image/jpeg`. Default: a blob's own. */
  readonly mediaType?: string
  /** Milliseconds since 1970. Default: the file's or blob's own time of change. */
  readonly modifiedMs?: number
  /** Milliseconds since 1970: the file is removed then. */
  readonly expiresMs?: number
  /** At most 16 KiB when encoded. */
  readonly meta?: ValueMap
}

export interface PutOptions extends PutLabel, CallOptions {
  /** 1 … 1,048,576; default 262,144. A transfer that is resumed keeps its first. */
  readonly chunkSizeBytes?: number
  /** At most so many chunks are sent before one of them is answered; default: what the daemon allows. */
  readonly windowChunks?: number
  /**
   * Each chunk bears a checksum, so that one that is damaged on its way is refused and sent again. Default: only the whole file is
   * compared.
   */
  readonly crc32?: boolean
  /**
   * `sha256:` and hex, where the caller knows it: announced before the first byte, so that content which the user has stored already is not
   * even read. Where it is not the content's, the put fails with `digest-mismatch`, and nothing of it is kept.
   */
  readonly digest?: string
  /**
   * Hash the content before it is sent: what the user has stored already is then not sent. Default: small content is; a larger one where a
   * stored file has its size and its name, or its size and time of change. Not of streams, which come only once.
   */
  readonly digestFirst?: boolean
  /** Default: for a path derived from it and the file's state, so that the same put resumes after a break; else fresh. */
  readonly fid?: string
}

/** Where it is stored, with the figures of the upload. */
export interface PutResult extends UploadResult {
  /** Its number in the transfer. */
  readonly file: number
  readonly name: string
  readonly sizeBytes: number
  /** `sha256:` and hex. */
  readonly digest: string
  /** How many of its bytes were sent, repetitions included: 0 where the daemon had them already. */
  readonly sentBytes: number
  /** Milliseconds since 1970: the file is removed then, as was asked for now or before, or by a rule for its tags. Absent: it stays. */
  readonly expiresMs?: number
}

/** One file of `putAll`. */
export interface PutAllItem extends PutLabel, Pick<PutOptions, 'digest'> {
  readonly path: string
}

/** As for `put`; tags are put on each file, besides its own. */
export type PutAllOptions = Omit<PutOptions, keyof PutLabel | 'fid' | 'digest'> & Pick<PutLabel, 'tags' | 'expiresMs' | 'meta'>

/** One file is stored, or why it is not. */
export type PutAllResult = { readonly path: string } & (
  | {
    readonly fid: string
    readonly file: number
    readonly name: string
    readonly sizeBytes: number
    readonly digest: string
    readonly sentBytes: number
    readonly expiresMs?: number
    /** Of the transfer in which it travelled, which small files share with others. */
    readonly counts: Readonly<UploadCounts>
    readonly error?: undefined
  }
  | { readonly error: Error }
)

/** A range of the file's bytes; what lies beyond its end is left out. Its content cannot be verified: a digest covers whole files. */
export interface ByteRange {
  readonly offsetBytes?: number
  readonly lengthBytes?: number
}

export interface GetOptions extends ByteRange, CallOptions {}

/** As for `get`. */
export type GetAllOptions = CallOptions

/** Where a file goes: to disk (see `FileTarget`), or piece by piece, in order, to a function that is waited for. */
export type GetTarget = FileTarget | { readonly write: (bytes: Uint8Array) => void | Promise<void> }

/** Where many files go, each under a name of its own. */
export type GetAllTarget = Exclude<FileTarget, { readonly path: string }>

/** One file is here, or why it is not; `id` is what was asked for. */
export type GetAllResult = { readonly id: FoundFile | FileId } & (
  | (DownloadResult & { readonly path: string; readonly error?: undefined })
  | { readonly error: Error }
)

/** Conditions that a file meets all of: `tags` all of, `anyTags` at least one, `notTags` none; `name` is a glob for the whole name. */
export type FindQuery = Partial<Query>

export interface FindOptions extends CallOptions {
  /** At most so many files; default: all of them. */
  readonly limit?: number
}

/** The query's `state`: absent: `stored`; `receiving` tells of files under way, with the event `receiving`, until they are stored. */
export interface WatchOptions extends CallOptions {
  /** After the event with this number; default: only what happens from now on. */
  readonly since?: number
}

/**
 * Something happened to a file, with the file as it was then (`removed`: as it was before). `sequence` counts per user; `receiving`, which
 * is told at most once a second and never replayed, has none.
 */
export type TallyEvent = Omit<Event, 'type' | 'messageId' | 'watch'>

/** A tag that is both added and removed is removed. */
export interface TagChange {
  readonly add?: readonly string[]
  readonly remove?: readonly string[]
}

/** A transfer's file, or all of its files. */
export interface FileOfTransfer {
  readonly fid: string
  readonly file?: number
}

