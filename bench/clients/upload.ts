/**
 * The uploading client of P1, and the flooding one of P11: numbered chunks in msgpack within the daemon's window, read in 256 KiB
 * reads, on the protocol's fixed-shape TRANSFER. It is as lean as a client can be and hashes nothing, so what is measured is the daemon;
 * it checks that every chunk was answered once and that the daemon's digest is the file's.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { type Acks, decodeMessage, encodeTransferFrame, MESSAGE_TYPE } from '../../protocol/index.ts'
import { answerTasks } from '../support/child.ts'
import type { Access } from '../support/daemon.ts'
import { FrameBlock } from '../support/frame-block.ts'
import { type Announced, announce, Link, NumberedIds, removeTransfer } from '../support/link.ts'
import type { InputFile } from '../support/workspace.ts'

const READ_BYTES = 256 * 1024

export interface UploadTask {
  readonly access: Access
  readonly input: InputFile
  readonly chunkSizeBytes: number
  readonly acks: Acks
  /** Instead of the file once: the file again and again into one of unknown size, for so long. */
  readonly floodMs?: number
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
  const { access, input, chunkSizeBytes, acks, floodMs } = task
  const link = await Link.open(access, 'msgpack')
  const outstanding = new Outstanding()
  link.failed = cause => outstanding.fail(cause)
  const file = await open(input.path)
  try {
    const startMs = performance.now()
    const announced = await announce(link, access, floodMs === undefined ? input.sizeBytes : null, { chunkSizeBytes, acks })
    link.hook = payload => outstanding.take(payload)
    let bytes = 0
    do {
      const endMs = floodMs === undefined ? Number.POSITIVE_INFINITY : startMs + floodMs
      bytes += await sendFile(link, file, task, announced, outstanding, endMs)
    } while (floodMs !== undefined && performance.now() < startMs + floodMs)
    await outstanding.below(0)
    const seconds = (performance.now() - startMs) / 1000
    if (floodMs === undefined && outstanding.digest !== input.digest) throw new Error(`stored as ${outstanding.digest}, is ${input.digest}`)
    link.hook = undefined
    await removeTransfer(link, announced.fid)
    return { seconds, bytes }
  } finally {
    link.close()
    await file.close()
  }
}

/** Sends the file once, or until the time is over, and answers how many bytes. The next read runs while a block is being sent. */
async function sendFile(
  link: Link, file: FileHandle, { input, chunkSizeBytes }: UploadTask, { ids, window }: Announced, outstanding: Outstanding, endMs: number,
): Promise<number> {
  const chunksPerWrite = Math.max(1, Math.min(Math.floor(READ_BYTES / chunkSizeBytes), Math.floor(window / 2)))
  const blockBytes = chunksPerWrite * chunkSizeBytes
  const buffers = Array.from({ length: 2 }, () => Buffer.allocUnsafe(blockBytes))
  const blocks = Array.from({ length: 4 }, () => {
    return { frames: new FrameBlock(ids, outstanding.ids, chunkSizeBytes, chunksPerWrite), written: Promise.resolve() }
  })
  const read = (offset: number, turn: number): Promise<{ buffer: Buffer; bytesRead: number }> =>
    file.read(buffers[turn % buffers.length] as Buffer, 0, blockBytes, offset)
  let ahead = read(0, 0)
  let offset = 0
  for (let turn = 0; offset < input.sizeBytes && performance.now() < endMs; turn++) {
    const { buffer, bytesRead } = await ahead
    if (offset + bytesRead < input.sizeBytes) ahead = read(offset + bytesRead, turn + 1)
    const wholeCount = Math.floor(bytesRead / chunkSizeBytes)
    await outstanding.below(Math.max(0, window - wholeCount - 1))
    // One write of one buffer, used again when the socket has taken it: a fresh one each time keeps the collector busy.
    const block = blocks[turn % blocks.length] as (typeof blocks)[number]
    await block.written
    const frames = block.frames.fill(outstanding.send(wholeCount), wholeCount, buffer)
    block.written = new Promise(resolve => link.socket.write(frames, () => resolve()))
    if (bytesRead > wholeCount * chunkSizeBytes) {
      const number = outstanding.send(1)
      const tail = buffer.subarray(wholeCount * chunkSizeBytes, bytesRead)
      link.socket.write(encodeTransferFrame('A', outstanding.ids.idOf(number), ids.encode(0, number), tail))
    }
    offset += bytesRead
  }
  return offset
}

answerTasks<UploadTask, UploadResult>(upload)
