/**
 * A block of TRANSFER frames for chunks that follow each other, made once with the protocol's encoder and then only patched: the
 * message's number, the chunk's number and the data are all that differs. So a bench's client costs little more than a pipe's source.
 */
import { type ChunkWords, encodeTransferFrame, wordsToUuid } from '../../protocol/index.ts'
import type { NumberedIds } from './link.ts'

const HEX_DIGITS = Buffer.from('0123456789abcdef')

export class FrameBlock {
  readonly #bytes: Buffer
  readonly #frameBytes: number
  readonly #chunkSizeBytes: number
  /** Where in a frame the number of the message-id stands, the chunk's UUID, and the data. */
  readonly #numberAt: number
  readonly #chunkAt: number
  readonly #dataAt: number

  /**
   * Room for so many chunks of a transfer's first file, numbered as their messages are. `firstChunk`: the id of chunk 0; the others' differ
   * in its first 48 bits, which are the number.
   */
  constructor(firstChunk: ChunkWords, numbers: NumberedIds, chunkSizeBytes: number, chunksMax: number) {
    const frame = Buffer.from(encodeTransferFrame('A', numbers.idOf(0), firstChunk, new Uint8Array(chunkSizeBytes)))
    this.#frameBytes = frame.length
    this.#chunkSizeBytes = chunkSizeBytes
    this.#numberAt = frame.indexOf(numbers.idOf(0)) + numbers.idOf(0).length - 8
    this.#chunkAt = frame.indexOf(wordsToUuid(firstChunk))
    this.#dataAt = frame.length - chunkSizeBytes
    this.#bytes = Buffer.concat(Array.from({ length: chunksMax }, () => frame))
  }

  /** The frames of `count` whole chunks from a number on, whose data is `data`. Valid until the next call. */
  fill(number: number, count: number, data: Buffer): Buffer {
    for (let i = 0; i < count; i++) {
      const at = i * this.#frameBytes
      this.#putHex(at + this.#numberAt, number + i, 8)
      // 8 digits, a dash, 4 digits.
      this.#putHex(at + this.#chunkAt, Math.floor((number + i) / 0x10000), 8)
      this.#putHex(at + this.#chunkAt + 9, (number + i) % 0x10000, 4)
      data.copy(this.#bytes, at + this.#dataAt, i * this.#chunkSizeBytes, (i + 1) * this.#chunkSizeBytes)
    }
    return this.#bytes.subarray(0, count * this.#frameBytes)
  }

  #putHex(at: number, value: number, digits: number): void {
    for (let i = digits - 1, rest = value; i >= 0; i--, rest >>>= 4) this.#bytes[at + i] = HEX_DIGITS[rest & 15] ?? 0
  }
}
