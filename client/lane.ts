/**
 * The sending of one upload's chunks on one connection, from one AUTHENTICATION to the next: how many are unanswered, whether there is room
 * for more, and whether the daemon fell silent. Answers that come after a lane ended still count; its failures do not.
 */
import { crc32 } from 'node:zlib'
import { type ChunkWords, MESSAGE_TYPE, type Response } from '../protocol/index.ts'
import type { Connection, Route } from './connection.ts'
import { ClientError, errorOf } from './errors.ts'
import { messageId, messageIdPrefix, numberOf } from './message-id.ts'
import type { Timings } from './timings.ts'

/** A message-id's own 48 bits hold file and chunk number, so no table of what is in flight is needed. */
const CHUNKS_PER_FILE = 2 ** 31

/** What a lane tells its upload. */
export interface LaneOwner {
  readonly fid: string
  /** Each chunk bears a checksum. */
  readonly crc32: boolean
  acknowledged(file: number, first: number, count: number): void
  stored(file: number, digest: string): void
}

export class Lane implements Route {
  readonly connection: Connection
  /** Chunks sent here that were not acknowledged yet. */
  inFlight = 0
  failure: Error | undefined
  readonly #owner: LaneOwner
  readonly #timings: Timings
  readonly #prefix = messageIdPrefix()
  readonly #watch: NodeJS.Timeout
  #movedMs: number
  #wake: (() => void) | undefined
  #ended = false

  constructor(connection: Connection, owner: LaneOwner, timings: Timings) {
    this.connection = connection
    this.#owner = owner
    this.#timings = timings
    this.#movedMs = timings.nowMs()
    this.#watch = setInterval(() => this.#checkSilence(), timings.answerTimeoutMs / 4)
    connection.openRoute(this.#prefix, this)
    if (connection.lost !== undefined) this.fail(connection.lost)
  }

  send(file: number, chunk: number, words: ChunkWords, data: Uint8Array): void {
    if (this.inFlight === 0) this.#movedMs = this.#timings.nowMs()
    this.inFlight++
    const id = messageId(this.#prefix, file * CHUNKS_PER_FILE + chunk)
    if (this.#owner.crc32) this.connection.sendMessage({ type: MESSAGE_TYPE.TRANSFER, messageId: id, chunk: words, data, crc32: crcOf(words, data) })
    else this.connection.sendTransfer(id, words, data)
  }

  onResponse(response: Response): void {
    this.#movedMs = this.#timings.nowMs()
    if (response.response === 'Error') {
      this.fail(errorOf(response))
      return
    }
    if (response.chunks === undefined) {
      const place = numberOf(response.messageId)
      this.#owner.acknowledged(Math.floor(place / CHUNKS_PER_FILE), place % CHUNKS_PER_FILE, 1)
    } else if (response.fid === undefined || response.fid.toLowerCase() === this.#owner.fid) {
      for (const [file, first, count] of response.chunks) this.#owner.acknowledged(file, first, count)
    }
    if (response.stored !== undefined) this.#owner.stored(response.stored.file, response.stored.digest)
  }

  /** So many of the chunks in flight were acknowledged, here or by an answer to an earlier lane; or a file was stored. */
  landed(count: number): void {
    this.inFlight -= count
    this.#wake?.()
  }

  onLost(error: Error): void {
    this.fail(error)
  }

  /** The first failure holds. */
  fail(error: Error): void {
    if (this.#ended) return
    this.failure ??= error
    this.#wake?.()
  }

  throwIfFailed(): void {
    if (this.failure !== undefined) throw this.failure
  }

  /** Waits for answers until the condition holds, or for so long. Throws the lane's failure. */
  async until(condition: () => boolean, withinMs?: number): Promise<void> {
    let late = false
    const expire = (): void => {
      late = true
      this.#wake?.()
    }
    const timer = withinMs === undefined ? undefined : setTimeout(expire, withinMs)
    try {
      while (!condition() && !late) {
        this.throwIfFailed()
        await new Promise<void>(resolve => { this.#wake = resolve })
        this.#wake = undefined
      }
      this.throwIfFailed()
    } finally {
      clearTimeout(timer)
    }
  }

  /** What `work` gives, unless the lane fails before. */
  async during<T>(work: Promise<T>): Promise<T> {
    let failed: (() => void) | undefined
    const failure = new Promise<never>((_, reject) => {
      failed = () => { if (this.failure !== undefined) reject(this.failure) }
      this.#wake = failed
      failed()
    })
    try {
      return await Promise.race([work, failure])
    } finally {
      if (this.#wake === failed) this.#wake = undefined
    }
  }

  /** Late answers still count, but nothing fails or is waited for any more. */
  end(): void {
    this.#ended = true
    clearInterval(this.#watch)
    this.#wake = undefined
  }

  /** No answer is taken any more. */
  close(): void {
    this.end()
    this.connection.closeRoute(this.#prefix)
  }

  #checkSilence(): void {
    if (this.inFlight === 0 || this.#timings.nowMs() - this.#movedMs < this.#timings.answerTimeoutMs) return
    this.fail(new ClientError('connection-silent', `no chunk was answered for ${this.#timings.answerTimeoutMs} ms`))
  }
}

/** Over the 16 bytes of the chunk's UUID, then the data (protocol, 3.2). */
function crcOf(words: ChunkWords, data: Uint8Array): number {
  const uuid = Buffer.alloc(16)
  for (const [index, word] of words.entries()) uuid.writeUInt32BE(word, 4 * index)
  return crc32(data, crc32(uuid))
}
