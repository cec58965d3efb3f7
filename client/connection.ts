/**
 * One connection to a daemon: frames in and out over a Unix socket (framing A, msgpack), answers brought to whoever asked. It joins what is
 * sent in one turn of the event loop into one write, and reads whatever is written meanwhile. It neither retries nor knows what a
 * transfer is.
 */
import { randomUUID } from 'node:crypto'
import { type Socket, connect } from 'node:net'
import {
  FrameDecoder, MESSAGE_TYPE, type Message, type OkResponse, type Response, TallyError, type Transfer, decodeMessage, encodeFrame, encodeMessage,
} from '../protocol/index.ts'
import { ClientError } from './errors.ts'
import { checkSocket } from './socket-trust.ts'

const NIL_UUID = '00000000-0000-0000-0000-000000000000'
/** The part of a message-id that names a route; the other 12 digits are the route's own. */
const ROUTE_CHARACTERS = 24
const WRITE_BYTES = 65_536
/** Above this a sender waits until the socket took what it has. */
const UNSENT_BYTES_MAX = 1_048_576

/** Whoever sends many messages under one prefix takes their answers here, in the order of arrival. Must not throw. */
export interface Route {
  onResponse(response: Response): void
  onLost(error: Error): void
}

/** Takes what a FETCH brings: chunks, then (or instead) one last RESPONSE. Must not throw. */
export interface Stream {
  onTransfer(message: Transfer): void
  onResponse(response: Response): void
  onLost(error: Error): void
}

interface Asked {
  resolve(response: OkResponse): void
  reject(error: unknown): void
}

export class Connection {
  readonly path: string
  /** Why it ended; undefined while it lives. */
  lost: Error | undefined
  readonly #socket: Socket
  readonly #decoder = new FrameDecoder()
  readonly #asked = new Map<string, Asked>()
  readonly #routes = new Map<string, Route>()
  readonly #streams = new Map<string, Stream>()
  readonly #prefix = messageIdPrefix()
  #lastNumber = 0
  #unsent: Uint8Array[] = []
  #unsentBytes = 0
  #flushing = false
  #waiting: (() => void)[] = []

