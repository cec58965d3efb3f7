/**
 * A source whose length is not known and whose bytes come only once, such as standard input. What was sent and not acknowledged is kept
 * in memory, so that it can be sent again after a break; the upload's window bounds it, and nothing is read ahead of it.
 */
import { createHash } from 'node:crypto'
import { ClientError } from './errors.ts'
import type { Source } from './source.ts'
import { Final } from './timings.ts'

/** What gives bytes, piece by piece: Node's and the web's streams, generators, arrays of pieces. */
export type ByteStream = AsyncIterable<Uint8Array> | Iterable<Uint8Array> | ReadableStream<Uint8Array>

export class StreamSource implements Source {
  sizeBytes: number | null = null
  readonly #input: AsyncIterator<unknown> | Iterator<unknown>
  readonly #hash = createHash('sha256')
  #digest: string | undefined
  /** What came and was not released, in order. */
  #kept: Uint8Array[] = []
  #keptOffset = 0
  #keptBytes = 0
  /** What lies below is at the daemon, and not kept when it comes. */
  #releasedBytes = 0
  /** The read under way, if any: an attempt that ended leaves it to the next one. */
  #pulling: Promise<void> | undefined

  constructor(input: ByteStream) {
    this.#input = iteratorOf(input)
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    await this.reaches(offset + length - 1)
    // Released meanwhile: nobody wants it any more, and nobody may take other bytes for it.
    if (offset < this.#keptOffset) return new Uint8Array(0)
    const end = Math.min(offset + length, this.#keptOffset + this.#keptBytes)
    const bytes = Buffer.allocUnsafe(end - offset)
    let at = this.#keptOffset
    for (const piece of this.#kept) {
      if (at >= end) break
      if (at + piece.length > offset) {
        bytes.set(piece.subarray(Math.max(0, offset - at), Math.min(piece.length, end - at)), Math.max(0, at - offset))
      }
      at += piece.length
    }
    return bytes
  }

  async reaches(offset: number): Promise<boolean> {
    while (this.sizeBytes === null && this.#keptOffset + this.#keptBytes <= offset) {
      if (this.#pulling === undefined) {
        this.#pulling = this.#pull()
        // Whoever waits gets the failure; an attempt that ended meanwhile must not make it an unhandled one.
        this.#pulling.catch(() => {})
      }
      await this.#pulling
    }
    return this.#keptOffset + this.#keptBytes > offset
  }

  peek(): undefined {}

  release(offset: number): void {
    this.#releasedBytes = Math.max(this.#releasedBytes, offset)
    this.#forget()
  }

  #forget(): void {
    let first = this.#kept[0]
    while (first !== undefined && this.#keptOffset + first.length <= this.#releasedBytes) {
      this.#keptOffset += first.length
      this.#keptBytes -= first.length
      this.#kept.shift()
      first = this.#kept[0]
    }
  }

  async digest(): Promise<string> {
    await this.reaches(Infinity)
    this.#digest ??= `sha256:${this.#hash.digest('hex')}`
    return this.#digest
  }

  rewind(): boolean {
    return false
  }

  async close(): Promise<void> {
    // Not awaited: a read under way on a terminal or a pipe may never end.
    if (this.sizeBytes === null) void Promise.resolve(this.#input.return?.()).catch(() => {})
  }

  /** What the input throws is its own: no retry can help, whatever code it has. */
  async #pull(): Promise<void> {
    let next: IteratorResult<unknown>
    try {
      next = await this.#input.next()
    } catch (cause) {
      throw new Final(cause)
    }
    this.#pulling = undefined
    if (next.done === true) {
      this.sizeBytes = this.#keptOffset + this.#keptBytes
      return
    }
    const { value } = next
    if (!(value instanceof Uint8Array)) throw new Final(new ClientError('not-bytes', `a stream gave ${typeof value} instead of bytes`))
    if (value.length === 0) return
    this.#hash.update(value)
    this.#kept.push(value)
    this.#keptBytes += value.length
    this.#forget()
  }
}

function iteratorOf(input: ByteStream): AsyncIterator<unknown> | Iterator<unknown> {
  if (Symbol.asyncIterator in input) return input[Symbol.asyncIterator]()
  if (Symbol.iterator in input) return input[Symbol.iterator]()
  // A web stream of an implementation that cannot be iterated.
  const reader = (input as ReadableStream<Uint8Array>).getReader()
  return {
    next: () => reader.read() as Promise<IteratorResult<unknown>>,
    return: async () => {
      await reader.cancel()
      return { done: true, value: undefined }
    },
  }
}
