/**
 * A source whose length is not known and whose bytes come only once, such as standard input. What was sent and not acknowledged is kept
 * in memory, so that it can be sent again after a break; the upload's window bounds it.
 */
import { createHash } from 'node:crypto'
import type { Source } from './source.ts'

export class StreamSource implements Source {
  sizeBytes: number | null = null
  readonly #input: AsyncIterator<Uint8Array>
  readonly #hash = createHash('sha256')
  #digest: string | undefined
  /** What came and was not released, in order. */
  #kept: Uint8Array[] = []
  #keptOffset = 0
  #keptBytes = 0
  /** The read under way, if any: an attempt that ended leaves it to the next one. */
  #pulling: Promise<void> | undefined

  constructor(input: AsyncIterable<Uint8Array>) {
    this.#input = input[Symbol.asyncIterator]()
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    await this.reaches(offset + length - 1)
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
    let first = this.#kept[0]
    while (first !== undefined && this.#keptOffset + first.length <= offset) {
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
    if (this.sizeBytes === null) void this.#input.return?.()?.catch(() => {})
  }

  async #pull(): Promise<void> {
    const { done, value } = await this.#input.next()
    this.#pulling = undefined
    if (done === true) {
      this.sizeBytes = this.#keptOffset + this.#keptBytes
    } else if (value.length > 0) {
      this.#hash.update(value)
      this.#kept.push(value)
      this.#keptBytes += value.length
    }
  }
}
