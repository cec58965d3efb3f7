/**
 * A daemon that a test holds in its hands: it listens on a real Unix socket and keeps what it accepted in memory, and a script decides what
 * happens to each message: a proper answer, another one, none, or a cut connection. It also keeps a record of its own of what it
 * acknowledged, and counts how often a client sends that again.
 */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { type Server, type Socket, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Authentication, ChunkIds, ChunkSet, FrameDecoder, MESSAGE_TYPE, type Message, type OkFields, TallyError, type Transfer,
  decodeMessage, encodeFrame, encodeMessage, uuidToBytes,
} from '../../protocol/index.ts'

export interface FakeFile {
  name: string
  sizeBytes: number | null
  digest: string | undefined
  chunkSizeBytes: number
  chunks: Map<number, Uint8Array>
  /** Answered Ok on a connection that was alive then. */
  acknowledged: ChunkSet
  state: 'receiving' | 'finishing' | 'stored' | 'removed'
}

export interface FakeTransfer {
  fid: string
  files: FakeFile[]
  tags: Set<string>
  ids: ChunkIds
}

export interface Peer {
  readonly number: number
  readonly socket: Socket
  transfers: Set<FakeTransfer>
  send(message: Message): void
  ok(messageId: string, fields?: OkFields): void
  refuse(messageId: string, error: TallyError): void
  cut(): void
}

/** Says what to do with a message: `undefined` answers as a daemon would, `true` means that the script saw to it. */
export type Script = (message: Message, peer: Peer, daemon: FakeDaemon) => true | undefined

export class FakeDaemon {
  readonly directory = mkdtempSync(join(tmpdir(), 'tally-fake-'))
  readonly socket = join(this.directory, 'tally.sock')
  readonly transfers = new Map<string, FakeTransfer>()
  readonly gone = new Set<string>()
  /** Every message that came, in order. */
  readonly log: Message[] = []
  connections = 0
  acknowledgedSentAgain = 0
  script: Script = () => undefined
  /** As the wire has it, so `fetch` sends what a test put here. */
  reportRunsMax = 1000
  window = 64
  /** Leave finishing files as they are until a test says otherwise. */
  holdFinishing = false
  #server: Server | undefined
  #sockets = new Set<Socket>()

  async start(): Promise<this> {
    this.#server = createServer(socket => this.#accept(socket))
    await new Promise<void>(resolve => this.#server?.listen(this.socket, resolve))
    return this
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise<void>(resolve => this.#server === undefined ? resolve() : this.#server.close(() => resolve()))
    this.#server = undefined
  }

  async dispose(): Promise<void> {
    await this.stop()
    rmSync(this.directory, { recursive: true, force: true })
  }

  content(fid: string, number = 0): Buffer {
    const file = this.transfers.get(fid)?.files[number]
    return Buffer.concat([...file?.chunks ?? []].sort(([a], [b]) => a - b).map(([, bytes]) => bytes))
  }

  /** The one transfer that there is. */
  get only(): FakeTransfer {
    const [transfer, ...others] = this.transfers.values()
    if (transfer === undefined || others.length > 0) throw new Error(`there are ${this.transfers.size} transfers`)
    return transfer
  }

  announcements(): Authentication[] {
    return this.log.filter(message => message.type === MESSAGE_TYPE.AUTHENTICATION).filter(message => message.files.length > 0)
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    const decoder = new FrameDecoder()
    const send = (message: Message): void => {
      if (!socket.destroyed) socket.write(encodeFrame('A', message.type, encodeMessage(message, 'msgpack')))
    }
    const peer: Peer = {
      number: ++this.connections,
      socket,
      transfers: new Set(),
      send,
      ok: (messageId, fields = {}) => send({ type: MESSAGE_TYPE.RESPONSE, messageId, response: 'Ok', ...fields }),
      refuse: (messageId, { code, message: reason, details, fatal }) => {
        send({ type: MESSAGE_TYPE.RESPONSE, messageId, response: 'Error', code, reason, details, ...(fatal ? { fatal } : {}) })
      },
      cut: () => socket.destroy(),
    }
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('data', bytes => decoder.push(bytes, (type, payload) => {
      if (socket.destroyed) return
      const { message } = decodeMessage(type, Uint8Array.from(payload))
      this.log.push(message)
      if (message.type === MESSAGE_TYPE.TRANSFER) this.#noteSentAgain(message, peer)
      if (this.script(message, peer, this) === true) return
      this.answer(message, peer)
    }))
  }

  answer(message: Message, peer: Peer): void {
    try {
      if (message.type === MESSAGE_TYPE.AUTHENTICATION) this.#authenticate(message, peer)
      else if (message.type === MESSAGE_TYPE.TRANSFER) this.#receive(message, peer)
      else if (message.type === MESSAGE_TYPE.REMOVE) this.#remove(message.messageId, message.fid, peer)
      // As a foreign daemon that knows no such question.
      else if (message.type === MESSAGE_TYPE.FIND) throw new TallyError('unsupported-type', 'no FIND here', { type: message.type })
    } catch (error) {
      if (!(error instanceof TallyError)) throw error
      peer.refuse(message.messageId, error)
    }
  }

  #noteSentAgain(message: Transfer, peer: Peer): void {
    const found = placeOf(message, peer)
    if (found?.file.acknowledged.has(found.chunk) === true) this.acknowledgedSentAgain++
  }

  #authenticate(message: Authentication, peer: Peer): void {
    if (message.fid === undefined) {
      peer.ok(message.messageId, { user: 'ada' })
      return
    }
    if (this.gone.has(message.fid)) throw new TallyError('conflict', 'gone', { state: 'gone' })
    const transfer = this.transfers.get(message.fid) ?? this.#announce(message)
    peer.transfers.add(transfer)
    for (const [number, told] of message.files.entries()) {
      const file = transfer.files[number] as FakeFile
      file.sizeBytes ??= told.sizeBytes
      file.digest ??= told.digest
      if (told.digest !== file.digest && told.digest !== undefined) throw new TallyError('conflict', 'other digest')
      if (file.sizeBytes === 0) file.state = 'stored'
    }
    for (const tag of message.tags) transfer.tags.add(tag)
    peer.ok(message.messageId, {
      user: 'ada',
      fid: transfer.fid,
      window: this.window,
      chunkSizeBytes: transfer.files[0]?.chunkSizeBytes ?? 1024,
      ...this.#report(transfer, message),
    })
  }

