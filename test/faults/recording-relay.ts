/**
 * Stands between a client under test and the daemon, passes every byte on, and keeps apart which chunks went which way: whatever one side
 * acknowledged must never come again from the other. It reads framing A only, which is what clients of ours speak.
 */
import { createServer, connect, type Server, type Socket } from 'node:net'
import { decode, type Frame, FrameReader, numberedChunk, placeOf, TYPE } from '../support/wire.ts'

export type RelayEvent = 'connection' | 'authentication' | 'sent' | 'acked' | 'stored' | 'request'

export class RecordingRelay {
  readonly path: string
  readonly counts = { sent: 0, sentTwice: 0, acked: 0, acknowledgedSentAgain: 0 }
  /** The same of what the daemon sent to be fetched. */
  readonly fetches = { sent: 0, acked: 0, acknowledgedSentAgain: 0 }
  connections = 0
  onEvent: ((event: RelayEvent) => void) | undefined
  readonly #target: string
  readonly #server: Server
  /** By the whole UUID, whose tail names the transfer. */
  readonly #sent = new Set<string>()
  readonly #acked = new Set<string>()
  readonly #fetchAcked = new Set<string>()
  readonly #sockets = new Set<Socket>()

  constructor(path: string, target: string) {
    this.path = path
    this.#target = target
    this.#server = createServer({ allowHalfOpen: true }, near => this.#join(near))
  }

  listen(): Promise<void> {
    return new Promise(resolve => this.#server.listen(this.path, resolve))
  }

  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    return new Promise(resolve => this.#server.close(() => resolve()))
  }

  #join(near: Socket): void {
    const far = connect({ path: this.#target, allowHalfOpen: true })
    const up = new FrameReader('A')
    const down = new FrameReader('A')
    const unanswered = new Map<string, string>()
    this.connections++
    this.onEvent?.('connection')
    for (const [from, to] of [[near, far], [far, near]] as const) {
      this.#sockets.add(from)
      from.on('data', (bytes: Buffer) => {
        // The record first: an Ok counts from the moment at which the client may have read it.
        for (const frame of (from === near ? up : down).push(bytes)) {
          if (from === near) this.#ascending(frame, unanswered)
          else this.#descending(frame, unanswered)
        }
        if (!to.destroyed && !to.write(bytes)) {
          from.pause()
          to.once('drain', () => from.resume())
        }
      })
      from.on('end', () => to.end())
      from.on('error', () => to.destroy())
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
    }
  }

  #ascending(frame: Frame, unanswered: Map<string, string>): void {
    if (frame.type === TYPE.response) this.#fetched(decode(frame.payload))
    if (frame.type !== TYPE.transfer) {
      this.onEvent?.(frame.type === TYPE.authentication ? 'authentication' : 'request')
      return
    }
    const fields = decode(frame.payload)
    const chunk = (fields['chunk'] as string).toLowerCase()
    unanswered.set(fields['message-id'] as string, chunk)
    this.counts.sent++
    if (this.#sent.has(chunk)) this.counts.sentTwice++
    if (this.#acked.has(chunk)) this.counts.acknowledgedSentAgain++
    this.#sent.add(chunk)
    this.onEvent?.('sent')
  }

  #descending(frame: Frame, unanswered: Map<string, string>): void {
    if (frame.type === TYPE.transfer) {
      this.fetches.sent++
      if (this.#fetchAcked.has((decode(frame.payload)['chunk'] as string).toLowerCase())) this.fetches.acknowledgedSentAgain++
    }
    if (frame.type !== TYPE.response) return
    const answer = decode(frame.payload)
    if (answer['response'] !== 'Ok') return
    const single = unanswered.get(answer['message-id'] as string)
    const runs = answer['chunks'] as [number, number, number][] | undefined
    if (runs !== undefined) {
      for (const [file, first, count] of runs) {
        for (let i = first; i < first + count; i++) this.#ack(numberedChunk(answer['fid'] as string, file, i))
      }
      for (const [id, chunk] of unanswered) if (this.#acked.has(chunk)) unanswered.delete(id)
    } else if (single !== undefined) {
      unanswered.delete(answer['message-id'] as string)
      this.#ack(single)
    }
    if (answer['stored'] !== undefined) this.onEvent?.('stored')
  }

  /** What the client acknowledged was written. */
  #fetched(answer: Record<string, unknown>): void {
    for (const [file, first, count] of (answer['chunks'] ?? []) as [number, number, number][]) {
      for (let i = first; i < first + count; i++) this.#fetchAcked.add(numberedChunk(answer['fid'] as string, file, i))
      this.fetches.acked += count
    }
  }

  #ack(chunk: string): void {
    if (this.#acked.has(chunk)) return
    this.#acked.add(chunk)
    this.counts.acked++
    this.onEvent?.('acked')
    if (!this.#sent.has(chunk)) throw new Error(`an Ok for chunk ${JSON.stringify(placeOf(chunk))}, which was never sent`)
  }
}
