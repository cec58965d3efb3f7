/**
 * Memory for the chunks of one download: what arrives is lent by the connection, so it is copied, into buffers that are used again, because
 * fresh memory for each chunk costs more than the copy. The window bounds how many there are.
 */
export class ChunkBuffers {
  readonly #chunkSizeBytes: number
  readonly #spare: Uint8Array[] = []

  constructor(chunkSizeBytes: number) {
    this.#chunkSizeBytes = chunkSizeBytes
  }

  copy(data: Uint8Array): Uint8Array {
    const buffer = data.length === this.#chunkSizeBytes ? this.#spare.pop() : undefined
    if (buffer === undefined) return new Uint8Array(data)
    buffer.set(data)
    return buffer
  }

  /** Nobody looks at this copy any more. A part of one, such as the last chunk, is left to the collector. */
  recycle(copy: Uint8Array): void {
    if (copy.length === this.#chunkSizeBytes) this.#spare.push(copy)
  }
}
