/**
 * One peer over any duplex stream: frames in, in order, one at a time; frames out, in as few writes as the peer can take. It reads no
 * further while a message is being judged, while the peer does not read its answers, or while the session says so; so a slow peer stops
 * only itself. It knows no messages beyond their types.
 */
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TallyError } from '../protocol/errors.ts'
import { free } from '../protocol/free.ts'
import { FrameDecoder, type Framing, encodeFrame } from '../protocol/frame.ts'
import type { Encoding } from '../protocol/messages.ts'
import type { FrameType } from '../protocol/text-frame.ts'
import { encodeOkFrames } from '../protocol/transfer-frame.ts'
import type { MemoryBudget } from '../protocol/unfinished.ts'

/** Answers that the peer has not read: from here on it is not read either. Little before it has said who it is. */
const UNREAD_BYTES_MAX = 1_048_576
const UNREAD_BYTES_MAX_AT_FIRST = 65_536

/** About the length of a plain Ok's frame. */
const OK_BYTES = 80
/** How long a peer may take to read the last answers of a connection that is being closed. */
const CLOSING_MS_MAX = 5_000

export interface FrameHandler {
  /**
   * One message. While the promise is pending no other is given. Must not throw or reject. The payload's memory is used again after the
   * return, or when the promise settles: what is to stay is copied.
   */
  receive(type: FrameType, payload: Uint8Array): void | Promise<void>
  /** The bytes are no frames: the last chance to say so. */
  malformed(error: TallyError): void
  /** The peer reads again. */
  drained(): void
  /** The peer sends no more, and all that it sent was judged; it may still read its answers. */
  ended(): void
  /** The stream is over; nothing can be sent any more. */
  closed(): void
}

interface Frame {
  readonly type: FrameType
  readonly payload: Uint8Array
}

export class Connection {
  /** Until a peer has used something that the original protocol has not, it gets one frame per write. */
  usesExt = false
  /** The peer has authenticated. */
  isTrusted = false
  readonly #stream: Duplex
  /** What a socket has read belongs to nobody else. */
  readonly #ownsReads: boolean
  readonly #handler: FrameHandler
  readonly #decoder: FrameDecoder
  readonly #nowMs: () => number
  #inbox: Frame[] = []
  #isJudging = false
  /** A frame of the read at hand is looked at later. */
  #isReadKept = false
  #isWorking = false
  #isEnded = false
  #isClosing = false
  #isClosed = false
  /** Why it is not being read just now. */
  readonly #pauses = new Set<string>()
  #idleActions: (() => void)[] = []
  /** When the unfinished frame at hand began, or reading began again. */
  #unfinishedSinceMs: number | undefined
  #out: Uint8Array[] = []
  #outBytes = 0
  /** To be called when `#out` was written. */
  #written: (() => void)[] = []
  #oks: { encoding: Encoding; messageIds: string[] }[] = []
  #isFlushScheduled = false
  #isWriting = false

