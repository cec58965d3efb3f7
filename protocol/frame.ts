/**
 * Frames: where one message ends and the next begins (docs/protocol.md, "Frames"). The decoder takes bytes as they arrive, split and
 * merged anywhere, and hands out whole payloads; it recognises the framing by the first byte. It knows nothing of what a payload says.
 * Limits are checked as soon as a length is known, so an announced length alone costs no memory.
 */
import { TallyError } from './errors.ts'
import { FRAME_BYTES_MAX } from './limits.ts'
import { takeBytes } from './slab.ts'

/** A: `kind u8, length u32, user-type u8, payload`. B: `length u32, user-type u8, payload`, where the length counts the user-type. */
export type Framing = 'A' | 'B'

/** What all unfinished frames of a process may hold together. `charge` may throw `busy`, which ends the connection. */
export interface MemoryBudget {
  charge(bytes: number): void
  release(bytes: number): void
}

/** Bytes of an unfinished frame that are not charged to the budget. */
export const UNFINISHED_FREE_BYTES = 16_384

/** `kind` of framing A: what libipc 0.x puts first. */
const KIND = { CLOSE: 0, ERROR: 1, DATA: 2, LOOK_UP: 3 } as const
const HEADER_BYTES = { A: 6, B: 5 } as const
/** What of the header the announced length does not count. */
const UNCOUNTED_BYTES = { A: 6, B: 4 } as const
const FIRST_GROWTH_BYTES = 2048

type Stage = 'header' | 'payload' | 'skip' | 'over'

/**
 * Turns a connection's bytes into frames. After a throw, a close frame or `dispose` it ignores what still comes.
 * Invariant: between two pushes it holds the bytes of at most one unfinished frame.
 */
export class FrameDecoder {
  /** Known from the first byte on. */
  framing: Framing | undefined
  /** A close frame (framing A) was seen. */
  closed = false
  readonly #budget: MemoryBudget | undefined
  readonly #header = new Uint8Array(6)
  readonly #headerView = new DataView(this.#header.buffer)
  #headerBytes = 0
  #stage: Stage = 'header'
  #type = 0
  /** Payload bytes that the frame at hand still lacks. */
  #missingBytes = 0
  /** Payload bytes collected so far; grown as they arrive, never to the announced length at once. */
  #held = EMPTY
  #heldBytes = 0
  #chargedBytes = 0

  constructor(budget?: MemoryBudget) {
    this.#budget = budget
  }

  /** Bytes of the unfinished frame that are kept here. */
  get heldBytes(): number {
    return this.#headerBytes + this.#held.length
  }

  /** Whether a frame has begun and is not finished: what the 30 s of the protocol are about. */
  get unfinished(): boolean {
    return this.#headerBytes > 0
  }

