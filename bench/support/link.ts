/**
 * A bench client's connection to the daemon: requests with their answers by the protocol's general path, and a hook in front of it
 * through which a client counts the answers to its chunks without building values.
 */
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import {
  type Authentication, ChunkIds, decodeMessage, encodeFrame, encodeMessage, type Encoding, type Fetch, type Find, FrameDecoder, type FrameType, type Message,
  MESSAGE_TYPE, type OkResponse, type Remove, TallyError, uuidToBytes,
} from '../../protocol/index.ts'
import type { Access } from './daemon.ts'

interface Waiting {
  resolve(answer: OkResponse): void
  reject(cause: Error): void
}

export class Link {
  readonly socket: Socket
  /** Sees every payload first; true: it was for the hook. */
  hook: ((payload: Uint8Array, type: number) => boolean) | undefined
  /** Called when the connection failed, with requests unanswered or not. */
  failed: ((cause: Error) => void) | undefined
  readonly #encoding: Encoding
  readonly #waiting = new Map<string, Waiting>()
  readonly #decoder = new FrameDecoder()

  private constructor(socket: Socket, encoding: Encoding) {
    this.socket = socket
    this.#encoding = encoding
    const onFrame = (type: FrameType, payload: Uint8Array): void => {
      if (this.hook?.(payload, Number(type)) !== true) this.#answer(payload)
    }
    socket.on('data', bytes => {
      try {
        this.#decoder.push(bytes, onFrame)
      } catch (cause) {
        socket.destroy(cause instanceof Error ? cause : new Error(String(cause)))
      }
    })
    socket.on('error', cause => this.#fail(cause))
    socket.on('close', () => this.#fail(new Error('the daemon closed the connection')))
  }

  static async open({ socketPath }: Access, encoding: Encoding): Promise<Link> {
    const socket = connect(socketPath)
    await once(socket, 'connect')
    return new Link(socket, encoding)
  }

  /** Rejects with a `TallyError` where the answer is an Error. */
  request(message: Authentication | Fetch | Find | Remove): Promise<OkResponse> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(message.messageId, { resolve, reject })
      this.send(message)
    })
  }

  send(message: Message): void {
    this.socket.write(encodeFrame('A', message.type, encodeMessage(message, this.#encoding)))
  }

  close(): void {
    this.failed = undefined
    this.socket.destroy()
  }

  #answer(payload: Uint8Array): void {
    const { message } = decodeMessage(MESSAGE_TYPE.RESPONSE, payload)
    if (message.type !== MESSAGE_TYPE.RESPONSE) return
    const waiting = this.#waiting.get(message.messageId)
    this.#waiting.delete(message.messageId)
    if (message.response === 'Ok') waiting?.resolve(message)
    else {
      const cause = new TallyError(message.code ?? 'internal', message.reason)
      if (waiting === undefined) this.#fail(cause)
      else waiting.reject(cause)
    }
  }

  #fail(cause: Error): void {
    for (const waiting of this.#waiting.values()) waiting.reject(cause)
    this.#waiting.clear()
    this.failed?.(cause)
  }
}

/** The user, and what a transfer that is known by `fid` lacks; `missingAfter` continues a long report. */
export function logIn(
  link: Link, { token }: Access, resumed?: Pick<Authentication, 'fid' | 'missingAfter' | 'chunkSizeBytes'>,
): Promise<OkResponse> {
  return link.request({ type: MESSAGE_TYPE.AUTHENTICATION, messageId: randomUUID(), token, files: [], tags: [], ...resumed })
}

export function chunkIdsOf(fid: string): ChunkIds {
  return new ChunkIds(createHash('sha256').update(uuidToBytes(fid)).digest())
}

export interface Announced {
  readonly fid: string
  readonly ids: ChunkIds
  /** Chunks that may be unanswered. */
  readonly window: number
}

/** Announces a transfer of one file. Without `ext`, as an original client does it: nothing but the original fields. */
export async function announce(
  link: Link, { token }: Access, sizeBytes: number | null, ext?: Pick<Authentication, 'chunkSizeBytes' | 'acks'>,
): Promise<Announced> {
  const fid = randomUUID()
  const ok = await link.request({
    type: MESSAGE_TYPE.AUTHENTICATION, messageId: randomUUID(), token, fid, files: [{ name: 'bench', sizeBytes }], tags: ['bench'], ...ext,
  })
  return { fid, ids: chunkIdsOf(fid), window: ok.window ?? 1 }
}

/** Deletes the transfer, so that the next run finds the disk as this one did. */
export async function removeTransfer(link: Link, fid: string): Promise<void> {
  await link.request({ type: MESSAGE_TYPE.REMOVE, messageId: randomUUID(), fid })
}

/**
 * Message-ids that carry a number, and how to read it back out of an Ok: the first one is decoded, later ones of the same length have
 * the id in the same place.
 */
export class NumberedIds {
  readonly #prefix = randomUUID().slice(0, 28)
  #okBytes = -1
  #numberAt = -1

  idOf(number: number): string {
    return this.#prefix + number.toString(16).padStart(8, '0')
  }

  /** The number of the message that this payload says Ok to and nothing else; undefined: look at it with `decodeMessage`. */
  numberOf(payload: Uint8Array): number | undefined {
    if (payload.length !== this.#okBytes && !this.#learn(payload)) return undefined
    let number = 0
    for (let at = this.#numberAt; at < this.#numberAt + 8; at++) {
      const digit = payload[at] ?? 0
      number = number * 16 + (digit < 0x3a ? digit - 0x30 : digit - 0x57)
    }
    return number
  }

  #learn(payload: Uint8Array): boolean {
    if (this.#okBytes >= 0) return false
    const { message } = decodeMessage(MESSAGE_TYPE.RESPONSE, payload)
    if (message.type !== MESSAGE_TYPE.RESPONSE || message.response !== 'Ok' || Object.keys(message).length !== 3) return false
    if (!message.messageId.startsWith(this.#prefix)) return false
    this.#okBytes = payload.length
    this.#numberAt = Buffer.from(payload.buffer, payload.byteOffset, payload.length).indexOf(message.messageId) + this.#prefix.length
    return true
  }
}
