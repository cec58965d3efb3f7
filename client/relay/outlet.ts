/**
 * The frames that wait to be written to one side of a relayed connection. The socket may change; what was being written into one that broke
 * is dropped, because nobody knows how much of it went out, and what was not begun stays.
 */
import type { Socket } from 'node:net'

/** What waits for one side of one connection before the other side is not read any more. */
const WAITING_BYTES_MAX = 262_144
/** What may wait in all connections together; from half of it on, one that has anything waiting is not read for. */
const TOTAL_WAITING_BYTES_MAX = 67_108_864
const TOTAL_PAUSE_BYTES = TOTAL_WAITING_BYTES_MAX / 2
/** What a piece costs beside its bytes. */
const PIECE_OVERHEAD_BYTES = 256

/** What waits in all of a relay's connections. */
export class WaitingTotal {
  bytes = 0

  takes(bytes: number): boolean {
    return this.bytes + bytes <= TOTAL_WAITING_BYTES_MAX
  }
}

/** Invariants: one write is under way at a time; `#bytes` counts it and what waits, and is part of the total. */
export class Outlet {
  readonly #total: WaitingTotal
  readonly #onRoom: () => void
  #frames: Uint8Array[] = []
  #bytes = 0
  #socket: Socket | undefined
  #writingBytes = 0
  #wasFull = false
  #isEnding = false

  /** @param onRoom called when there is room again after `isFull` was seen */
  constructor(total: WaitingTotal, onRoom: () => void) {
    this.#total = total
    this.#onRoom = onRoom
  }

  get isEmpty(): boolean {
    return this.#bytes === 0
  }

  /** Whether more should be kept from coming. While all connections together have much, one may have little. */
  get isFull(): boolean {
    if (this.#isOver(WAITING_BYTES_MAX)) this.#wasFull = true
    return this.#wasFull
  }

  /** Whether there is room for these frames in what all connections have together: to be asked before they are pushed. */
  takes(frames: Uint8Array): boolean {
    return this.#total.takes(costOf(frames))
  }

  /** Whole frames, written in one piece. */
  push(frames: Uint8Array): void {
    this.#frames.push(frames)
    this.#count(costOf(frames))
    this.#write()
  }

  /** What waits, and what comes, goes to this socket. */
  attach(socket: Socket): void {
    this.#socket = socket
    this.#write()
  }

  /** The socket broke. */
  detach(): void {
    this.#socket = undefined
    this.#count(-this.#writingBytes)
    this.#writingBytes = 0
    this.#tellRoom()
  }

  /** Nothing more comes: the socket is half-closed when all was written, and so is each later one. */
  end(): void {
    this.#isEnding = true
    this.#write()
  }

  /** Drops what has not been begun. */
  clear(): void {
    this.#frames = []
    this.#count(this.#writingBytes - this.#bytes)
    this.#tellRoom()
  }

  #write(): void {
    const socket = this.#socket
    if (socket === undefined || this.#writingBytes > 0) return
    const frames = this.#frames.shift()
    if (frames === undefined) {
      if (this.#isEnding) socket.end()
      return
    }
    this.#writingBytes = costOf(frames)
    socket.write(frames, error => {
      // A socket that broke says so itself.
      if (socket !== this.#socket || (error !== undefined && error !== null)) return
      this.#count(-this.#writingBytes)
      this.#writingBytes = 0
      this.#write()
      this.#tellRoom()
    })
  }

  #count(bytes: number): void {
    this.#bytes += bytes
    this.#total.bytes += bytes
  }

  #tellRoom(): void {
    if (!this.#wasFull || this.#isOver(WAITING_BYTES_MAX / 2)) return
    this.#wasFull = false
    this.#onRoom()
  }

  #isOver(bytesMax: number): boolean {
    return this.#bytes > bytesMax || (this.#bytes > 0 && this.#total.bytes > TOTAL_PAUSE_BYTES)
  }
}

/** A frame that came in pieces is a view on a buffer that is up to twice as long. */
function costOf(frames: Uint8Array): number {
  return Math.min(frames.buffer.byteLength, 2 * frames.length) + PIECE_OVERHEAD_BYTES
}
