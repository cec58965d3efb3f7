/**
 * The messages as values: what a validated payload is in memory, on either side. Field names are those of the wire in camel case;
 * an absent field is `undefined` or missing, never null, except for `sizeBytes: null`, which is a size not known yet.
 */
import type { ErrorCode, ErrorDetails } from './errors.ts'

export const MESSAGE_TYPE = {
  AUTHENTICATION: 1,
  RESPONSE: 2,
  TRANSFER: 3,
  FIND: 4,
  FETCH: 5,
  TAG: 6,
  REMOVE: 7,
  WATCH: 8,
  EVENT: 9,
  // Operator's messages: 16 to 31.
  STATUS: 16,
  WHY: 17,
  SETTINGS: 18,
} as const

export type Encoding = 'json' | 'msgpack'
export type Acks = 'each' | 'ranges'
export type FileState = 'receiving' | 'finishing' | 'stored' | 'removed'
/** First chunk and how many. */
export type Run = readonly [first: number, count: number]
/** File number and chunk number. */
export type Place = readonly [file: number, chunk: number]
/** A value that JSON and msgpack can both carry (bytes only in msgpack). */
export type Value = null | boolean | number | string | Uint8Array | readonly Value[] | { readonly [key: string]: Value }
export type ValueMap = { readonly [key: string]: Value }

/** A file as AUTHENTICATION announces it. */
export interface FileAnnouncement {
  readonly name: string
  /** null: not known yet (ext). */
  readonly sizeBytes: number | null
  /** `sha256:` and 64 lower-case hex digits. */
  readonly digest?: string
  readonly mediaType?: string
  readonly modifiedMs?: number
  readonly expiresMs?: number
  readonly tags?: readonly string[]
  readonly meta?: ValueMap
}

export interface Authentication {
  readonly type: typeof MESSAGE_TYPE.AUTHENTICATION
  /** In the very characters received. */
  readonly messageId: string
  readonly token: string
  readonly files: readonly FileAnnouncement[]
  /** 36 characters, lower case. */
  readonly fid?: string
  readonly tags: readonly string[]
  readonly chunkSizeBytes?: number
  readonly acks?: Acks
  readonly missingAfter?: Place
}

export interface Transfer {
  readonly type: typeof MESSAGE_TYPE.TRANSFER
  readonly messageId: string
  /** The 16 bytes of the UUID as four big-endian words. */
  readonly chunk: ChunkWords
  /** May be a view on the frame's bytes. */
  readonly data: Uint8Array
  readonly crc32?: number
  /** The FETCH that this chunk belongs to; only from daemon to client. */
  readonly fetch?: string
}

/** A UUID as four unsigned 32-bit big-endian words: no string is built for a chunk. */
export type ChunkWords = readonly [number, number, number, number]

/** A file in the Ok of AUTHENTICATION. */
export interface FileReport {
  readonly state: FileState
  readonly missing: readonly Run[]
  readonly chunkSizeBytes?: number
  readonly digest?: string
  readonly expiresMs?: number
}

/** What an Ok may add; which fields stand in it follows from the message that it answers. */
export interface OkFields {
  readonly fid?: string
  readonly user?: string
  readonly chunkSizeBytes?: number
  readonly window?: number
  readonly files?: readonly FileReport[] | readonly FoundFile[]
  readonly more?: Place
  readonly stored?: { readonly file: number; readonly digest: string }
  readonly chunks?: readonly (readonly [file: number, first: number, count: number])[]
  readonly next?: string
  readonly sequence?: number
  /** WATCH's `since` is no longer kept: what happened between is not told. */
  readonly truncated?: true
  readonly file?: number
  readonly name?: string
  readonly sizeBytes?: number
  readonly digest?: string
  readonly tags?: readonly string[]
  readonly meta?: ValueMap
  readonly done?: true
  readonly removed?: number
  /** What an operator's message asked for; docs/protocol.md, "Operator's messages", says which keys. */
  readonly result?: ValueMap
}

export interface OkResponse extends OkFields {
  readonly type: typeof MESSAGE_TYPE.RESPONSE
  readonly messageId: string
  readonly response: 'Ok'
}

