/**
 * Frames: where one message ends and the next begins (docs/protocol.md, "Frames"). The decoder takes bytes as they arrive, split and
 * merged anywhere, and hands out whole payloads; it recognises the framing by the first byte. It knows nothing of what a payload says.
 * Limits are checked as soon as a length is known, so an announced length alone costs no memory.
 */
import { TallyError } from './errors.ts'
import { FRAME_BYTES_MAX } from './limits.ts'
import { takeBytes } from './slab.ts'
import { FORM_FEED, type FrameType, readTextFrame, TEXT_TAIL, textHead } from './text-frame.ts'
import { type MemoryBudget, Unfinished } from './unfinished.ts'

/**
 * A: `kind u8, length u32, user-type u8, payload`. B: `length u32, user-type u8, payload`, where the length counts the user-type.
 * N: `{"type":…,"data":payload}` and a form feed.
 */
export type Framing = BinaryFraming | 'N'
export type BinaryFraming = 'A' | 'B'
/**
 * `type` is a string only in framing N, and only where that name is none that we know. Who answers `'done'` uses nothing of the payload any
 * more: its memory is used again. After any other answer the payload stays what it is.
 */
export type OnFrame = (type: FrameType, payload: Uint8Array) => unknown

/** `kind` of framing A: what libipc 0.x puts first. */
const KIND = { CLOSE: 0, ERROR: 1, DATA: 2, LOOK_UP: 3 } as const
export const HEADER_BYTES = { A: 6, B: 5 } as const
/** What of the header the announced length does not count. */
const UNCOUNTED_BYTES = { A: 6, B: 4 } as const
/** What a connection of framing N begins with. */
const OPEN_MAP = 0x7b

type Stage = 'header' | 'payload' | 'skip' | 'text' | 'over'

/**
 * Turns a connection's bytes into frames. After a throw, a close frame or `dispose` it ignores what still comes.
 * Invariant: between two pushes it holds the bytes of at most one unfinished frame.
 */
export class FrameDecoder {
  /** Known from the first byte on. */
  framing: Framing | undefined
  /** A close frame (framing A) was seen. */
  closed = false
  readonly #header = new Uint8Array(6)
  #headerBytes = 0
  #stage: Stage = 'header'
  #type = 0
  /** Payload bytes that the frame at hand still lacks. */
  #missingBytes = 0
  /** Payload bytes collected so far; in framing N all of the frame's. */
  readonly #held: Unfinished

  constructor(budget?: MemoryBudget) {
    this.#held = new Unfinished(budget)
  }

  /** Bytes of the unfinished frame that are kept here. */
  get heldBytes(): number {
    return this.#headerBytes + this.#held.capacityBytes
  }

  /** Whether a frame has begun and is not finished: what the 30 s of the protocol are about. */
  get unfinished(): boolean {
    return this.#headerBytes > 0 || this.#held.length > 0
  }

