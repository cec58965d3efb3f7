/**
 * One connection to a daemon: frames in and out over a Unix socket (framing A, msgpack), answers brought to whoever asked. It joins what is
 * sent in one turn of the event loop into one write, and reads whatever is written meanwhile. It neither retries nor knows what a
 * transfer is.
 */
import { type Socket, connect } from 'node:net'
import {
  type ChunkWords, type Event, FrameDecoder, type FrameType, MESSAGE_TYPE, type Message, type OkResponse, type Response, type Transfer, decodeMessage,
  encodeFrame, encodeMessage, free,
} from '../protocol/index.ts'

import { unlessAborted } from './abort.ts'
import { ClientError, errorOf } from './errors.ts'
import { NIL_UUID, messageId, messageIdPrefix, prefixOf } from './message-id.ts'
import { Outgoing } from './outgoing.ts'
import { checkSocket, notReached } from './socket-trust.ts'

/** Whoever sends many messages under one prefix takes their answers here, in the order of arrival. Must not throw. */
export interface Route {
  onResponse(response: Response): void
  onLost(error: Error): void
}

/** Takes what a FETCH brings: chunks, then (or instead) one last RESPONSE. Must not throw. */
export interface Stream {
  /** The data is lent: what is to stay is copied. */
  onTransfer(message: Transfer): void
  onResponse(response: Response): void
  onLost(error: Error): void
}

/** Takes what a WATCH brings: events, then one RESPONSE where the daemon ends it. Must not throw. */
export interface Watcher {
  onEvent(event: Event): void
  onResponse(response: Response): void
  onLost(error: Error): void
}

interface Asked {
  readonly isAuthentication: boolean
  resolve(response: OkResponse): void
  reject(error: unknown): void
}

export class Connection {
  readonly path: string
  /** Why it ended; undefined while it lives. */
  lost: Error | undefined
  readonly #socket: Socket
  readonly #outgoing: Outgoing
  readonly #decoder = new FrameDecoder()
  readonly #asked = new Map<string, Asked>()
  readonly #routes = new Map<string, Route>()
  readonly #streams = new Map<string, Stream>()
  readonly #watchers = new Map<string, Watcher>()
  readonly #prefix = messageIdPrefix()
  #lastNumber = 0
  /** The daemon does not know us (any more), since it last agreed to an AUTHENTICATION. */
  #isForgotten = false
  #probing: NodeJS.Timeout | undefined
  #silentTicks = 0
  /** A probe was sent after the latest AUTHENTICATION. */
  #isProbed = false

