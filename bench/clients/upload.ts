/**
 * The uploading client, and the flooding one: chunks in msgpack within the daemon's window, read in 256 KiB reads, on the protocol's
 * fixed-shape TRANSFER. It is as lean as a client can be and hashes nothing, so what is measured is the daemon;
 * it checks that every chunk was answered once and that the daemon's digest is the file's.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { type Acks, type ChunkIds, type ChunkWords, decodeMessage, encodeTransferFrame, MESSAGE_TYPE } from '../../protocol/index.ts'
import { answerTasks } from '../support/child.ts'
import type { Access } from '../support/daemon.ts'
import { FrameBlock } from '../support/frame-block.ts'
import { type Announced, announce, Link, NumberedIds, removeTransfer } from '../support/link.ts'
import type { InputFile } from '../support/workspace.ts'

const READ_BYTES = 256 * 1024
/** Its low half begins with the version of a UUID, which for an opaque chunk is any but 8. */
const OPAQUE_SECOND_WORD = 0x00004abc

export interface UploadTask {
  readonly access: Access
  readonly input: InputFile
  readonly chunkSizeBytes: number
  readonly acks: Acks
  /** Default: numbered. Opaque ones are answered one by one, whatever `acks` says. */
  readonly ids?: 'numbered' | 'opaque'
  /** At most so many chunks unanswered; default: what the daemon allows. */
  readonly windowMax?: number
  /** The input so many times over, as one file whose digest is the input's `digest`; whole chunks only. */
  readonly times?: number
  /** Instead: the input again and again into a file of unknown size, for so long, at most so fast. */
  readonly flood?: { readonly forMs: number; readonly bytesPerSecond?: number }
}

export interface UploadResult {
  /** From the announcement to the Ok that says `stored`, or to the last Ok of a flood. */
  readonly seconds: number
  readonly bytes: number
}

/** The chunks of one transfer that are on their way. */
class Outstanding {
  readonly ids = new NumberedIds()
  sent = 0
  answered = 0
  digest: string | undefined
  #failure: Error | undefined
  #wake: (() => void) | undefined
  /** Of the last 2^20 numbers, whether an Ok came: more than any window. */
  readonly #seen = new Uint8Array(2 ** 20)

  /** True: the payload was an answer to chunks. */
  take(payload: Uint8Array): boolean {
    const number = this.ids.numberOf(payload)
    if (number !== undefined) this.#count(number)
    else {
      const { message } = decodeMessage(MESSAGE_TYPE.RESPONSE, payload)
      if (message.type !== MESSAGE_TYPE.RESPONSE) return false
      if (message.response !== 'Ok') {
        if (this.sent === 0) return false
        this.fail(new Error(`${message.code}: ${message.reason}`))
      } else {
        this.digest ??= message.stored?.digest
        if (message.chunks !== undefined) this.#countRuns(message.chunks)
        else if (message.stored !== undefined) this.#count(Number.parseInt(message.messageId.slice(28), 16))
        else return false
      }
    }
    this.#wake?.()
    return true
  }

  fail(cause: Error): void {
    this.#failure = cause
    this.#wake?.()
  }