export interface ErrorResponse {
  readonly type: typeof MESSAGE_TYPE.RESPONSE
  readonly messageId: string
  readonly response: 'Error'
  readonly reason: string
  readonly code?: ErrorCode
  readonly fatal?: boolean
  /** Every other field of the message. */
  readonly details?: ErrorDetails
}

export type Response = OkResponse | ErrorResponse

/** The conditions of FIND (and WATCH). */
export interface Query {
  readonly tags: readonly string[]
  readonly anyTags: readonly string[]
  readonly notTags: readonly string[]
  readonly name?: string
  readonly state?: FileState
}

export interface Find extends Query {
  readonly type: typeof MESSAGE_TYPE.FIND
  readonly messageId: string
  /** Files of exactly so many bytes. */
  readonly sizeBytes?: number
  readonly limit: number
  readonly after?: string
}

/** A file as FIND lists it. */
export interface FoundFile {
  readonly fid: string
  readonly file: number
  readonly name: string
  readonly sizeBytes: number | null
  readonly digest?: string
  readonly mediaType?: string
  readonly modifiedMs?: number
  readonly meta?: ValueMap
  readonly tags: readonly string[]
  readonly state: FileState
  /** Bytes acknowledged so far. */
  readonly receivedBytes: number
  readonly createdMs: number
  readonly storedMs?: number
  readonly expiresMs?: number
}

export interface Fetch {
  readonly type: typeof MESSAGE_TYPE.FETCH
  readonly messageId: string
  /** Either fid and file, or digest. */
  readonly fid?: string
  readonly file?: number
  readonly digest?: string
  /** Either runs of chunks, or a range of bytes, or neither: the whole file. */
  readonly missing?: readonly Run[]
  readonly offsetBytes?: number
  readonly lengthBytes?: number
  readonly chunkSizeBytes?: number
  readonly acks?: Acks
  readonly window?: number
}

export interface Tag {
  readonly type: typeof MESSAGE_TYPE.TAG
  readonly messageId: string
  readonly fid: string
  /** Absent: all files of the transfer. */
  readonly file?: number
  readonly add: readonly string[]
  readonly remove: readonly string[]
}

export interface Remove {
  readonly type: typeof MESSAGE_TYPE.REMOVE
  readonly messageId: string
  readonly fid: string
  readonly file?: number
}

export interface Watch extends Query {
  readonly type: typeof MESSAGE_TYPE.WATCH
  readonly messageId: string
  /** Tell what came after this number; absent: only what comes from now on. */
  readonly since?: number
}

export type EventName = 'receiving' | 'stored' | 'tagged' | 'removed'

/**
 * What happened to a file, with the file as it was then: `removed` as it was before. Ours has every field; another daemon's may lack some.
 */
export interface Event extends Omit<FoundFile, 'state' | 'receivedBytes' | 'createdMs'>, Partial<Pick<FoundFile, 'state' | 'receivedBytes' | 'createdMs'>> {
  readonly type: typeof MESSAGE_TYPE.EVENT
  readonly messageId: string
  /** The messageId of the WATCH. */
  readonly watch: string
  readonly event: EventName
  /** Counts per user; absent for `receiving`. */
  readonly sequence?: number
}

/** An operator asks what is under way: unfinished transfers, newest first, and connections; or one transfer of one user, with its gaps. */
export interface Status {
  readonly type: typeof MESSAGE_TYPE.STATUS
  readonly messageId: string
  /** Absent: of every user, and needed beside `fid`. */
  readonly user?: string
  readonly fid?: string
  readonly limit: number
  readonly after?: string
}

/** An operator asks why a transfer is not finished. */
export interface Why {
  readonly type: typeof MESSAGE_TYPE.WHY
  readonly messageId: string
  readonly user: string
  readonly fid: string
}

/** An operator asks for the settings and keys; with `reload` they are read again first. */
export interface Settings {
  readonly type: typeof MESSAGE_TYPE.SETTINGS
  readonly messageId: string
  readonly reload: boolean
}

/** What a client sends. */
export type Request = Authentication | Response | Transfer | Find | Fetch | Tag | Remove | Watch | Status | Why | Settings
/** What either side may send. */
export type Message = Request | Event
