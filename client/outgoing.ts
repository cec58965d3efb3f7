/**
 * What a connection is about to send: frames are copied one behind the other into buffers that are used again, those of one turn of the
 * event loop go out in one write, and whoever sends much can wait until the socket took what it has.
 */
import type { Socket } from 'node:net'
import { type ChunkWords, transferFrameBytes, writeTransferFrame } from '../protocol/index.ts'

/** Room for a chunk of the usual largest size and what stands around it. */
const BUFFER_BYTES = 262_144 + 1024
/** Worth a write of its own, before the turn is over. */
const WRITE_BYTES = 131_072
/** Above this a sender waits. */
const UNSENT_BYTES_MAX = 1_048_576
const SPARE_BUFFERS_MAX = 8

export class Outgoing {
  readonly #socket: Socket
  #buffer: Uint8Array | undefined
  #usedBytes = 0
  /** What the socket has taken; fresh memory for each write costs more than the copy. */
  readonly #spare: Uint8Array[] = []
  #isScheduled = false
  #isOver = false
  #waiting: (() => void)[] = []

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('drain', () => this.#wake())
  }

  /** Queues a whole frame. It is copied, and so is the data of a TRANSFER. */
  send(frame: Uint8Array): void {
    if (this.#isOver) return
    this.#roomFor(frame.length).set(frame, this.#usedBytes)
    this.#queued(frame.length)
  }

  sendTransfer(messageId: string, chunk: ChunkWords, data: Uint8Array): void {
    if (this.#isOver) return
    const frameBytes = transferFrameBytes('A', data.length)
    writeTransferFrame(this.#roomFor(frameBytes), this.#usedBytes, 'A', messageId, chunk, data)
    this.#queued(frameBytes)
  }

  flush(): void {
    this.#isScheduled = false
    const buffer = this.#buffer
    if (buffer === undefined || this.#isOver) return
    const bytes = buffer.subarray(0, this.#usedBytes)
    this.#buffer = undefined
    this.#usedBytes = 0
    this.#socket.write(bytes, error => {
      if ((error === null || error === undefined) && this.#spare.length < SPARE_BUFFERS_MAX) this.#spare.push(buffer)
    })
  }

  /** Whether a sender should wait for `drained`. */
  get full(): boolean {
    return !this.#isOver && this.#socket.writableLength >= UNSENT_BYTES_MAX
  }

  /** Resolves when there is room again, or nothing is sent any more. */
  async drained(): Promise<void> {
    while (this.full) await new Promise<void>(resolve => this.#waiting.push(resolve))
  }

  /** Nothing is sent any more. */
  end(): void {
    this.#isOver = true
    this.#wake()
  }

  /** The buffer at hand, with so much room behind what is used of it. */
  #roomFor(lengthBytes: number): Uint8Array {
    if (this.#buffer !== undefined && this.#usedBytes + lengthBytes > this.#buffer.length) this.flush()
    if (this.#buffer === undefined) {
      const spare = this.#spare.pop()
      this.#buffer = spare === undefined || spare.length < lengthBytes ? new Uint8Array(Math.max(lengthBytes, BUFFER_BYTES)) : spare
    }
    return this.#buffer
  }

  #queued(lengthBytes: number): void {
    this.#usedBytes += lengthBytes
    if (this.#usedBytes >= WRITE_BYTES) {
      this.flush()
    } else if (!this.#isScheduled) {
      this.#isScheduled = true
      setImmediate(() => this.flush())
    }
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resume of waiting) resume()
  }
}
