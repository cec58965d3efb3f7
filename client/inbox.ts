/**
 * The chunks of one FETCH as they arrive, for whoever takes them in batches. It knows when the daemon is done, fell silent or went away,
 * and tells it when its chunks are no longer wanted.
 */
import { MESSAGE_TYPE, type Response, TallyError, type Transfer } from '../protocol/index.ts'
import type { ChunkBuffers } from './chunk-buffers.ts'
import type { Connection, Stream } from './connection.ts'
import { ClientError, errorOf } from './errors.ts'

export class Inbox implements Stream {
  readonly fetchId: string
  readonly #connection: Connection
  readonly #window: number
  readonly #buffers: ChunkBuffers
  readonly #timeoutMs: number
  readonly #signal: AbortSignal | undefined
  #arrived: Transfer[] = []
  #done = false
  #failure: unknown
  #isSilent = false
  #wake: (() => void) | undefined
  readonly #aborted = (): void => this.#fail(this.#signal?.reason)

  /**
   * @param window how many chunks the daemon may send before one is answered
   * @param buffers what chunks are copied into; whoever takes them gives them back there
   */
  constructor(connection: Connection, window: number, buffers: ChunkBuffers, timeoutMs: number, signal: AbortSignal | undefined) {
    this.#connection = connection
    this.#window = window
    this.#buffers = buffers
    this.#timeoutMs = timeoutMs
    this.#signal = signal
    this.fetchId = connection.nextMessageId()
    connection.openStream(this.fetchId, this)
    signal?.addEventListener('abort', this.#aborted)
  }

  onTransfer(message: Transfer): void {
    if (this.#arrived.length >= this.#window) {
      this.#fail(new TallyError('internal', 'the daemon sends more than was asked for'))
      return
    }
    this.#arrived.push({ ...message, data: this.#buffers.copy(message.data) })
    this.#wake?.()
  }

  onResponse(response: Response): void {
    if (response.response === 'Error') {
      this.#fail(errorOf(response))
    } else if (response.done === true) {
      this.#done = true
      this.#wake?.()
    }
  }

  onLost(error: Error): void {
    this.#fail(error)
  }

  /**
   * What arrived since the last call, at least one chunk; undefined when the daemon is done. To be called when everything before was
   * acknowledged, or silence would be our own fault. Throws what ended the FETCH, once what came before it was taken; an abort's reason at
   * once, as chunks may come for as long as they are answered.
   */
  async next(): Promise<Transfer[] | undefined> {
    if (this.#arrived.length === 0 && !this.#done && this.#failure === undefined) await this.#wait()
    this.#signal?.throwIfAborted()
    if (this.#arrived.length > 0) {
      const batch = this.#arrived
      this.#arrived = []
      return batch
    }
    if (this.#failure !== undefined) throw this.#failure
    return undefined
  }

  /** All that was asked for came, and its last answer is on its way, with which the daemon is done. */
  complete(): void {
    this.#done = true
  }

  /** No more is wanted; where the daemon is not done it is told to stop. */
  close(): void {
    this.#signal?.removeEventListener('abort', this.#aborted)
    this.#connection.closeStream(this.fetchId)
    const isOver = this.#failure !== undefined && !this.#isSilent && this.#signal?.aborted !== true
    if (this.#done || this.#connection.lost !== undefined || isOver) return
    this.#connection.sendMessage({
      type: MESSAGE_TYPE.RESPONSE, messageId: this.fetchId, response: 'Error', reason: 'no longer wanted', code: 'not-found',
    })
  }

  async #wait(): Promise<void> {
    const silent = (): void => {
      this.#isSilent = true
      this.#fail(new ClientError('connection-silent', `no chunk came for ${this.#timeoutMs} ms`))
    }
    const timer = setTimeout(silent, this.#timeoutMs)
    await new Promise<void>(resolve => { this.#wake = resolve })
    clearTimeout(timer)
    this.#wake = undefined
  }

  #fail(error: unknown): void {
    this.#failure ??= error
    this.#wake?.()
  }
}
