/**
 * The bytes of one file that are durable in the catalog only, in the order in which they came there, and what of them is on its way to the
 * blob. They move beside the commit cycles: a client that waits for each answer would wait for the move, too.
 */
import { free } from '../../protocol/free.ts'
import type { HeldBytes } from '../storage/storage.ts'

/** From here on what is held moves to the blob. */
const MOVED_BYTES = 65_536
/** What may come while it moves; then a cycle takes all of it to the blob by itself. */
const HELD_BYTES_MAX = 131_072

/** How a mark changes what is held. */
export interface HeldChange {
  /** For `Mark.held` and `Mark.releaseHeld`. */
  readonly held: readonly HeldBytes[]
  readonly release: boolean
  /** What is held in addition afterwards; undefined: nothing is held any more. */
  readonly added: readonly HeldBytes[] | undefined
}

export class Held {
  #list: readonly HeldBytes[]
  #lengthBytes: number
  /** The catalog has bytes that are synced in the blob and forgotten here: the next mark releases them. Nothing moves before that. */
  #hasMoved = false
  #moving: Promise<void> | undefined

  constructor(list: readonly HeldBytes[]) {
    this.#list = list
    this.#lengthBytes = lengthOf(list)
  }

  /** Not in the blob, or not surely so. */
  get list(): readonly HeldBytes[] {
    return this.#list
  }

  /** A move that has not ended, whatever its outcome. Who writes to the same blob waits for it: its bytes may be stale by then. */
  get moving(): Promise<void> | undefined {
    return this.#moving
  }

  /** Whether so many bytes more may be held. */
  hasRoomFor(lengthBytes: number): boolean {
    return this.#lengthBytes + lengthBytes <= HELD_BYTES_MAX
  }

  /** Bytes that come with a mark. The store adds after it released, so where something moved, what did not is added again. */
  adding(added: readonly HeldBytes[]): HeldChange {
    return { held: this.#hasMoved ? [...this.#list, ...added] : added, release: this.#hasMoved, added }
  }

  /** All that is held goes to the blob, and is synced when the mark comes. */
  releasing(): HeldChange {
    return { held: [], release: this.#hasMoved || this.#list.length > 0, added: undefined }
  }

  /** Nothing changes. */
  keeping(): HeldChange {
    return { held: [], release: false, added: [] }
  }

  /** The mark with this change is durable. */
  changed({ release, added }: HeldChange): void {
    this.#keep(added === undefined ? [] : [...this.#list, ...added])
    if (release) this.#hasMoved = false
  }

  /** The catalog holds nothing of the file any more. */
  clear(): void {
    this.#keep([])
    this.#hasMoved = false
  }

  /**
   * Writes and syncs what is held with `toBlob`, if it is enough to be worth it, and calls `moved` then. A failure is nobody's: the bytes
   * stay held, and a cycle that has to write them meets it.
   */
  move(toBlob: (list: readonly HeldBytes[]) => Promise<void>, moved: () => void): void {
    if (this.#lengthBytes < MOVED_BYTES || this.#hasMoved || this.#moving !== undefined) return
    const list = this.#list
    const [first] = list
    this.#moving = toBlob(list).then(() => {
      // Unless it was cleared meanwhile: what is held since are other bytes.
      if (this.#list[0] !== first) return
      this.#keep(this.#list.slice(list.length))
      this.#hasMoved = true
      for (const { bytes } of list) free(bytes)
      moved()
    }, () => {}).finally(() => {
      this.#moving = undefined
    })
  }

  #keep(list: readonly HeldBytes[]): void {
    this.#list = list
    this.#lengthBytes = lengthOf(list)
  }
}

function lengthOf(list: readonly HeldBytes[]): number {
  return list.reduce((sum, { bytes }) => sum + bytes.length, 0)
}
