/**
 * The bytes of one file that are durable in the catalog only, in the order in which they came there, and what of them is on its way to the
 * blob. They move beside the commit cycles: a client that waits for each answer would wait for the move, too.
 */
import { free } from '../../protocol/free.ts'
import type { HeldBytes } from '../storage/storage.ts'

/** From here on what is held moves to the blob: rarely while few files hold anything, soon where memory is dear. */
const MOVED_BYTES = 262_144
const MOVED_BYTES_CROWDED = 32_768
/** Of all files together: beyond this it is. */
const CROWDED_BYTES = 16_777_216

/** What all files hold. */
let heldBytes = 0

function movedFromBytes(): number {
  return heldBytes > CROWDED_BYTES ? MOVED_BYTES_CROWDED : MOVED_BYTES
}

/** Bytes of a file that follow each other: one write. */
export interface HeldRun {
  readonly offsetBytes: number
  readonly pieces: readonly Uint8Array[]
}

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
    heldBytes += this.#lengthBytes
  }

  /** Not in the blob, or not surely so. */
  get list(): readonly HeldBytes[] {
    return this.#list
  }

  /** A move that has not ended, whatever its outcome. Who writes to the same blob waits for it: its bytes may be stale by then. */
  get moving(): Promise<void> | undefined {
    return this.#moving
  }

  /** The same as few writes: what came in order is one. */
  get runs(): readonly HeldRun[] {
    return runsOf(this.#list)
  }

  /** Whether so many bytes more may be held: as many as may come while others move. Then a cycle takes all of it to the blob by itself. */
  hasRoomFor(lengthBytes: number): boolean {
    return this.#lengthBytes + lengthBytes <= 2 * movedFromBytes()
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
  move(toBlob: (runs: readonly HeldRun[]) => Promise<void>, moved: () => void): void {
    if (this.#lengthBytes < movedFromBytes() || this.#hasMoved || this.#moving !== undefined) return
    const list = this.#list
    const [first] = list
    this.#moving = toBlob(runsOf(list)).then(() => {
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

  /** The file leaves memory: what it holds is in the catalog. */
  forget(): void {
    this.#keep([])
  }

  #keep(list: readonly HeldBytes[]): void {
    heldBytes -= this.#lengthBytes
    this.#list = list
    this.#lengthBytes = lengthOf(list)
    heldBytes += this.#lengthBytes
  }
}

function runsOf(list: readonly HeldBytes[]): HeldRun[] {
  const runs: { offsetBytes: number; pieces: Uint8Array[] }[] = []
  let endBytes = -1
  for (const { offsetBytes, bytes } of list) {
    if (offsetBytes === endBytes) runs.at(-1)?.pieces.push(bytes)
    else runs.push({ offsetBytes, pieces: [bytes] })
    endBytes = offsetBytes + bytes.length
  }
  return runs
}

function lengthOf(list: readonly HeldBytes[]): number {
  return list.reduce((sum, { bytes }) => sum + bytes.length, 0)
}
