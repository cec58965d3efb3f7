/**
 * What a state of the model consists of: the disk, the daemon's memory, its peers, and a record of what was promised. Two files have
 * three chunks at most; places are numbered through both files. A second generation of blobs serves a fid that is used again.
 */
import type { Rules } from './rules.ts'

export type State = Uint8Array

export const PLACES_MAX = 3
const UUIDS = 6

/** What is explored: everything that the fields allow, in any order, without end. */
export interface Bounds {
  readonly name: string
  /** Chunks of file 0 and of file 1. */
  readonly split: readonly [number, number]
  /**
   * original: one client with opaque chunks on any connection; resuming: two such clients one after the other, a connection each, which
   * read reports; mixed: opaque chunks on one connection, numbered ones on the other.
   */
  readonly client: 'numbered' | 'original' | 'resuming' | 'mixed'
  readonly connections: 1 | 2
  /** Chunks that a client with opaque chunks has unanswered. */
  readonly window: 1 | 2
  readonly durability: 'power' | 'process'
  /** Small groups travel with the mark. */
  readonly held?: boolean
  /** Places whose chunks may come with other bytes than those that were announced. */
  readonly wrongBytes?: readonly number[]
  /** Files with an announced digest. */
  readonly digests: readonly [boolean, boolean]
  /** What AUTHENTICATION tells late of file 0. */
  readonly told?: 'size' | 'digest'
  readonly equalContents?: boolean
  readonly removal?: boolean
  readonly expiry?: boolean
  /** The tombstone is forgotten and the fid is used again. */
  readonly fidAgain?: boolean
  /** Writes and marks that find no room, syncs that fail. */
  readonly failures?: boolean
  /** Blobs of removed content are deleted. Off where nothing but `garbage` itself is of interest. */
  readonly collects?: boolean
  readonly rules: Rules
}

let width = 0
function field(count: number): number {
  const at = width
  width += count
  return at
}

// The catalog: durable, changed by whole transactions.
/** 0 none, 1 open, 2 gone. */
export const TRANSFER = field(1)
export const GENERATION = field(1)
/** 0 receiving, 1 stored, 2 removed, 3 removed before it was stored. */
export const FILE = field(2)
export const RECEIPT = field(PLACES_MAX)
/** A chunk's bytes in the catalog, 0 where none. */
export const HELD = field(PLACES_MAX)
/** Place + 1 of a UUID. */
export const PAIR = field(UUIDS)
/** 0 not known, 1 numbered, 2 opaque. */
export const KIND = field(2)
/** Blob + 1 of a stored file. */
export const CONTENT = field(2)
export const SIZE_KNOWN = field(2)
/** A digest was announced, that of the bytes 1. */
export const DIGEST = field(2)
export const GARBAGE = field(4)

// The blobs: a place of a file is a cell. Bytes are 1 (as announced), 2 (others) or 0 (none).
/** What a power cut leaves. */
export const SYNCED = field(PLACES_MAX * 2)
/** Newer bytes that a power cut may take; 4 is added when their sync failed and the kernel forgot them. */
export const CACHED = field(PLACES_MAX * 2)
/** A blob's name: 0 absent, 1 not durable, 2 durable, 3 unlinked but not durably. */
export const NAME = field(4)

// The daemon's memory. What it knows of the catalog is derived from the catalog and from the steps that have not returned.
/** Bytes of a chunk gathered for the next cycle, or in the running one. */
export const GATHERED = field(PLACES_MAX)
export const CYCLE = field(PLACES_MAX)
/** 0 idle, 1 taken, 2 written, 3 synced, 4 marked. */
export const PHASE = field(1)
export const HELD_CYCLE = field(1)
/** Place + 1 of a UUID that is not marked yet. */
export const NEW_PAIR = field(UUIDS)
/** 0 no, 1 begun, 2 held written, 3 held synced, 4 agrees, 5 differs, 6 stored, 7 reset. */
export const FINISH = field(2)
/** Connections that wait for a chunk's answer: a mask. */
export const WAITING = field(PLACES_MAX)
/** Connection + 1. */
export const FILLER = field(1)
/** Places whose UUIDs got an Error and have to come again, a mask; 8 is added after a digest mismatch. */
export const BLOCKED = field(1)
/** 0 closed, 1 the report is awaited, 2 open. */
export const CONNECTION = field(2)
/** Places that the report waits for. */
export const AWAITED = field(2)
/** Files that a REMOVE has closed and not removed yet, a mask. */
export const CLOSING = field(1)
/** Files that expired and memory does not know of, a mask. */
export const EXPIRED = field(1)
/** Expiry has looked and found the transfer unused. */
export const EXPIRING = field(1)
/** Blob + 1 that was unlinked and not forgotten. */
export const UNLINKED = field(1)
/** 0 nothing, 1 judged, 2 written. */
export const TELLING = field(1)
/** A sync failed: the store takes no more changes. */
export const FAILED = field(1)

