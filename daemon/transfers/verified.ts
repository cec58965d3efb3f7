/**
 * Reads a stored content so that no wrong byte leaves: block by block, each compared with its sum before any of it is handed out. A content
 * of one block is compared with its digest.
 */
import { hash } from 'node:crypto'
import { TallyError } from '../../protocol/errors.ts'
import { BLOCK_BYTES, hasSum, SUMS_PER_PAGE } from '../storage/blocks.ts'
import type { ContentReader, Store, StoredContent } from '../storage/storage.ts'

/** Opens a stored content. `onDamage` is told before this, or a read, throws `content-damaged`. */
export async function openVerified({ catalog, contents }: Store, content: StoredContent, onDamage: () => void): Promise<ContentReader> {
  const { bytes } = content
  // Where they are not what was stored, that is met again below, and told.
  if (bytes !== undefined && isOfDigest(bytes, content)) return readerOf(bytes)
  try {
    return new VerifiedReader(await contents.open(content.blob), content, page => catalog.sums(content.blob, page), onDamage)
  } catch (cause) {
    if (cause instanceof TallyError && cause.code === 'content-damaged') onDamage()
    throw cause
  }
}

/** Of bytes that are at hand. */
export function readerOf(bytes: Uint8Array): ContentReader {
  const readNow = (offsetBytes: number, lengthBytes: number): Uint8Array => bytes.subarray(offsetBytes, offsetBytes + lengthBytes)
  return {
    read: async (offsetBytes, lengthBytes) => readNow(offsetBytes, lengthBytes),
    readNow,
    close: async () => undefined,
  }
}

function isOfDigest(bytes: Uint8Array, { digest }: StoredContent): boolean {
  return `sha256:${hash('sha256', bytes)}` === digest
}

class VerifiedReader implements ContentReader {
  readonly #reader: ContentReader
  readonly #content: StoredContent
  readonly #sumsOf: (page: number) => Promise<Uint8Array>
  readonly #onDamage: () => void
  #page = 0
  #sums: Uint8Array
  /** The block that was read last: the next read often begins in it. */
  #index = -1
  #block: Uint8Array = new Uint8Array(0)

  /** `sumsOf` loads a page of the content's sums. */
  constructor(reader: ContentReader, content: StoredContent, sumsOf: (page: number) => Promise<Uint8Array>, onDamage: () => void) {
    this.#reader = reader
    this.#content = content
    this.#sumsOf = sumsOf
    this.#onDamage = onDamage
    this.#sums = content.sums
  }

  /** Exactly so many bytes, which do not change afterwards. One read at a time. Throws `content-damaged`. */
  async read(offsetBytes: number, lengthBytes: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = []
    for (let at = offsetBytes; at < offsetBytes + lengthBytes;) {
      const index = Math.floor(at / BLOCK_BYTES)
      const block = await this.#blockAt(index)
      const start = at - index * BLOCK_BYTES
      const piece = block.subarray(start, start + offsetBytes + lengthBytes - at)
      if (piece.length === 0) throw new RangeError('a read beyond the end of a content')
      pieces.push(piece)
      at += piece.length
    }
    return pieces.length === 1 ? pieces[0] as Uint8Array : Buffer.concat(pieces)
  }

  close(): Promise<void> {
    return this.#reader.close()
  }

  async #blockAt(index: number): Promise<Uint8Array> {
    if (index === this.#index) return this.#block
    try {
      const block = await this.#reader.read(index * BLOCK_BYTES, Math.min(BLOCK_BYTES, this.#content.sizeBytes - index * BLOCK_BYTES))
      if (!await this.#isRight(block, index)) throw new TallyError('content-damaged', `block ${index} of blob ${this.#content.blob} is not what was stored`)
      this.#block = block
      this.#index = index
      return block
    } catch (cause) {
      if (cause instanceof TallyError && cause.code === 'content-damaged') this.#onDamage()
      throw cause
    }
  }

  async #isRight(block: Uint8Array, index: number): Promise<boolean> {
    if (this.#content.sizeBytes <= BLOCK_BYTES) return isOfDigest(block, this.#content)
    const page = Math.floor(index / SUMS_PER_PAGE)
    if (page !== this.#page) {
      this.#sums = await this.#sumsOf(page)
      this.#page = page
    }
    return hasSum(block, this.#sums, index % SUMS_PER_PAGE)
  }
}
