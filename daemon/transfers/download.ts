/**
 * One FETCH under way: reads the content in blocks, hands out whole chunks while the window allows, counts the answers, and ends when
 * every chunk was answered. What a chunk looks like on the wire is the handler's business.
 */
import { free } from '../../protocol/free.ts'
import type { ContentReader } from '../storage/storage.ts'

const READ_BYTES = 262_144

/** The peer's side of a download. */
export interface DownloadSink {
  /** Whether the peer takes more; where it does not, `resume` is called when it does. */
  isReady(): boolean
  /** `data` stays as it is until `whenSent` says that it was sent. */
  chunk(index: number, data: Uint8Array): void
  /** Calls `action` when nothing that was handed out is needed any more; perhaps never. */
  whenSent(action: () => void): void
  /** Everything was answered. */
  done(): void
  /** The peer can answer no more, and its window is full. */
  stalled(): void
  failed(cause: unknown): void
}

export interface DownloadPlan {
  readonly sizeBytes: number
  readonly chunkSizeBytes: number
  /** Which chunks, ascending: first and count of each run, one after the other (a hundred thousand runs are not as many arrays). */
  readonly runs: Float64Array
  readonly windowChunks: number
}

export class Download {
  readonly #reader: ContentReader
  readonly #plan: DownloadPlan
  readonly #sink: DownloadSink
  #run = 0
  #inRun = 0
  #unanswered = 0
  #isPumping = false
  #isPumpWanted = false
  #isOver = false
  #mayStall = true

  constructor(reader: ContentReader, plan: DownloadPlan, sink: DownloadSink) {
    this.#reader = reader
    this.#plan = plan
    this.#sink = sink
  }

  /** Sends what the window allows. To be called at the start and whenever the peer can take more. */
  resume(): void {
    // An answer that comes while chunks are being read changes what the pump saw: it has to look again.
    this.#isPumpWanted = true
    if (this.#isPumping || this.#isOver) return
    this.#isPumping = true
    void this.#pump()
      .catch(cause => {
        if (!this.#isOver) this.#sink.failed(cause)
        this.end()
      })
      .finally(() => {
        this.#isPumping = false
        if (this.#isPumpWanted) this.resume()
        if (this.#isOver && !this.#isPumping) void this.#reader.close().catch(() => undefined)
      })
  }

  /** So many chunks were answered. */
  answered(count: number): void {
    this.#unanswered = Math.max(0, this.#unanswered - count)
    this.resume()
  }

  /** Nothing will be answered any more: sends as far as the window allows, then ends. */
  endWhenStalled(): void {
    this.#mayStall = false
    this.resume()
  }

  /** Stops sending, also in the middle; what is open is closed. */
  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    if (!this.#isPumping) void this.#reader.close().catch(() => undefined)
  }

  async #pump(): Promise<void> {
    const { chunkSizeBytes, sizeBytes, windowChunks, runs } = this.#plan
    const blockChunks = Math.max(1, Math.floor(READ_BYTES / chunkSizeBytes))
    for (;;) {
      if (this.#isOver) return
      this.#isPumpWanted = false
      const room = windowChunks - this.#unanswered
      const isSent = this.#run >= runs.length
      if (isSent && this.#unanswered === 0) return this.#finish()
      if (isSent || room <= 0) return this.#stall()
      if (!this.#sink.isReady()) return
      const first = (runs[this.#run] as number) + this.#inRun
      const left = (runs[this.#run + 1] as number) - this.#inRun
      const count = Math.min(room, blockChunks, left)
      const offsetBytes = first * chunkSizeBytes
      const lengthBytes = Math.min(count * chunkSizeBytes, sizeBytes - offsetBytes)
      // What is at hand goes out with what was sent in this turn.
      const block = this.#reader.readNow?.(offsetBytes, lengthBytes) ?? await this.#reader.read(offsetBytes, lengthBytes)
      for (let at = 0; at < count && !this.#isOver; at++) {
        this.#unanswered++
        this.#sink.chunk(first + at, block.subarray(at * chunkSizeBytes, (at + 1) * chunkSizeBytes))
      }
      this.#sink.whenSent(() => free(block))
      this.#inRun += count
      if (count === left) {
        this.#run += 2
        this.#inRun = 0
      }
    }
  }

  #stall(): void {
    if (this.#mayStall || this.#isOver) return
    this.end()
    this.#sink.stalled()
  }

  #finish(): void {
    this.end()
    this.#sink.done()
  }
}