  private constructor(path: string, socket: Socket) {
    this.path = path
    this.#socket = socket
    socket.on('data', bytes => this.#receive(bytes))
    socket.on('drain', () => this.#wake())
    socket.on('error', cause => this.#end(new ClientError('connection-lost', `the connection to ${path} broke`, { cause })))
    socket.on('close', () => this.#end(new ClientError('connection-lost', `the connection to ${path} was closed`)))
  }

  /** Throws `untrusted-socket` before anything is sent, `connect-failed`, or the signal's reason. */
  static async open(path: string, options: { trustedUids?: readonly number[]; signal?: AbortSignal | undefined } = {}): Promise<Connection> {
    await checkSocket(path, options.trustedUids)
    options.signal?.throwIfAborted()
    const socket = connect(path)
    await new Promise<void>((resolve, reject) => {
      const failed = (cause: Error): void => reject(new ClientError('connect-failed', `no tallyd listens at ${path}`, { cause }))
      socket.once('error', failed)
      socket.once('connect', () => {
        socket.off('error', failed)
        resolve()
      })
    })
    return new Connection(path, socket)
  }

  nextMessageId(): string {
    return messageId(this.#prefix, ++this.#lastNumber)
  }

  /**
   * Sends one message and waits for its answer. Rejects with the `TallyError` that the daemon answered, `connection-lost`, or
   * `connection-silent` after `timeoutMs`, or the signal's reason.
   */
  request(message: Message, timeoutMs: number, signal?: AbortSignal): Promise<OkResponse> {
    if (this.lost !== undefined) return Promise.reject(this.lost)
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    const id = message.messageId
    const frame = encodeFrame('A', message.type, encodeMessage(message, 'msgpack'))
    return new Promise((resolve, reject) => {
      const silent = (): void => this.#settle(id)?.reject(new ClientError('connection-silent', `no answer within ${timeoutMs} ms`))
      const aborted = (): void => this.#settle(id)?.reject(signal?.reason)
      const timer = setTimeout(silent, timeoutMs)
      signal?.addEventListener('abort', aborted)
      const settled = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', aborted)
      }
      this.#asked.set(id, {
        resolve: response => {
          settled()
          resolve(response)
        },
        reject: error => {
          settled()
          reject(error)
        },
      })
      this.send(frame)
    })
  }

  /** Answers to message-ids that begin with the prefix (24 characters, of `messageIdPrefix`) go to the route from now on. */
  openRoute(prefix: string, route: Route): void {
    this.#routes.set(prefix, route)
  }

  closeRoute(prefix: string): void {
    this.#routes.delete(prefix)
  }

  /** The chunks and the answers of the FETCH with this message-id go to the stream from now on. */
  openStream(fetchId: string, stream: Stream): void {
    this.#streams.set(fetchId, stream)
  }

  closeStream(fetchId: string): void {
    this.#streams.delete(fetchId)
  }

  /** Queues a whole frame. What is queued in one turn goes out in one write. */
  send(frame: Uint8Array): void {
    if (this.lost !== undefined) return
    this.#unsent.push(frame)
    this.#unsentBytes += frame.length
    if (this.#unsentBytes >= WRITE_BYTES) {
      this.#flush()
    } else if (!this.#flushing) {
      this.#flushing = true
      setImmediate(() => this.#flush())
    }
  }

  sendMessage(message: Message): void {
    this.send(encodeFrame('A', message.type, encodeMessage(message, 'msgpack')))
  }

  /** Whether a sender should wait for `drained`. */
  get full(): boolean {
    return this.lost === undefined && this.#socket.writableLength >= UNSENT_BYTES_MAX
  }

  /** Resolves when there is room again, or the connection ended. */
  async drained(): Promise<void> {
    while (this.full) await new Promise<void>(resolve => this.#waiting.push(resolve))
  }

  /** Ends it at once; whoever waits gets `cause`. What was sent and not answered may or may not have arrived. */
  close(cause: Error = new ClientError('closed', 'the connection was closed by us')): void {
    this.#end(cause)
  }

  /** Writes what is queued, then ends it. */
  finish(): void {
    this.#flush()
    this.#socket.end()
    // A daemon that never closes its side must not keep our process.
    this.#socket.unref()
    this.#end(new ClientError('closed', 'the connection was closed by us'), false)
  }

  #flush(): void {
    this.#flushing = false
    if (this.#unsent.length === 0 || this.lost !== undefined) return
    const bytes = this.#unsent.length === 1 ? this.#unsent[0] as Uint8Array : Buffer.concat(this.#unsent, this.#unsentBytes)
    this.#unsent = []
    this.#unsentBytes = 0
    this.#socket.write(bytes)
  }

  #receive(bytes: Uint8Array): void {
    try {
      this.#decoder.push(bytes, (type, payload) => {
        if (this.lost === undefined) this.#take(type, payload)
      })
    } catch (error) {
      this.#end(new ClientError('connection-lost', 'the daemon sent what is no frame', { cause: error }))
    }
    if (this.#decoder.closed) this.#end(new ClientError('connection-lost', 'the daemon closed the connection'))
  }

  /** A message that cannot be read means that this connection's two ends disagree: a new one is the only cure. */
  #take(type: number, payload: Uint8Array): void {
    let message: Message
    try {
      message = decodeMessage(type, payload).message
    } catch (error) {
      this.#end(new ClientError('connection-lost', 'the daemon sent a message that cannot be read', { cause: error }))
      return
    }
    if (message.type === MESSAGE_TYPE.TRANSFER) {
      if (message.fetch !== undefined) this.#streams.get(message.fetch)?.onTransfer(message)
    } else if (message.type === MESSAGE_TYPE.RESPONSE) {
      this.#answer(message)
    }
  }

  #answer(response: Response): void {
    const id = response.messageId
    const route = this.#routes.get(id.slice(0, ROUTE_CHARACTERS))
    if (route !== undefined) {
      route.onResponse(response)
    } else if (this.#asked.has(id)) {
      const asked = this.#settle(id)
      if (response.response === 'Ok') asked?.resolve(response)
      else asked?.reject(errorOf(response))
    } else {
      this.#streams.get(id)?.onResponse(response)
    }
    if (response.response === 'Error' && (response.fatal === true || id === NIL_UUID)) this.#end(errorOf(response))
  }

  #settle(id: string): Asked | undefined {
    const asked = this.#asked.get(id)
    this.#asked.delete(id)
    return asked
  }

  #end(cause: Error, destroy = true): void {
    if (this.lost === undefined) {
      this.lost = cause
      for (const id of [...this.#asked.keys()]) this.#settle(id)?.reject(cause)
      for (const route of [...this.#routes.values()]) route.onLost(cause)
      for (const stream of [...this.#streams.values()]) stream.onLost(cause)
      this.#wake()
    }
    if (destroy) this.#socket.destroy()
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resume of waiting) resume()
  }
}

/** 24 characters, fresh: the first half of message-ids that one sender numbers by itself. */
export function messageIdPrefix(): string {
  return randomUUID().slice(0, ROUTE_CHARACTERS)
}

/** @param number 0 … 2^48 - 1 */
export function messageId(prefix: string, number: number): string {
  return prefix + number.toString(16).padStart(12, '0')
}

/** What the sender of a message-id numbered it with. */
export function messageNumber(id: string): number {
  return Number.parseInt(id.slice(ROUTE_CHARACTERS), 16)
}

/** What an Error says, as something to throw. */
export function errorOf(response: Extract<Response, { response: 'Error' }>): TallyError {
  const options = response.fatal === undefined ? {} : { fatal: response.fatal }
  return new TallyError(response.code ?? 'internal', response.reason, response.details ?? {}, options)
}
