/**
 * The bytes of one file that are durable in the catalog only, in the order in which they came there, and what of them is on its way to the
 * blob. They move beside the commit cycles: a client that waits for each answer would wait for the move, too.
 */
import type { HeldBytes } from '../storage/storage.ts'

/** From here on what is held moves to the blob. */
const MOVED_BYTES = 65_536
/** What may come while it moves; then a cycle takes all of it to the blob by itself. */
const HELD_BYTES_MAX = 131_072

/** How a mark changes what is held, and what is held afterwards. */
export interface HeldChange {
  /** For `Mark.held` and `Mark.releaseHeld`. */
  readonly held: readonly HeldBytes[]
  readonly release: boolean
  readonly after: readonly HeldBytes[]
}

export class Held {
  #list: readonly HeldBytes[]
  #lengthBytes = 0
  /** So many of the list, from its start, are synced in the blob: the next mark releases them. Nothing moves before that. */
  #movedCount = 0
  #moving: Promise<void> | undefined

  constructor(list: readonly HeldBytes[]) {
    this.#list = list
    this.#lengthBytes = lengthOf(list)
  }

  /** Not in the blob, or not surely so. */
  get list(): readonly HeldBytes[] {
    return this.#list.slice(this.#movedCount)
  }

  get isEmpty(): boolean {
    return this.#list.length === 0
  }

  /** A move that has not ended, whatever its outcome. Who writes to the same blob waits for it: its bytes may be stale by then. */
  get moving(): Promise<void> | undefined {
    return this.#moving
  }

  /** Whether so many bytes more may be held. */
  hasRoomFor(lengthBytes: number): boolean {
    return this.#lengthBytes + lengthBytes <= HELD_BYTES_MAX
  }

  /** Nothing changes. */
  keeping(): HeldChange {
    return { held: [], release: false, after: this.#list }
  }

  /** Bytes that come with a mark. What moved goes with it; the store adds after it released, so what did not move is added again. */
  adding(bytes: readonly HeldBytes[]): HeldChange {
    const after = [...this.list, ...bytes]
    const release = this.#movedCount > 0
    return { held: release ? after : bytes, release, after }
  }

  /** All that is held went to the blob, and is synced. */
  releasing(): HeldChange {
    return { held: [], release: !this.isEmpty, after: [] }
  }

  /** The mark with this change is durable. */
  changed({ release, after }: HeldChange): void {
    this.#list = after
    this.#lengthBytes = lengthOf(after)
    if (release) this.#movedCount = 0
  }

  /** The catalog holds nothing of the file any more. */
  clear(): void {
    this.changed({ held: [], release: true, after: [] })
  }

  /**
   * Writes and syncs what is held with `toBlob`, if it is enough to be worth it, and calls `moved` then. A failure is nobody's: the bytes stay
   * held, and a cycle that has to write them meets it.
   */
  move(toBlob: (list: readonly HeldBytes[]) => Promise<void>, moved: () => void): void {
    if (this.#lengthBytes < MOVED_BYTES || this.#movedCount > 0 || this.#moving !== undefined) return
    const list = this.#list
    const [first] = list
    this.#moving = toBlob(list).then(() => {
      // Unless it was cleared meanwhile: what is held since are other bytes.
      if (this.#list[0] !== first) return
      this.#movedCount = list.length
      moved()
    }, () => {}).finally(() => {
      this.#moving = undefined
    })
  }
}

function lengthOf(list: readonly HeldBytes[]): number {
  return list.reduce((sum, { bytes }) => sum + bytes.length, 0)
}
