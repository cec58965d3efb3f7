/**
 * A store in memory: the smallest correct pair of catalog and contents, for tests of the layers above and as the plainest reading of
 * the contract. It keeps what was written apart from what was synced, so that a test can let it "lose power" with `crash` and open
 * what a disk would have had.
 */
import { createHash } from 'node:crypto'
import { TallyError } from '../../protocol/errors.ts'
import type { Run } from '../../protocol/messages.ts'
import { BLOCK_BYTES, blockCount, BlockSums, hasSum, mergeRuns } from './blocks.ts'
import { emptyCatalogState, MemoryCatalog } from './memory-catalog.ts'
import type { CatalogState } from './memory-catalog.ts'
import type { ContentDigest, ContentReader, Contents, Durability, FileId, Repair, Store } from './storage.ts'

/** A write that was not synced before the power went. */
export interface UnsyncedWrite {
  readonly blob: FileId
  readonly offsetBytes: number
  readonly bytes: Uint8Array
}

/** What outlives a memory store: hand it to `openMemoryStore` to start again. */
export interface MemoryState {
  readonly catalog: CatalogState
  readonly blobs: ReadonlyMap<FileId, Uint8Array>
}

export interface MemoryStore extends Store {
  /**
   * What a loss of power at this moment leaves behind: every returned catalog call, every synced byte, and of the unsynced writes
   * those that `keep` wants (absent: none). The store itself goes on undisturbed.
   */
  crash(keep?: (write: UnsyncedWrite) => boolean): MemoryState
  /** What the death of the daemon at this moment leaves behind: every write that was made. */
  kill(): MemoryState
}

export function openMemoryStore(options: { from?: MemoryState; durability?: Durability } = {}): MemoryStore {
  const catalog = new MemoryCatalog(options.from === undefined ? emptyCatalogState() : structuredClone(options.from.catalog))
  const contents = new MemoryContents(options.from?.blobs ?? new Map())
  const crash = (keep: (write: UnsyncedWrite) => boolean = () => false): MemoryState =>
    ({ catalog: structuredClone(catalog.state), blobs: contents.survivors(keep) })
  return { catalog, contents, durability: options.durability ?? 'power', crash, kill: () => crash(() => true), close: async () => {} }
}

/** One blob: its bytes as readers see them, and how they differ from what is durable. */
interface MemoryBlob {
  current: GrowingBytes
  durable: GrowingBytes | undefined
  unsynced: UnsyncedWrite[]
}

class MemoryContents implements Contents {
  readonly #blobs = new Map<FileId, MemoryBlob>()
  readonly #removed = new Set<FileId>()

  constructor(blobs: ReadonlyMap<FileId, Uint8Array>) {
    for (const [id, bytes] of blobs) {
      this.#blobs.set(id, { current: GrowingBytes.of(bytes), durable: GrowingBytes.of(bytes), unsynced: [] })
    }
  }