  /** Resolves when at most so many are unanswered. */
  async below(count: number): Promise<void> {
    while (this.sent - this.answered > count) {
      if (this.#failure !== undefined) throw this.#failure
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  /** So many more are sent; answers the first one's number. */
  send(count: number): number {
    const first = this.sent
    for (let number = first; number < first + count; number++) this.#seen[number % this.#seen.length] = 0
    this.sent += count
    return first
  }

  #countRuns(runs: readonly (readonly [file: number, first: number, count: number])[]): void {
    for (const [, first, count] of runs) for (let number = first; number < first + count; number++) this.#count(number)
  }

  #count(number: number): void {
    const slot = number % this.#seen.length
    if (number >= this.sent || this.#seen[slot] === 1) this.#failure = new Error(`chunk ${number} was answered without being open`)
    this.#seen[slot] = 1
    this.answered += 1
  }
}

async function upload(task: UploadTask): Promise<UploadResult> {
  const { access, input, chunkSizeBytes, acks, times = 1, flood } = task
  const link = await Link.open(access, 'msgpack')
  const outstanding = new Outstanding()
  link.failed = cause => outstanding.fail(cause)
  const file = await open(input.path)
  try {
    const startMs = performance.now()
    const announced = await announce(link, access, flood === undefined ? input.sizeBytes * times : null, { chunkSizeBytes, acks })
    link.hook = payload => outstanding.take(payload)
    const sender = new Sender(link, file, task, announced, outstanding)
    if (flood === undefined) for (let time = 0; time < times; time++) await sender.sendFile()
    else while (performance.now() < startMs + flood.forMs) await sender.sendFile(startMs + flood.forMs, flood.bytesPerSecond)
    await outstanding.below(0)
    const seconds = (performance.now() - startMs) / 1000
    if (flood === undefined && outstanding.digest !== input.digest) throw new Error(`stored as ${outstanding.digest}, is ${input.digest}`)
    link.hook = undefined
    await removeTransfer(link, announced.fid)
    return { seconds, bytes: sender.sentBytes }
  } finally {
    link.close()
    await file.close()
  }
}

interface SendBlock {
  readonly frames: FrameBlock
  written: Promise<void>
}

/** Sends a file as the next chunks of a transfer. The next read runs while a block is being sent. */
class Sender {
  sentBytes = 0
  readonly #link: Link
  readonly #file: FileHandle
  readonly #task: UploadTask
  readonly #firstChunk: ChunkWords
  readonly #ids: ChunkIds
  readonly #outstanding: Outstanding
  readonly #window: number
  readonly #startMs = performance.now()
  readonly #buffers: readonly Buffer[]
  readonly #blocks: readonly SendBlock[]
  #turn = 0

  constructor(link: Link, file: FileHandle, task: UploadTask, { ids, window }: Announced, outstanding: Outstanding) {
    this.#link = link
    this.#file = file
    this.#task = task
    this.#ids = ids
    this.#outstanding = outstanding
    this.#window = Math.min(window, task.windowMax ?? window)
    const { chunkSizeBytes } = task
    const chunksPerWrite = Math.max(1, Math.min(Math.floor(READ_BYTES / chunkSizeBytes), Math.floor(this.#window / 2)))
    const [, , third, fourth] = ids.encode(0, 0)
    this.#firstChunk = task.ids === 'opaque' ? [0, OPAQUE_SECOND_WORD, third, fourth] : ids.encode(0, 0)
    this.#buffers = Array.from({ length: 2 }, () => Buffer.allocUnsafe(chunksPerWrite * chunkSizeBytes))
    this.#blocks = Array.from({ length: 4 }, () => {
      return { frames: new FrameBlock(this.#firstChunk, outstanding.ids, chunkSizeBytes, chunksPerWrite), written: Promise.resolve() }
    })
  }

  /** Once, or until the time is over. */
  async sendFile(endMs = Number.POSITIVE_INFINITY, bytesPerSecond = Number.POSITIVE_INFINITY): Promise<void> {
    const { input: { sizeBytes }, chunkSizeBytes } = this.#task
    let ahead = this.#read(0)
    for (let offset = 0; offset < sizeBytes && performance.now() < endMs; ) {
      const { buffer, bytesRead } = await ahead
      this.#turn++
      if (offset + bytesRead < sizeBytes) ahead = this.#read(offset + bytesRead)
      const wholeCount = Math.floor(bytesRead / chunkSizeBytes)
      await this.#outstanding.below(Math.max(0, this.#window - wholeCount - 1))
      await this.#send(buffer, wholeCount)
      if (bytesRead > wholeCount * chunkSizeBytes) this.#sendTail(buffer.subarray(wholeCount * chunkSizeBytes, bytesRead))
      offset += bytesRead
      this.sentBytes += bytesRead
      const aheadMs = this.#startMs + this.sentBytes / bytesPerSecond * 1000 - performance.now()
      if (aheadMs > 1) await setTimeout(aheadMs)
    }
  }

  #read(offset: number): Promise<{ buffer: Buffer; bytesRead: number }> {
    const buffer = this.#buffers[this.#turn % this.#buffers.length] as Buffer
    return this.#file.read(buffer, 0, buffer.length, offset)
  }

  /** One write of one buffer, used again when the socket has taken it: a fresh one each time keeps the collector busy. */
  async #send(buffer: Buffer, count: number): Promise<void> {
    const block = this.#blocks[this.#turn % this.#blocks.length] as SendBlock
    await block.written
    const frames = block.frames.fill(this.#outstanding.send(count), count, buffer)
    block.written = new Promise(resolve => this.#link.socket.write(frames, () => resolve()))
  }

  /** The shorter last chunk, which no block of frames fits; numbered. */
  #sendTail(data: Uint8Array): void {
    const number = this.#outstanding.send(1)
    this.#link.socket.write(encodeTransferFrame('A', this.#outstanding.ids.idOf(number), this.#ids.encode(0, number), data))
  }
}

answerTasks<UploadTask, UploadResult>(upload)