  /**
   * Takes the next bytes and calls `onFrame` for each frame that they finish, in order. A payload is a view, on `bytes` or on a buffer
   * of its own that is not used again. `onFrame` must not throw. Throws a fatal `TallyError`: `malformed`, `message-too-large` with
   * `limit`, or what the budget throws; earlier frames were delivered then.
   */
  push(bytes: Uint8Array, onFrame: (type: number, payload: Uint8Array) => void): void {
    try {
      let at = 0
      while (at < bytes.length && this.#stage !== 'over') {
        if (this.#stage === 'header') at = this.#takeHeader(bytes, at)
        if (this.#stage === 'payload') at = this.#takePayload(bytes, at, onFrame)
        if (this.#stage === 'skip') at = this.#skip(bytes, at)
      }
    } catch (error) {
      this.dispose()
      throw error
    }
  }

  /** Forgets the unfinished frame and gives its memory back. To be called when the connection is gone. */
  dispose(): void {
    this.#forgetFrame()
    this.#stage = 'over'
  }

  #takeHeader(bytes: Uint8Array, from: number): number {
    this.framing ??= framingOf(bytes[from] as number)
    const framing = this.framing
    const lengthEnd = HEADER_BYTES[framing] - 1
    let at = from
    while (this.#headerBytes <= lengthEnd && at < bytes.length) {
      this.#header[this.#headerBytes++] = bytes[at++] as number
      if (this.#headerBytes === lengthEnd) this.#judgeLength(framing)
    }
    if (this.#headerBytes <= lengthEnd) return at
    this.#type = this.#header[lengthEnd] as number
    this.#stage = framing === 'B' || this.#header[0] === KIND.DATA ? 'payload' : 'skip'
    if (framing === 'A' && this.#header[0] === KIND.CLOSE) {
      this.closed = true
      this.dispose()
    }
    return at
  }

  #judgeLength(framing: Framing): void {
    const kind = this.#header[0] as number
    if (framing === 'A' && kind > KIND.LOOK_UP) throw malformedFrame(`a frame of kind ${kind} is not known`)
    const lengthBytes = this.#headerView.getUint32(framing === 'A' ? 1 : 0)
    if (lengthBytes + UNCOUNTED_BYTES[framing] > FRAME_BYTES_MAX) throw frameTooLarge()
    if (framing === 'B' && lengthBytes === 0) throw malformedFrame('a frame without a type')
    this.#missingBytes = framing === 'A' ? lengthBytes : lengthBytes - 1
  }

  #takePayload(bytes: Uint8Array, from: number, onFrame: (type: number, payload: Uint8Array) => void): number {
    const end = Math.min(from + this.#missingBytes, bytes.length)
    const arrived = end - from
    if (arrived < this.#missingBytes) {
      this.#keep(bytes, from, end)
      return end
    }
    let payload: Uint8Array
    if (this.#heldBytes === 0) payload = bytes.subarray(from, end)
    else {
      this.#keep(bytes, from, end)
      payload = this.#held.subarray(0, this.#heldBytes)
    }
    const type = this.#type
    this.#forgetFrame()
    onFrame(type, payload)
    return end
  }

  #keep(bytes: Uint8Array, from: number, end: number): void {
    const neededBytes = this.#heldBytes + end - from
    if (neededBytes > this.#held.length) this.#grow(neededBytes)
    this.#held.set(bytes.subarray(from, end), this.#heldBytes)
    this.#heldBytes = neededBytes
    this.#missingBytes -= end - from
  }

  /** Twice what has arrived, so that a frame that trickles in is copied a few times and not once per read. */
  #grow(neededBytes: number): void {
    const wholeBytes = this.#heldBytes + this.#missingBytes
    const capacityBytes = Math.min(wholeBytes, Math.max(FIRST_GROWTH_BYTES, 2 * neededBytes))
    const chargeBytes = Math.max(0, capacityBytes - UNFINISHED_FREE_BYTES) - this.#chargedBytes
    if (chargeBytes > 0) {
      this.#budget?.charge(chargeBytes)
      this.#chargedBytes += chargeBytes
    }
    const grown = new Uint8Array(capacityBytes)
    grown.set(this.#held.subarray(0, this.#heldBytes))
    this.#held = grown
  }

  #skip(bytes: Uint8Array, from: number): number {
    const skipped = Math.min(this.#missingBytes, bytes.length - from)
    this.#missingBytes -= skipped
    if (this.#missingBytes === 0) this.#forgetFrame()
    return from + skipped
  }

  #forgetFrame(): void {
    if (this.#chargedBytes > 0) this.#budget?.release(this.#chargedBytes)
    this.#chargedBytes = 0
    this.#held = EMPTY
    this.#heldBytes = 0
    this.#headerBytes = 0
    this.#missingBytes = 0
    this.#stage = 'header'
  }
}

/** A whole frame around a payload. Throws `message-too-large` with `limit` where the frame would be longer than a peer may accept. */
export function encodeFrame(framing: Framing, type: number, payload: Uint8Array): Uint8Array {
  const frame = takeBytes(frameBytes(framing, payload.length))
  frame.set(payload, writeHeader(frame, 0, framing, type, payload.length))
  return frame
}

/** How long a frame with such a payload is. Throws `message-too-large`. */
export function frameBytes(framing: Framing, payloadBytes: number): number {
  const bytes = HEADER_BYTES[framing] + payloadBytes
  if (bytes > FRAME_BYTES_MAX) throw frameTooLarge()
  return bytes
}

/** Writes a header at `at` and returns where the payload begins. */
export function writeHeader(into: Uint8Array, at: number, framing: Framing, type: number, payloadBytes: number): number {
  let next = at
  let lengthBytes = payloadBytes + 1
  if (framing === 'A') {
    into[next++] = KIND.DATA
    lengthBytes = payloadBytes
  }
  into[next++] = lengthBytes >>> 24
  into[next++] = lengthBytes >>> 16
  into[next++] = lengthBytes >>> 8
  into[next++] = lengthBytes
  into[next++] = type
  return next
}

const EMPTY = new Uint8Array(0)

/** Framing N (first byte 7B) is not spoken yet. */
function framingOf(firstByte: number): Framing {
  if (firstByte === 0) return 'B'
  if (firstByte <= KIND.LOOK_UP) return 'A'
  throw malformedFrame(`no framing begins with byte ${firstByte}`)
}

function malformedFrame(reason: string): TallyError {
  return new TallyError('malformed', reason, {}, { fatal: true })
}

function frameTooLarge(): TallyError {
  return new TallyError('message-too-large', `a frame has at most ${FRAME_BYTES_MAX} bytes`, { limit: FRAME_BYTES_MAX })
}
