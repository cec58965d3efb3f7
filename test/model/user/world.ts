/**
 * What a state of the second model consists of: all that one user has. Files are whole transfers here, a chunk is a block, and what
 * matters is what files share: contents, room in the quota, blobs, and the repair of what is damaged.
 */
import { at, copier, type State } from '../world.ts'
import type { UserRules } from './rules.ts'

export const FILES_MAX = 3
export const BLOCKS_MAX = 2
/** A file's own blob has the file's number; its repair's follows after those. */
export const BLOBS_MAX = FILES_MAX * 2

export interface UserBounds {
  readonly name: string
  readonly files: 1 | 2 | 3
  readonly blocks: 1 | 2
  /** Files that are announced with their digest, a mask; the others' is known when they are whole. */
  readonly digests: number
  /** Files that are announced without their size, a mask. */
  readonly untold?: number
  /** Each file has its own content; else all have the same. */
  readonly distinct?: boolean
  /** What the user may have, in blocks. */
  readonly quota?: number
  readonly removal?: boolean
  readonly expiry?: boolean
  /** Bits of stored contents change on the disk. */
  readonly rot?: boolean
  /** Files whose damage is repaired by chunks, a mask; that of others only by equal content. */
  readonly repairs?: number
  /** Repairs may be sent other bytes. */
  readonly wrongBytes?: boolean
  readonly fetch?: boolean
  readonly rules: UserRules
}

let width = 0
function field(count: number): number {
  const first = width
  width += count
  return first
}

// The catalog.
/** 0 not announced, 1 receiving, 2 stored, 3 gone. */
export const STATE = field(FILES_MAX)
/** Blocks that are marked, a mask; of a stored file its repair's. */
export const RECEIPT = field(FILES_MAX)
export const SIZE_TOLD = field(FILES_MAX)
/** Blob + 1 of what a stored file shows. */
export const SHOWN = field(FILES_MAX)
/** Under repair, and the blocks that were damaged when it began. */
export const REPAIR = field(FILES_MAX)
export const RUNS = field(FILES_MAX)
/** By content: blob + 1, and the blocks that are known to be damaged. */
export const CONTENT = field(FILES_MAX)
export const NOTED = field(FILES_MAX)
export const GARBAGE = field(BLOBS_MAX)
/** What is counted: blocks and files. */
export const USED = field(1)
export const COUNTED = field(1)

// The blobs, as in `../world.ts`. Bytes are 1 (right), 2 (others) or 0 (none).
export const SYNCED = field(BLOBS_MAX * BLOCKS_MAX)
export const CACHED = field(BLOBS_MAX * BLOCKS_MAX)
/** 0 absent, 1 not durable, 2 durable, 3 unlinked but not durably. */
export const NAME = field(BLOBS_MAX)

// The daemon's memory.
/** Some connection has the file's transfer open. */
export const OPEN = field(FILES_MAX)
/** A block's way: 0 none, 1 + block written, 3 + block synced. */
export const CYCLE = field(FILES_MAX)
/** 0 none, 1 digest agrees; of a repair: 3 agrees, 4 written, 5 synced, 6 differs. */
export const FINISH = field(FILES_MAX)
/** Of a repair that is being finished: the content's blob + 1, the blocks to write, and whether it is still the one in the catalog. */
export const TARGET = field(FILES_MAX)
export const WRITES = field(FILES_MAX)
export const IS_OWN = field(FILES_MAX)
/** 1 + what was found before the announcement's transaction, where that is not the place to look. */
export const LOOKED = field(FILES_MAX)
/** Blob + 1 that a FETCH reads. */
export const READER = field(1)
/** Blob + 1 that was unlinked and not forgotten. */
export const UNLINKED = field(1)
/** The blob was removed in this life: nothing is written to it any more. */
export const REMOVED = field(BLOBS_MAX)

// What happened, and what was promised.
/** By content: blocks that are damaged and that nobody has noticed, a mask. */
export const UNSEEN = field(FILES_MAX)
export const BROKEN = field(1)

export const USER_WIDTH = width
export const copyOf = copier(width)

export class UserWorld {
  readonly bounds: UserBounds
  readonly rules: UserRules
  /** All blocks of a file. */
  readonly whole: number
  readonly files: readonly number[]
  readonly blocks: readonly number[]

  constructor(bounds: UserBounds) {
    this.bounds = bounds
    this.rules = bounds.rules
    this.whole = (1 << bounds.blocks) - 1
    this.files = Array.from({ length: bounds.files }, (_, file) => file)
    this.blocks = Array.from({ length: bounds.blocks }, (_, block) => block)
  }

  /** The content that a file has. */
  contentOf(file: number): number {
    return this.bounds.distinct === true ? file : 0
  }

  repairBlob(file: number): number {
    return FILES_MAX + file
  }

  /** Where its chunks go. */
  blobOf(s: State, file: number): number {
    return at(s, STATE + file) === 2 ? this.repairBlob(file) : file
  }

  hasAnnouncedDigest(file: number): boolean {
    return isIn(this.bounds.digests, file)
  }

  /** Nothing of it is under way. */
  isIdle(s: State, file: number): boolean {
    return at(s, CYCLE + file) === 0 && at(s, FINISH + file) === 0
  }

  /** What a file counts for while it is receiving. */
  charge(s: State, file: number): number {
    return at(s, SIZE_TOLD + file) === 1 ? this.bounds.blocks : countOf(at(s, RECEIPT + file))
  }

  hasRoomFor(s: State, blocks: number): boolean {
    return blocks === 0 || this.bounds.quota === undefined || at(s, USED) + blocks <= this.bounds.quota
  }
}

export function isIn(mask: number, bit: number): boolean {
  return ((mask >> bit) & 1) === 1
}

export function countOf(mask: number): number {
  return (mask & 1) + (mask >> 1)
}
