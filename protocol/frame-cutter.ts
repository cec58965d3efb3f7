/**
 * Where one frame ends and the next begins, for who passes frames on without reading them (`tally relay`): the bytes come out as they
 * came in, cut between frames. It keeps the limits that frame.ts keeps, and only looks at what says how long a frame is.
 */
import { type BinaryFraming, type Framing, HEADER_BYTES, announcedBytes, frameTooLarge, framingOf, isClose } from './frame.ts'
import { FRAME_BYTES_MAX } from './limits.ts'
import { FORM_FEED } from './text-frame.ts'
import { type MemoryBudget, Unfinished } from './unfinished.ts'

/** One or more whole frames, in order, as a view on what was pushed or on a buffer that is not used again. Must not throw. */
export type OnFrames = (frames: Uint8Array) => void

export interface CutterOptions {
  /** Where it is known; else the first byte tells. */
  readonly framing?: Framing | undefined
  readonly budget?: MemoryBudget | undefined
  /** Gives each frame by itself. Else those that came together stay together. */
  readonly isSingly?: boolean
}

/**
 * Invariant: between two pushes it holds the bytes of at most one unfinished frame. After a throw, a close frame or `dispose` it ignores
 * all.
 */
export class FrameCutter {
  framing: Framing | undefined
  /** A close frame (framing A) was seen; it is not given. */
  closed = false
  readonly #isSingly: boolean
  readonly #held: Unfinished
  /** Of the frame that is held; undefined while its header is not whole, and in framing N. */
  #heldFrameBytes: number | undefined
  #isOver = false

  constructor({ framing, budget, isSingly = false }: CutterOptions = {}) {
    this.framing = framing
    this.#held = new Unfinished(budget)
    this.#isSingly = isSingly
  }

  /** Whether a frame has begun and is not finished. */
  get unfinished(): boolean {
    return this.#held.length > 0
  }

  /** Gives the frames that these bytes finish. Throws as `FrameDecoder.push` does, after the frames before were given. */
  push(bytes: Uint8Array, onFrames: OnFrames): void {
    if (this.#isOver || bytes.length === 0) return
    try {
      const at = this.#held.length === 0 ? 0 : this.#complete(bytes, onFrames)
      if (at < bytes.length) this.#cut(bytes, at, onFrames)
    } catch (error) {
      this.dispose()
      throw error
    }
  }

  /** Forgets the unfinished frame and gives its memory back. */
  dispose(): void {
    this.#held.forget(false)
    this.#isOver = true
  }

  /** Nothing is held: a frame begins at `from`. */
  #cut(bytes: Uint8Array, from: number, onFrames: OnFrames): void {
    this.framing ??= framingOf(bytes[from] as number)
    let start = from
    let at = from
    const give = (): void => {
      if (at > start) onFrames(bytes.subarray(start, at))
      start = at
    }
    try {
      while (at < bytes.length) {
        if (isClose(this.framing, bytes[at])) return this.#close()
        const end = this.framing === 'N' ? endOfText(bytes, at) : endOfBinary(this.framing, bytes, at)
        if (end === undefined || end > bytes.length) {
          this.#heldFrameBytes = end === undefined ? undefined : end - at
          this.#held.keep(bytes, at, bytes.length)
          return
        }
        at = end
        if (this.#isSingly) give()
      }
    } finally {
      give()
    }
  }

  /** Adds to the frame that is held, and gives it when it is whole. Returns how many of the bytes were its own. */
  #complete(bytes: Uint8Array, onFrames: OnFrames): number {
    let at = 0
    if (this.framing === 'N') {
      const found = bytes.indexOf(FORM_FEED)
      at = found < 0 ? bytes.length : found + 1
      if (this.#held.length + at + (found < 0 ? 1 : 0) > FRAME_BYTES_MAX) throw frameTooLarge()
      this.#held.keep(bytes, 0, at)
      if (found < 0) return at
    } else {
      const framing = this.framing as BinaryFraming
      const headerBytes = HEADER_BYTES[framing]
      if (this.#heldFrameBytes === undefined) {
        at = Math.min(headerBytes - this.#held.length, bytes.length)
        this.#held.keep(bytes, 0, at)
        this.#heldFrameBytes = endOfBinary(framing, this.#held.bytes, 0)
        if (this.#heldFrameBytes === undefined) return at
      }
      const from = at
      at = Math.min(from + this.#heldFrameBytes - this.#held.length, bytes.length)
      this.#held.keep(bytes, from, at)
      if (this.#held.length < this.#heldFrameBytes) return at
    }
    const frame = this.#held.bytes
    this.#held.forget(false)
    this.#heldFrameBytes = undefined
    onFrames(frame)
    return at
  }

  #close(): void {
    this.closed = true
    this.dispose()
  }
}

/** Undefined while the header is not whole. */
function endOfBinary(framing: BinaryFraming, bytes: Uint8Array, at: number): number | undefined {
  return bytes.length - at < HEADER_BYTES[framing] - 1 ? undefined : at + announcedBytes(framing, bytes, at)
}

/** Undefined while its form feed has not come. */
function endOfText(bytes: Uint8Array, at: number): number | undefined {
  const found = bytes.indexOf(FORM_FEED, at)
  if ((found < 0 ? bytes.length : found) - at + 1 > FRAME_BYTES_MAX) throw frameTooLarge()
  return found < 0 ? undefined : found + 1
}