  /**
   * Takes the next bytes and calls `onFrame` for each frame that they finish, in order. A payload is a view, on `bytes` or on memory of the
   * decoder's (see `OnFrame`). `onFrame` must not throw. Throws a fatal `TallyError`: `malformed`, `message-too-large` with `limit`, or
   * what the budget throws; earlier frames were delivered then.
   */
  push(bytes: Uint8Array, onFrame: OnFrame): void {
    try {
      let at = 0
      while (at < bytes.length && this.#stage !== 'over') {
        if (this.#stage === 'header') at = this.#takeHeader(bytes, at)
        if (this.#stage === 'payload') at = this.#takePayload(bytes, at, onFrame)
        if (this.#stage === 'skip') at = this.#skip(bytes, at)
        if (this.#stage === 'text') at = this.#takeText(bytes, at, onFrame)
      }
    } catch (error) {
      this.dispose()
      throw error
    }
  }

  /** Forgets the unfinished frame and gives its memory back. To be called when the connection is gone. */
  dispose(): void {
    this.#forgetFrame()
    this.#held.forget(false)
    this.#stage = 'over'
  }

  #takeHeader(bytes: Uint8Array, from: number): number {
    this.framing ??= framingOf(bytes[from] as number)
    const framing = this.framing
    if (framing === 'N') {
      this.#stage = 'text'
      return from
    }
    const lengthEnd = HEADER_BYTES[framing] - 1
    // Nearly always all of it is there.
    if (this.#headerBytes === 0 && from + lengthEnd < bytes.length) {
      this.#missingBytes = announcedBytes(framing, bytes, from) - HEADER_BYTES[framing]
      this.#headerBytes = lengthEnd + 1
      this.#begin(framing, bytes[from] as number, bytes[from + lengthEnd] as number)
      return from + lengthEnd + 1
    }
    let at = from
    while (this.#headerBytes <= lengthEnd && at < bytes.length) {
      this.#header[this.#headerBytes++] = bytes[at++] as number
      if (this.#headerBytes === lengthEnd) this.#missingBytes = announcedBytes(framing, this.#header, 0) - HEADER_BYTES[framing]
    }
    if (this.#headerBytes > lengthEnd) this.#begin(framing, this.#header[0] as number, this.#header[lengthEnd] as number)
    return at
  }

  /** A header is whole. */
  #begin(framing: BinaryFraming, firstByte: number, type: number): void {
    this.#type = type
    this.#stage = framing === 'B' || firstByte === KIND.DATA ? 'payload' : 'skip'
    if (isClose(framing, firstByte)) {
      this.closed = true
      this.dispose()
    }
  }

  #takePayload(bytes: Uint8Array, from: number, onFrame: OnFrame): number {
    const end = Math.min(from + this.#missingBytes, bytes.length)
    if (end - from < this.#missingBytes) {
      this.#held.keep(bytes, from, end)
      this.#missingBytes -= end - from
      return end
    }
    const payload = this.#whole(bytes, from, end)
    this.#deliver(this.#type, payload, onFrame)
    return end
  }

  /** A frame of framing N has no length in front: what has arrived is measured, before it is kept. */
  #takeText(bytes: Uint8Array, from: number, onFrame: OnFrame): number {
    const found = bytes.indexOf(FORM_FEED, from)
    const end = found < 0 ? bytes.length : found
    if (this.#held.length + end - from + 1 > FRAME_BYTES_MAX) throw frameTooLarge()
    if (found < 0) {
      this.#held.keep(bytes, from, end)
      return end
    }
    const text = this.#whole(bytes, from, end)
    const { type, payload } = readTextFrame(text)
    this.#deliver(type, payload, onFrame)
    return end + 1
  }

  #deliver(type: FrameType, payload: Uint8Array, onFrame: OnFrame): void {
    this.#forgetFrame()
    this.#held.forget(onFrame(type, payload) === 'done')
  }

  /** What was kept of the frame, and its rest, bytes[from, end). */
  #whole(bytes: Uint8Array, from: number, end: number): Uint8Array {
    if (this.#held.length === 0) return bytes.subarray(from, end)
    this.#held.keep(bytes, from, end)
    return this.#held.bytes
  }

  #skip(bytes: Uint8Array, from: number): number {
    const skipped = Math.min(this.#missingBytes, bytes.length - from)
    this.#missingBytes -= skipped
    if (this.#missingBytes === 0) this.#forgetFrame()
    return from + skipped
  }

  #forgetFrame(): void {
    this.#headerBytes = 0
    this.#missingBytes = 0
    this.#stage = 'header'
  }
}

/**
 * A whole frame around a payload, which is in JSON for framing N. Throws `message-too-large` with `limit` where the frame would be longer
 * than a peer may accept.
 */
export function encodeFrame(framing: Framing, type: number, payload: Uint8Array): Uint8Array {
  const frame = takeBytes(frameBytes(framing, type, payload.length))
  const at = writeHeader(frame, 0, framing, type, payload.length)
  frame.set(payload, at)
  writeTrailer(frame, at + payload.length, framing)
  return frame
}

/** How long a frame with such a payload is. Throws `message-too-large`. */
export function frameBytes(framing: Framing, type: number, payloadBytes: number): number {
  const around = framing === 'N' ? textHead(type).length + TEXT_TAIL.length : HEADER_BYTES[framing]
  if (around + payloadBytes > FRAME_BYTES_MAX) throw frameTooLarge()
  return around + payloadBytes
}

/** Writes what stands before the payload at `at` and returns where the payload begins. */
export function writeHeader(into: Uint8Array, at: number, framing: Framing, type: number, payloadBytes: number): number {
  if (framing === 'N') {
    const head = textHead(type)
    into.set(head, at)
    return at + head.length
  }
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

/** Writes what stands behind the payload at `at` and returns where the frame ends. */
export function writeTrailer(into: Uint8Array, at: number, framing: Framing): number {
  if (framing !== 'N') return at
  into.set(TEXT_TAIL, at)
  return at + TEXT_TAIL.length
}

/**
 * The length of the whole frame whose header begins at `at`; all of the header but its last byte, the type, has to be there. Throws
 * `malformed`, `message-too-large`.
 */
export function announcedBytes(framing: BinaryFraming, bytes: Uint8Array, at: number): number {
  const kind = bytes[at] as number
  if (framing === 'A' && kind > KIND.LOOK_UP) throw malformedFrame(`a frame of kind ${kind} is not known`)
  const lengthBytes = readUint32(bytes, framing === 'A' ? at + 1 : at)
  if (lengthBytes + UNCOUNTED_BYTES[framing] > FRAME_BYTES_MAX) throw frameTooLarge()
  if (framing === 'B' && lengthBytes === 0) throw malformedFrame('a frame without a type')
  return lengthBytes + UNCOUNTED_BYTES[framing]
}

/** Whether a frame that begins with this byte ends the connection. */
export function isClose(framing: Framing, firstByte: number | undefined): boolean {
  return framing === 'A' && firstByte === KIND.CLOSE
}

/** Throws `malformed`. */
export function framingOf(firstByte: number): Framing {
  if (firstByte === 0) return 'B'
  if (firstByte <= KIND.LOOK_UP) return 'A'
  if (firstByte === OPEN_MAP) return 'N'
  throw malformedFrame(`no framing begins with byte ${firstByte}`)
}

function readUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 24 | (bytes[at + 1] as number) << 16 | (bytes[at + 2] as number) << 8 | (bytes[at + 3] as number)) >>> 0
}

function malformedFrame(reason: string): TallyError {
  return new TallyError('malformed', reason, {}, { fatal: true })
}

export function frameTooLarge(): TallyError {
  return new TallyError('message-too-large', `a frame has at most ${FRAME_BYTES_MAX} bytes`, { limit: FRAME_BYTES_MAX })
}