  async write(blob: FileId, offsetBytes: number, pieces: readonly Uint8Array[]): Promise<void> {
    if (this.#removed.has(blob)) return
    const found = this.#blobs.get(blob) ?? { current: new GrowingBytes(), durable: undefined, unsynced: [] }
    this.#blobs.set(blob, found)
    const write = { blob, offsetBytes, bytes: new Uint8Array(Buffer.concat(pieces)) }
    found.current.write(write)
    found.unsynced.push(write)
  }

  async sync(blobs: readonly FileId[]): Promise<void> {
    for (const id of blobs) {
      const blob = this.#blobs.get(id)
      if (blob === undefined) continue
      blob.durable ??= new GrowingBytes()
      for (const write of blob.unsynced.splice(0)) blob.durable.write(write)
    }
  }

  advance(): void {}

  async digest(blob: FileId, sizeBytes: number): Promise<ContentDigest> {
    const bytes = sizeBytes === 0 ? new Uint8Array(0) : this.#bytes(blob, 0, sizeBytes)
    const sums = new BlockSums()
    sums.update(bytes)
    return { digest: sha256(bytes), sums: sums.end() }
  }

  async check(blob: FileId, sizeBytes: number, digest: string, sums: Uint8Array): Promise<readonly Run[]> {
    const bytes = this.#blobs.get(blob)?.current.view().subarray(0, sizeBytes) ?? new Uint8Array(0)
    const damaged: Run[] = []
    for (let index = 0; index < blockCount(sizeBytes); index++) {
      const end = Math.min((index + 1) * BLOCK_BYTES, sizeBytes)
      if (end > bytes.length || !hasSum(bytes.subarray(index * BLOCK_BYTES, end), sums, index)) damaged.push([index, 1])
    }
    return damaged.length > 0 || sha256(bytes) === digest ? mergeRuns(damaged) : [[0, blockCount(sizeBytes)]]
  }

  async repair({ blob, content, digest, sizeBytes, ranges }: Repair): Promise<string | undefined> {
    const whole = new Uint8Array(sizeBytes)
    whole.set(this.#blobs.get(content)?.current.view().subarray(0, sizeBytes) ?? [])
    for (const [offsetBytes, lengthBytes] of ranges) whole.set(this.#bytes(blob, offsetBytes, lengthBytes), offsetBytes)
    const actual = sha256(whole)
    if (actual !== digest) return actual
    for (const [offsetBytes, lengthBytes] of ranges) await this.write(content, offsetBytes, [whole.subarray(offsetBytes, offsetBytes + lengthBytes)])
    await this.sync([content])
    return actual
  }

  restart(): void {}

  async release(): Promise<void> {}

  async open(blob: FileId): Promise<ContentReader> {
    const found = this.#blobs.get(blob)
    if (found === undefined) throw damaged(blob)
    const { current } = found
    return { read: async (offsetBytes, lengthBytes) => slice(current, blob, offsetBytes, lengthBytes), close: async () => {} }
  }

  async remove(blob: FileId): Promise<void> {
    this.#blobs.delete(blob)
    this.#removed.add(blob)
  }

  survivors(keep: (write: UnsyncedWrite) => boolean): Map<FileId, Uint8Array> {
    const survivors = new Map<FileId, Uint8Array>()
    for (const [id, { durable, unsynced }] of this.#blobs) {
      const kept = unsynced.filter(keep)
      if (durable === undefined && kept.length === 0) continue
      const bytes = GrowingBytes.of(durable?.view() ?? new Uint8Array())
      for (const write of kept) bytes.write(write)
      survivors.set(id, bytes.view())
    }
    return survivors
  }

  #bytes(blob: FileId, offsetBytes: number, lengthBytes: number): Uint8Array {
    const found = this.#blobs.get(blob)
    if (found === undefined) throw damaged(blob)
    return slice(found.current, blob, offsetBytes, lengthBytes)
  }
}

/** Bytes that grow by doubling; holes are zeros, as in a sparse file. */
class GrowingBytes {
  #bytes = new Uint8Array()
  lengthBytes = 0

  static of(bytes: Uint8Array): GrowingBytes {
    const made = new GrowingBytes()
    made.write({ offsetBytes: 0, bytes })
    return made
  }

  write({ offsetBytes, bytes }: { offsetBytes: number; bytes: Uint8Array }): void {
    const end = offsetBytes + bytes.length
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2))
      grown.set(this.#bytes)
      this.#bytes = grown
    }
    this.#bytes.set(bytes, offsetBytes)
    this.lengthBytes = Math.max(this.lengthBytes, end)
  }

  view(): Uint8Array {
    return this.#bytes.subarray(0, this.lengthBytes)
  }
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

function slice(bytes: GrowingBytes, blob: FileId, offsetBytes: number, lengthBytes: number): Uint8Array {
  if (offsetBytes + lengthBytes > bytes.lengthBytes) throw damaged(blob)
  return bytes.view().slice(offsetBytes, offsetBytes + lengthBytes)
}

function damaged(blob: FileId): TallyError {
  return new TallyError('content-damaged', `blob ${blob} is absent or short`)
}