  #announce(message: Authentication): FakeTransfer {
    const fid = message.fid as string
    const files = message.files.map(({ name, sizeBytes, digest }): FakeFile => ({
      name,
      sizeBytes,
      digest,
      chunkSizeBytes: message.chunkSizeBytes ?? 1024,
      chunks: new Map(),
      acknowledged: new ChunkSet(),
      state: 'receiving',
    }))
    if (files.length === 0) throw new TallyError('unknown-fid', 'no such transfer')
    const transfer = { fid, files, tags: new Set<string>(), ids: new ChunkIds(createHash('sha256').update(uuidToBytes(fid)).digest()) }
    this.transfers.set(fid, transfer)
    return transfer
  }

  /** Cut after `reportRunsMax` runs; `more` is the last place listed. */
  #report(transfer: FakeTransfer, { missingAfter }: Authentication): OkFields {
    let left = this.reportRunsMax
    let more: readonly [number, number] | undefined
    const files = transfer.files.map((file, number) => {
      const present = new ChunkSet()
      for (const chunk of file.chunks.keys()) present.add(chunk)
      const count = file.sizeBytes === null ? present.end : Math.ceil(file.sizeBytes / file.chunkSizeBytes)
      const from = missingAfter === undefined || missingAfter[0] < number ? 0 : missingAfter[0] === number ? missingAfter[1] + 1 : Infinity
      const all = file.state === 'receiving' && from < count ? present.missing(count, Infinity, from) : []
      const missing = all.slice(0, left)
      left -= missing.length
      const last = missing.at(-1)
      if (missing.length < all.length && last !== undefined) more = [number, last[0] + last[1] - 1]
      return { state: file.state, missing, ...(file.state === 'stored' && file.digest !== undefined ? { digest: file.digest } : {}) }
    })
    return { files, ...(more === undefined ? {} : { more }) }
  }

  #receive(message: Transfer, peer: Peer): void {
    const found = placeOf(message, peer)
    if (found === undefined) throw new TallyError('chunk-unknown', 'no such place')
    const { file, number, chunk, transfer } = found
    if (!file.chunks.has(chunk)) file.chunks.set(chunk, message.data)
    file.acknowledged.add(chunk)
    if (file.sizeBytes === null || file.chunks.size < Math.ceil(file.sizeBytes / file.chunkSizeBytes)) {
      peer.ok(message.messageId, { fid: transfer.fid, chunks: [[number, chunk, 1]] })
      return
    }
    const digest = `sha256:${createHash('sha256').update(this.content(transfer.fid, number)).digest('hex')}`
    if (file.digest !== undefined && file.digest !== digest) {
      file.chunks.clear()
      file.acknowledged.clear()
      throw new TallyError('digest-mismatch', 'differs', { expected: file.digest, actual: digest })
    }
    file.digest = digest
    file.state = this.holdFinishing ? 'finishing' : 'stored'
    if (this.holdFinishing) return
    peer.ok(message.messageId, { fid: transfer.fid, chunks: [[number, chunk, 1]], stored: { file: number, digest } })
  }

  #remove(messageId: string, fid: string, peer: Peer): void {
    if (!this.transfers.delete(fid)) throw new TallyError('unknown-fid', 'no such transfer')
    this.gone.add(fid)
    peer.ok(messageId, { removed: 1 })
  }
}

export interface FakePlace {
  readonly transfer: FakeTransfer
  readonly file: FakeFile
  readonly number: number
  readonly chunk: number
}

export function placeOf(message: Transfer, peer: Peer): FakePlace | undefined {
  for (const transfer of peer.transfers) {
    const place = transfer.ids.decode(message.chunk)
    const file = transfer.files[place?.file ?? -1]
    if (place !== undefined && file !== undefined) return { transfer, file, number: place.file, chunk: place.chunk }
  }
  return undefined
}

/** Started, and removed when the test ends. */
export async function fakeDaemon(t: { teardown(after: () => Promise<void>): void }): Promise<FakeDaemon> {
  const daemon = new FakeDaemon()
  t.teardown(() => daemon.dispose())
  return daemon.start()
}