  private constructor(path: string, socket: Socket) {
    this.path = path
    this.#socket = socket
    this.#outgoing = new Outgoing(socket)
    socket.on('data', bytes => this.#receive(bytes))
    socket.on('error', cause => this.#end(new ClientError('connection-lost', `the connection to ${path} broke`, { cause })))
    socket.on('close', () => this.#end(new ClientError('connection-lost', `the connection to ${path} was closed`)))
  }

  /** Throws `untrusted-socket` before anything is sent, `access-denied`, `connect-failed`, or the signal's reason. */
  static async open(path: string, trustedUids?: readonly number[], signal?: AbortSignal): Promise<Connection> {
    await checkSocket(path, trustedUids)
    signal?.throwIfAborted()
    const socket = connect(path)
    const connected = new Promise<void>((resolve, reject) => {
      socket.once('error', cause => reject(notReached(path, cause)))
      socket.once('connect', resolve)
    })
    try {
      await unlessAborted(connected, signal)
    } catch (error) {
      socket.destroy()
      throw error
    }
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
      const isAuthentication = message.type === MESSAGE_TYPE.AUTHENTICATION
      if (isAuthentication) this.#isProbed = false
      this.#asked.set(id, {
        isAuthentication,
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

  /** The events and the answers of the WATCH with this message-id go to the watcher from now on. */
  openWatch(watchId: string, watcher: Watcher): void {
    this.#watchers.set(watchId, watcher)
  }

  closeWatch(watchId: string): void {
    this.#watchers.delete(watchId)
  }

  /**
   * From now on, while somebody waits and nothing comes for a while, a RESPONSE that answers nothing is sent: it gets no answer either,
   * unless a relay made its link anew, behind which nobody knows us, what we sent, or what we wait for (protocol, 3). Then whatever was
   * asked before is rejected with `unauthenticated`, and whoever waits for more is told that it is lost.
   */
  probeSilence(everyMs: number): void {
    this.#probing = setInterval(() => {
      const isWaiting = this.#asked.size + this.#routes.size + this.#streams.size + this.#watchers.size > 0
      if (!isWaiting || !isDue(++this.#silentTicks)) return
      this.#isProbed = true
      this.sendMessage({ type: MESSAGE_TYPE.RESPONSE, messageId: NIL_UUID, response: 'Ok' })
    }, everyMs)
    this.#probing.unref()
  }

  /** Queues a whole frame. What is queued in one turn goes out in one write. */
  send(frame: Uint8Array): void {
    this.#outgoing.send(frame)
  }

  /** Queues a TRANSFER; its data is free again after the call. */
  sendTransfer(messageId: string, chunk: ChunkWords, data: Uint8Array): void {
    this.#outgoing.sendTransfer(messageId, chunk, data)
  }

  sendMessage(message: Message): void {
    this.send(encodeFrame('A', message.type, encodeMessage(message, 'msgpack')))
  }

  /** Whether a sender should wait for `drained`. */
  get full(): boolean {
    return this.#outgoing.full
  }

  /** Resolves when there is room again, or the connection ended. */
  drained(): Promise<void> {
    return this.#outgoing.drained()
  }

  /** Ends it at once; whoever waits gets `cause`. What was sent and not answered may or may not have arrived. */
  close(cause: Error = new ClientError('closed', 'the connection was closed by us')): void {
    this.#end(cause)
  }

  /** Writes what is queued, then ends it. */
  finish(): void {
    this.#outgoing.flush()
    this.#socket.end()
    // A daemon that never closes its side must not keep our process.
    this.#socket.unref()
    this.#end(new ClientError('closed', 'the connection was closed by us'), false)
  }

  #receive(bytes: Uint8Array): void {
    let isKept = false
    this.#silentTicks = 0
    try {
      this.#decoder.push(bytes, (type, payload) => {
        if (this.lost === undefined) this.#take(type, payload)
        // Whoever takes a chunk copies it; other messages may hold views on what they came in, such as a file's `meta`.
        if (type === MESSAGE_TYPE.TRANSFER) return 'done'
        isKept = true
        return undefined
      })
      if (!isKept) free(bytes)
    } catch (error) {
      this.#end(new ClientError('connection-lost', 'the daemon sent what is no frame', { cause: error }))
    }
    if (this.#decoder.closed) this.#end(new ClientError('connection-lost', 'the daemon closed the connection'))
  }

  /** A message that cannot be read means that this connection's two ends disagree: a new one is the only cure. */
  #take(type: FrameType, payload: Uint8Array): void {
    let message: Message
    try {
      message = decodeMessage(type, payload).message
    } catch (error) {
      this.#end(new ClientError('connection-lost', 'the daemon sent a message that cannot be read', { cause: error }))
      return
    }
    if (message.type === MESSAGE_TYPE.TRANSFER) {
      if (message.fetch !== undefined) this.#streams.get(message.fetch)?.onTransfer(message)
    } else if (message.type === MESSAGE_TYPE.EVENT) {
      this.#watchers.get(message.watch)?.onEvent(message)
    } else if (message.type === MESSAGE_TYPE.RESPONSE) {
      this.#answer(message)
    }
  }

  #answer(response: Response): void {
    const id = response.messageId
    const route = this.#routes.get(prefixOf(id))
    if (route !== undefined) {
      route.onResponse(response)
    } else if (this.#asked.has(id)) {
      const asked = this.#settle(id)
      if (response.response === 'Ok' && asked?.isAuthentication === true) this.#isForgotten = false
      if (response.response === 'Ok') asked?.resolve(response)
      else asked?.reject(errorOf(response))
    } else {
      const taker = this.#streams.get(id) ?? this.#watchers.get(id)
      taker?.onResponse(response)
    }
    if (response.response === 'Ok') return
    if (response.code === 'unauthenticated') this.#forgotten(errorOf(response), id === NIL_UUID && this.#isProbed)
    if (response.fatal === true || (id === NIL_UUID && response.code !== 'unauthenticated')) this.#end(errorOf(response))
  }

  /**
   * A relay made its link anew: what hung on the session before gets no answer any more. An AUTHENTICATION may be on the new link already,
   * unless a probe that followed it found nobody who knows us.
   */
  #forgotten(cause: Error, isAuthenticationLost: boolean): void {
    for (const [id, { isAuthentication }] of [...this.#asked]) {
      if (isAuthentication ? isAuthenticationLost : !this.#isForgotten) this.#settle(id)?.reject(cause)
    }
    if (this.#isForgotten) return
    this.#isForgotten = true
    this.#tellLost(cause)
  }

  #tellLost(cause: Error): void {
    for (const taker of [...this.#routes.values(), ...this.#streams.values(), ...this.#watchers.values()]) taker.onLost(cause)
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
      this.#tellLost(cause)
      clearInterval(this.#probing)
      this.#outgoing.end()
    }
    if (destroy) this.#socket.destroy()
  }
}

/** The longer the silence lasts, the less often. */
function isDue(silentTicks: number): boolean {
  return (silentTicks & (silentTicks - 1)) === 0 || silentTicks % 16 === 0
}