  constructor(stream: Duplex, handlerOf: (connection: Connection) => FrameHandler, budget: MemoryBudget, nowMs: () => number) {
    this.#stream = stream
    this.#ownsReads = stream instanceof Socket
    this.#nowMs = nowMs
    this.#decoder = new FrameDecoder(budget)
    this.#handler = handlerOf(this)
    stream.on('data', (bytes: Uint8Array) => this.#read(bytes))
    stream.on('end', () => this.#ended())
    stream.on('drain', () => this.#drained())
    stream.on('error', () => undefined)
    stream.on('close', () => this.#over())
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  get framing(): Framing {
    return this.#decoder.framing ?? 'A'
  }

  /** The peer is behind with reading. */
  get isBehind(): boolean {
    return this.#outBytes + this.#stream.writableLength > (this.isTrusted ? UNREAD_BYTES_MAX : UNREAD_BYTES_MAX_AT_FIRST)
  }

  /** Sends one frame. Throws `message-too-large` where it would be longer than a peer may accept. */
  send(type: number, payload: Uint8Array): void {
    this.sendFrame(encodeFrame(this.framing, type, payload))
  }

  /**
   * Sends what is a whole frame already, in one part or, to a peer that uses ext, in several, which stay as they are until it is written.
   */
  sendFrame(...parts: readonly Uint8Array[]): void {
    if (this.#isClosed) return
    for (const part of parts) {
      this.#out.push(part)
      this.#outBytes += part.length
    }
    this.#queued()
  }

  /** Calls `action` when what was sent just now has left this process; never, where that may not have happened. */
  whenWritten(action: () => void): void {
    if (this.#out.length > 0) this.#written.push(action)
  }

  /** Answers one message with a plain Ok; many of them become one buffer. */
  sendOk(messageId: string, encoding: Encoding): void {
    if (this.#isClosed) return
    this.#outBytes += OK_BYTES
    const last = this.#oks.at(-1)
    if (last?.encoding === encoding) last.messageIds.push(messageId)
    else this.#oks.push({ encoding, messageIds: [messageId] })
    this.#queued()
  }

  /** Stops reading for a reason, until `resume` with the same one. */
  pause(reason: string): void {
    this.#pauses.add(reason)
    this.#stream.pause()
  }

  resume(reason: string): void {
    if (!this.#pauses.delete(reason) || this.#pauses.size > 0 || this.#isClosed) return
    if (this.#unfinishedSinceMs !== undefined) this.#unfinishedSinceMs = this.#nowMs()
    this.#work()
    if (this.#pauses.size === 0) this.#stream.resume()
  }

  /** Since when a frame lies there unfinished while the daemon reads; undefined where none does. */
  get unfinishedSinceMs(): number | undefined {
    return this.#pauses.size > 0 ? undefined : this.#unfinishedSinceMs
  }

  /** Sends what is to be sent, then closes; nothing more is read. */
  close(): void {
    if (this.#isClosing) return
    this.#isClosing = true
    this.pause('closing')
    this.#inbox = []
    setTimeout(() => this.#stream.destroy(), CLOSING_MS_MAX).unref()
    this.#flush()
  }

  /** Closes without sending anything. */
  destroy(): void {
    this.#isClosing = true
    this.#inbox = []
    this.#stream.destroy()
  }

  #read(bytes: Uint8Array): void {
    if (this.#isClosing) return
    this.#isReadKept = false
    try {
      // A plain view: those of a Buffer cost several times as much, and there is one for each frame.
      this.#decoder.push(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length), (type, payload) => this.#take(type, payload))
    } catch (cause) {
      this.#noteFraming()
      this.#work()
      this.#whenIdle(() => this.#handler.malformed(cause as TallyError))
      return
    }
    if (this.#decoder.unfinished) this.#unfinishedSinceMs ??= this.#nowMs()
    if (this.#decoder.closed) this.#isEnded = true
    if (this.#ownsReads && !this.#isReadKept) free(bytes)
    this.#work()
  }

  /** One whole frame: judged at once if nothing is before it. `done`: nobody looks at the payload any more. */
  #take(type: FrameType, payload: Uint8Array): 'done' | undefined {
    this.#unfinishedSinceMs = undefined
    this.#noteFraming()
    if (this.#inbox.length === 0 && this.#mayJudge()) {
      this.#judge(type, payload)
      if (!this.#isJudging) return 'done'
    } else if (!this.#isClosing) this.#inbox.push({ type, payload })
    this.#isReadKept = true
    return undefined
  }

  /** The original protocol has no framing N: who speaks it takes frames joined and up to their limit. */
  #noteFraming(): void {
    if (this.#decoder.framing === 'N') this.usesExt = true
  }

  /** Gives the frames that waited to the handler, one after the other; those behind a pending one go on waiting. */
  #work(): void {
    // A frame that is refused at once may end a pause, which comes back here; the loop below goes on by itself then.
    if (this.#isWorking) return
    this.#isWorking = true
    let next = 0
    while (next < this.#inbox.length && this.#mayJudge()) {
      const { type, payload } = this.#inbox[next++] as Frame
      this.#judge(type, payload)
    }
    if (next > 0) this.#inbox.splice(0, next)
    this.#isWorking = false
    if (this.#inbox.length === 0 && !this.#isJudging) this.#idle()
  }

  #mayJudge(): boolean {
    return !this.#isJudging && !this.#isClosing && this.#pauses.size === 0
  }

  #judge(type: FrameType, payload: Uint8Array): void {
    const judging = this.#handler.receive(type, payload)
    if (judging === undefined) return
    this.#isJudging = true
    this.pause('judging')
    void judging.then(() => {
      this.#isJudging = false
      this.resume('judging')
    })
  }

  #whenIdle(action: () => void): void {
    this.#idleActions.push(action)
    if (this.#inbox.length === 0 && !this.#isJudging) this.#idle()
  }

  #idle(): void {
    for (const action of this.#idleActions.splice(0)) action()
    if (this.#isEnded) this.#handler.ended()
  }

  /** The peer sends no more, but may still read: answers to what it sent are owed. */
  #ended(): void {
    this.#isEnded = true
    if (this.#inbox.length === 0 && !this.#isJudging) this.#handler.ended()
  }

  #queued(): void {
    // At once, not at the flush: one read may hold ten thousand messages.
    if (this.isBehind) this.#fallenBehind()
    if (this.#isFlushScheduled) return
    this.#isFlushScheduled = true
    // After the promise callbacks that are due now: the answers of one commit cycle go out together.
    queueMicrotask(() => {
      this.#isFlushScheduled = false
      this.#flush()
    })
  }

  /** A stranger who provokes answers and does not read them is not waited for: what it sent ahead costs memory too. */
  #fallenBehind(): void {
    if (this.isTrusted) this.pause('unread')
    else this.destroy()
  }

  #flush(): void {
    if (this.#isClosed) return
    if (this.usesExt) this.#writeAll()
    else this.#writeOne()
    if (this.#isClosing && this.#out.length === 0 && this.#oks.length === 0 && !this.#isWriting) this.#stream.end(() => this.#stream.destroy())
    if (!this.isBehind) this.resume('unread')
  }

  #writeAll(): void {
    for (const { encoding, messageIds } of this.#oks.splice(0)) this.#out.push(encodeOkFrames(this.framing, encoding, messageIds))
    const frames = this.#out.splice(0)
    this.#outBytes = 0
    const last = frames.pop()
    if (last === undefined) return
    const written = this.#written.splice(0)
    this.#stream.cork()
    for (const frame of frames) this.#stream.write(frame)
    if (written.length === 0) this.#stream.write(last)
    else this.#stream.write(last, error => {
      if (error === null || error === undefined) for (const action of written) action()
    })
    this.#stream.uncork()
  }

  /** libipc programs in the field take one message per read, so the next frame waits until this one was written. */
  #writeOne(): void {
    if (this.#isWriting) return
    const waiting = this.#out.shift()
    const frame = waiting ?? this.#nextOk()
    if (frame === undefined) return
    this.#outBytes -= waiting?.length ?? OK_BYTES
    this.#isWriting = true
    this.#stream.write(frame, () => {
      this.#isWriting = false
      this.#flush()
      if (!this.isBehind) this.#drained()
    })
  }

  #nextOk(): Uint8Array | undefined {
    const first = this.#oks[0]
    const messageId = first?.messageIds.shift()
    if (first === undefined || messageId === undefined) return undefined
    if (first.messageIds.length === 0) this.#oks.shift()
    return encodeOkFrames(this.framing, first.encoding, [messageId])
  }

  #drained(): void {
    if (this.isBehind) return
    this.resume('unread')
    this.#handler.drained()
  }

  #over(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#inbox = []
    this.#out = []
    this.#written = []
    this.#oks = []
    this.#decoder.dispose()
    this.#handler.closed()
  }
}
