/**
 * A client of the daemon for tests, over a plain socket and on `wire.ts`: it sends exactly what a test says and awaits the answer
 * by its message-id. It does nothing by itself (no retries, no window, no re-authentication) and shares no code with the product.
 */
import { randomUUID } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { decode, FrameReader, message, placeOf, TYPE, type Fields, type Frame, type Framing, type Payload } from './wire.ts'

export interface FileState {
  readonly state: string
  readonly missing: readonly (readonly [number, number])[]
  readonly 'chunk-size'?: number
  readonly digest?: string
}

/** A RESPONSE as it came. */
export interface Answer {
  readonly 'message-id': string
  readonly response: 'Ok' | 'Error'
  readonly code?: string
  readonly reason?: string
  readonly fatal?: boolean
  readonly state?: string
  readonly fid?: string
  readonly user?: string
  readonly window?: number
  readonly 'chunk-size'?: number
  readonly files?: readonly FileState[]
  readonly more?: readonly [number, number]
  readonly stored?: { readonly file: number; readonly digest: string }
  readonly chunks?: readonly (readonly [number, number, number])[]
  readonly removed?: number
  readonly done?: boolean
  readonly size?: number
  readonly [field: string]: unknown
}

/** The connection ended while an answer was awaited. */
export class ConnectionLost extends Error {}

export interface RawClientOptions {
  readonly framing?: Framing
  readonly payload?: Payload
}

interface Waiter {
  resolve(answer: Answer): void
  reject(cause: Error): void
}

export class RawClient {
  readonly socket: Socket
  readonly framing: Framing
  readonly payload: Payload
  /** Every RESPONSE, before the one who awaits it. */
  onAnswer: ((answer: Answer) => void) | undefined
  /** TRANSFERs and EVENTs of the daemon; without one they are kept in `unasked`. */
  onMessage: ((type: number, fields: Fields) => void) | undefined
  readonly unasked: Frame[] = []
  /** RESPONSEs that nobody awaited, in order. */
  readonly strays: Answer[] = []
  bytesRead = 0
  /** Settles when the connection has ended, whoever ended it. */
  readonly ended: Promise<void>
  #waiters = new Map<string, Waiter>()
  #over = false

  static connect(path: string, options: RawClientOptions = {}): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ path, allowHalfOpen: true })
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new RawClient(socket, options))
      })
    })
  }

  constructor(socket: Socket, options: RawClientOptions) {
    this.socket = socket
    this.framing = options.framing ?? 'A'
    this.payload = options.payload ?? (this.framing === 'N' ? 'json-base64' : 'msgpack')
    const reader = new FrameReader(this.framing)
    this.ended = new Promise(resolve => {
      const over = () => {
        this.#over = true
        for (const waiter of this.#waiters.values()) waiter.reject(new ConnectionLost('the connection ended'))
        this.#waiters.clear()
        socket.destroy()
        resolve()
      }
      socket.on('error', over)
      socket.on('end', over)
      socket.on('close', over)
    })
    socket.on('data', (bytes: Buffer) => {
      this.bytesRead += bytes.length
      for (const one of reader.push(bytes)) this.#take(one)
    })
  }

  get over(): boolean {
    return this.#over
  }

  raw(bytes: Uint8Array): void {
    if (!this.#over) this.socket.write(bytes)
  }

  /** Sends one message; adds a fresh `message-id` where the fields have none, and gives it. */
  send(type: number, fields: Fields): string {
    const id = typeof fields['message-id'] === 'string' ? fields['message-id'] : randomUUID()
    this.raw(message(this.framing, this.payload, type, { 'message-id': id, ...fields }))
    return id
  }

  /** The RESPONSE to this message-id; rejects with `ConnectionLost`. */
  answer(id: string): Promise<Answer> {
    if (this.#over) return Promise.reject(new ConnectionLost('the connection has ended'))
    return new Promise((resolve, reject) => this.#waiters.set(id, { resolve, reject }))
  }

  request(type: number, fields: Fields): Promise<Answer> {
    const id = typeof fields['message-id'] === 'string' ? fields['message-id'] : randomUUID()
    const answer = this.answer(id)
    this.send(type, { ...fields, 'message-id': id })
    return answer
  }

  /** Sends bytes and awaits the next RESPONSE, whatever it is about. */
  next(bytes: Uint8Array): Promise<Answer> {
    const answer = new Promise<Answer>((resolve, reject) => this.#waiters.set('', { resolve, reject }))
    this.raw(bytes)
    return answer
  }

  authenticate(token: string, fields: Fields = {}): Promise<Answer> {
    return this.request(TYPE.authentication, { token, ...fields })
  }

  sendChunk(chunk: string, data: Uint8Array, fields: Fields = {}): Promise<Answer> {
    return this.request(TYPE.transfer, { chunk, data, ...fields })
  }

  /**
   * FETCHes a whole file in the given chunk size, answers each chunk, and gives the bytes; an Error is given as the answer alone.
   * Places that never came are zero and counted in `absent`.
   */
  async fetch(fields: Fields, chunkSizeBytes = 65_536): Promise<{ answer: Answer; bytes: Buffer; absent: number }> {
    const id = randomUUID()
    const arrived = new Map<number, Buffer>()
    this.onMessage = (type, transfer) => {
      if (type !== TYPE.transfer || transfer['fetch'] !== id) return
      arrived.set(placeOf(transfer['chunk'] as string).chunk, Buffer.from(transfer['data'] as Uint8Array))
      this.send(TYPE.response, { 'message-id': transfer['message-id'], response: 'Ok' })
    }
    const answer = await this.request(TYPE.fetch, { 'message-id': id, 'chunk-size': chunkSizeBytes, ...fields })
    if (answer.response === 'Error') return { answer, bytes: Buffer.alloc(0), absent: 0 }
    const stray = this.strays.findIndex(one => one['message-id'] === id)
    // The last answer may have come with the first, before anyone could await it.
    const last = answer.done === true ? answer : stray >= 0 ? this.strays.splice(stray, 1)[0] as Answer : await this.answer(id)
    if (last.response === 'Error') return { answer: last, bytes: Buffer.alloc(0), absent: 0 }
    const bytes = Buffer.alloc(answer.size ?? 0)
    for (const [index, data] of arrived) data.copy(bytes, index * chunkSizeBytes)
    return { answer, bytes, absent: Math.ceil(bytes.length / chunkSizeBytes) - arrived.size }
  }

  /** Ends the connection in order. */
  close(): Promise<void> {
    this.socket.end()
    return this.ended
  }

  destroy(): void {
    this.socket.destroy()
  }

  #take(one: Frame): void {
    if (one.type !== TYPE.response) {
      if (this.onMessage === undefined) this.unasked.push(one)
      else this.onMessage(one.type, decode(one.payload))
      return
    }
    const answer = decode(one.payload) as unknown as Answer
    this.onAnswer?.(answer)
    const id = this.#waiters.has(answer['message-id']) ? answer['message-id'] : ''
    const waiter = this.#waiters.get(id)
    this.#waiters.delete(id)
    if (waiter === undefined) this.strays.push(answer)
    else waiter.resolve(answer)
  }
}
