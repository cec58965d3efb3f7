/**
 * What a connection is about to send: frames that are queued in one turn of the event loop go out in one write, and whoever sends much can
 * wait until the socket took what it has.
 */
import type { Socket } from 'node:net'

/** Worth a write of its own, before the turn is over. */
const WRITE_BYTES = 65_536
/** Above this a sender waits. */
const UNSENT_BYTES_MAX = 1_048_576

export class Outgoing {
  readonly #socket: Socket
  #frames: Uint8Array[] = []
  #bytes = 0
  #isScheduled = false
  #isOver = false
  #waiting: (() => void)[] = []

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('drain', () => this.#wake())
  }

  send(frame: Uint8Array): void {
    if (this.#isOver) return
    this.#frames.push(frame)
    this.#bytes += frame.length
    if (this.#bytes >= WRITE_BYTES) {
      this.flush()
    } else if (!this.#isScheduled) {
      this.#isScheduled = true
      setImmediate(() => this.flush())
    }
  }

  flush(): void {
    this.#isScheduled = false
    if (this.#frames.length === 0 || this.#isOver) return
    const bytes = this.#frames.length === 1 ? this.#frames[0] as Uint8Array : Buffer.concat(this.#frames, this.#bytes)
    this.#frames = []
    this.#bytes = 0
    this.#socket.write(bytes)
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

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resume of waiting) resume()
  }
}