// The clients with opaque chunks.
/** Places that a client saw acknowledged or reported. */
export const SEEN = field(2)
/** Where its first sending has got to since it authenticated. */
export const NEXT = field(2)

// What was promised.
/** The bytes that were accepted first. */
export const ACCEPTED = field(PLACES_MAX)
export const PROMISED = field(PLACES_MAX)
/** Number of a promise that a move broke. */
export const BROKEN = field(1)

export const WIDTH = width

/**
 * Makes copies to change and to hand to `step`. Each is used again 64 copies later: small arrays that are thrown away cost most of a run.
 */
export function copier(stateWidth: number): (state: State) => State {
  const copies = Array.from({ length: 64 }, () => new Uint8Array(stateWidth))
  let copied = 0
  return state => {
    copied = (copied + 1) % copies.length
    const copy = copies[copied] as State
    copy.set(state)
    return copy
  }
}

export const copyOf = copier(width)

/** A number of a state. */
export function at(state: State, index: number): number {
  return state[index] as number
}

export class World {
  readonly bounds: Bounds
  readonly rules: Rules
  readonly places: number
  readonly isOpaque: boolean
  /** The file of a place. */
  readonly fileOf: readonly number[]
  readonly #placesOf: readonly (readonly number[])[]

  constructor(bounds: Bounds) {
    this.bounds = bounds
    this.rules = bounds.rules
    this.fileOf = [...Array<number>(bounds.split[0]).fill(0), ...Array<number>(bounds.split[1]).fill(1)]
    this.places = this.fileOf.length
    this.#placesOf = [0, 1].map(file => [...this.fileOf.keys()].filter(place => this.fileOf[place] === file))
    this.isOpaque = bounds.client !== 'numbered'
  }

  file(place: number): number {
    return this.fileOf[place] as number
  }

  placesOf(file: number): readonly number[] {
    return this.#placesOf[file] ?? []
  }

  blob(s: State, file: number): number {
    return at(s, GENERATION) * 2 + file
  }

  cell(s: State, place: number): number {
    return at(s, GENERATION) * PLACES_MAX + place
  }

  /** Both files as memory has them: a removal that has not returned is not known. */
  fileState(s: State, file: number): 'receiving' | 'stored' | 'removed' {
    const state = at(s, FILE + file)
    if (state >= 2 && ((at(s, EXPIRED) >> file) & 1) === 0) return 'removed'
    return state === 1 || state === 2 ? 'stored' : 'receiving'
  }

  /** Memory has the chunk marked. */
  isMarked(s: State, place: number): boolean {
    if (at(s, FINISH + this.file(place)) >= 6) return true
    return at(s, RECEIPT + place) === 1 && !(at(s, PHASE) === 4 && at(s, CYCLE + place) > 0)
  }

  isPending(s: State, place: number): boolean {
    return at(s, GATHERED + place) > 0 || at(s, CYCLE + place) > 0
  }

  knowsSize(s: State, file: number): boolean {
    if (at(s, SIZE_KNOWN + file) === 1 && !(at(s, TELLING) === 2 && this.bounds.told === 'size' && file === 0)) return true
    return file === 0 && this.bounds.told === 'size' && at(s, TELLING) > 0 && this.rules.tellingCountsAtOnce
  }

  knowsDigest(s: State, file: number): boolean {
    const isTelling = file === 0 && this.bounds.told === 'digest' && at(s, TELLING) > 0
    return isTelling ? this.rules.tellingCountsAtOnce : at(s, DIGEST + file) === 1
  }

  isComplete(s: State, file: number): boolean {
    if (this.fileState(s, file) !== 'receiving' || !this.knowsSize(s, file)) return false
    return this.fileOf.every((owner, place) => owner !== file || this.isMarked(s, place))
  }

  kind(s: State, file: number): number {
    if (at(s, KIND + file) > 0) return at(s, KIND + file)
    for (let place = 0; place < this.places; place++) {
      if (this.fileOf[place] === file && this.isPending(s, place)) return this.newUuid(s, place) >= 0 ? 2 : 1
    }
    return 0
  }

  /** The UUID of a pending opaque chunk that has no pair in the catalog; -1 where there is none. */
  newUuid(s: State, place: number): number {
    for (let uuid = 0; uuid < UUIDS; uuid++) if (at(s, NEW_PAIR + uuid) === place + 1) return uuid
    return -1
  }

  /** A cycle or a finish that may still write to the file's blob. */
  isWriting(s: State, file: number): boolean {
    const finish = at(s, FINISH + file)
    if (finish > 0 && finish < 6) return true
    return this.fileOf.some((owner, place) => owner === file && at(s, CYCLE + place) > 0)
  }
}
