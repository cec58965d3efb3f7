/**
 * Where an upload's bytes come from: a file, a blob, memory, or a stream that ends some time. A source is hashed once, in order, however
 * its chunks are asked for, so the digest is known as soon as the last byte was read.
 */
import { type Hash, createHash } from 'node:crypto'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { ClientError } from './errors.ts'

export interface Source {
  /** null while it is not known. */
  readonly sizeBytes: number | null
  /** The bytes from `offset` on, `length` of them or up to the end. They are lent: the next `read` may overwrite them. */
  read(offset: number, length: number): Promise<Uint8Array>
  /** As `read`, where the bytes are at hand: no turn of the event loop is spent on them. */
  peek(offset: number, length: number): Uint8Array | undefined
  /** Whether there is anything at `offset`; after a `false` the size is known. */
  reaches(offset: number): Promise<boolean>
  /** What lies below will not be asked for again, but after `digest-mismatch`. */
  release(offset: number): void
  /** `sha256:` and hex, over everything; reads what was not read yet, and may tell how far that is. Throws `file-changed`. */
  digest(onHashed?: (hashedBytes: number) => void): Promise<string>
  /** Forgets what was hashed, so that `digest` reads everything again; false where that is impossible. */
  rewind(): boolean
  close(): Promise<void>
}

const BLOCK_BYTES = 262_144
/** One is sent, one is read ahead, one is about to be either. */
const SPARE_BLOCKS_MAX = 3

/** What identifies one state of a file, besides its path. */
export interface FileIdentity {
  readonly sizeBytes: number
  readonly mtimeNs: bigint
  readonly inode: bigint
}

/** Content that can be read at any offset, again and again; hashed as far as it was read in order. What it reads from, others say. */
abstract class SeekableSource implements Source {
  readonly sizeBytes: number
  #hash: Hash = createHash('sha256')
  #hashedBytes = 0
  #digest: string | undefined
  #block: Uint8Array = new Uint8Array(0)
  #blockOffset = 0
  /** What follows the block, read while the block is hashed and sent. */
  #ahead: { readonly offset: number; readonly length: number; readonly block: Promise<Uint8Array> } | undefined
  readonly #spare: ArrayBuffer[] = []

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes
  }

  /** Reads exactly these bytes, all of which lie within the size. Throws `file-changed` where they are not there any more. */
  protected abstract fill(bytes: Uint8Array, offset: number): Promise<void>

  /** Throws `file-changed` where what was read is no longer what is there. */
  protected abstract checkUnchanged(): Promise<void>

  abstract close(): Promise<void>

  async read(offset: number, length: number): Promise<Uint8Array> {
    const held = this.peek(offset, length)
    if (held !== undefined) return held
    if (offset > this.#hashedBytes) await this.#hashUpTo(offset)
    const block = await this.#blockFrom(offset, Math.max(length, BLOCK_BYTES - BLOCK_BYTES % length))
    if (this.#block.length > 0) this.#recycle(this.#block)
    this.#block = block
    this.#blockOffset = offset
    this.#hashInOrder(block, offset)
    return block.subarray(0, length)
  }

  peek(offset: number, length: number): Uint8Array | undefined {
    const end = Math.min(offset + length, this.sizeBytes)
    if (offset < this.#blockOffset || end > this.#blockOffset + this.#block.length) return undefined
    return this.#block.subarray(offset - this.#blockOffset, end - this.#blockOffset)
  }

  async reaches(offset: number): Promise<boolean> {
    return offset < this.sizeBytes
  }

  release(): void {}

  async digest(onHashed?: (hashedBytes: number) => void): Promise<string> {
    if (this.#digest === undefined) {
      await this.#hashUpTo(this.sizeBytes, onHashed)
      await this.checkUnchanged()
      this.#digest = `sha256:${this.#hash.digest('hex')}`
    }
    return this.#digest
  }

  rewind(): boolean {
    this.#hash = createHash('sha256')
    this.#hashedBytes = 0
    this.#digest = undefined
    this.#block = new Uint8Array(0)
    this.#ahead = undefined
    return true
  }

  async #hashUpTo(end: number, onHashed?: (hashedBytes: number) => void): Promise<void> {
    while (this.#hashedBytes < end) {
      const offset = this.#hashedBytes
      const block = await this.#load(offset, Math.min(BLOCK_BYTES, end - offset))
      this.#hashInOrder(block, offset)
      this.#recycle(block)
      onHashed?.(this.#hashedBytes)
    }
  }

  /** What of it comes next in order. */
  #hashInOrder(bytes: Uint8Array, offset: number): void {
    if (offset > this.#hashedBytes || offset + bytes.length <= this.#hashedBytes || this.#digest !== undefined) return
    this.#hash.update(bytes.subarray(this.#hashedBytes - offset))
    this.#hashedBytes = offset + bytes.length
  }

  /** The block from `offset` on, of so many bytes or up to the end; the one behind it is read from now on. */
  async #blockFrom(offset: number, length: number): Promise<Uint8Array> {
    const ahead = this.#ahead
    this.#ahead = undefined
    const isWanted = ahead?.offset === offset && ahead.length === length
    if (!isWanted) ahead?.block.then(block => this.#recycle(block), () => {})
    const block = await (isWanted ? ahead.block : this.#load(offset, length))
    const next = offset + block.length
    // An attempt that was given up may have left a read: only one of them reads ahead.
    if (next >= this.sizeBytes || this.#ahead !== undefined) return block
    this.#ahead = { offset: next, length, block: this.#load(next, length) }
    // Whoever asks for it gets the failure; perhaps nobody does.
    this.#ahead.block.catch(() => {})
    return block
  }

  async #load(offset: number, length: number): Promise<Uint8Array> {
    let buffer = this.#spare.pop()
    if (buffer === undefined || buffer.byteLength < length) buffer = new ArrayBuffer(Math.max(length, BLOCK_BYTES))
    const block = new Uint8Array(buffer, 0, Math.min(length, this.sizeBytes - offset))
    await this.fill(block, offset)
    return block
  }

  /** Nobody looks at this block any more. Fresh memory for each costs more than the read. */
  #recycle({ buffer }: Uint8Array): void {
    if (this.#spare.length < SPARE_BLOCKS_MAX) this.#spare.push(buffer as ArrayBuffer)
  }
}

/** A regular file. What is read must be what was there when it was opened: `digest` compares size, mtime and inode at the end. */
export class FileSource extends SeekableSource {
  readonly identity: FileIdentity
  readonly #path: string
  readonly #handle: FileHandle

  private constructor(path: string, handle: FileHandle, identity: FileIdentity) {
    super(identity.sizeBytes)
    this.#path = path
    this.#handle = handle
    this.identity = identity
  }

  /** Throws what the file system says (`ENOENT`, `EACCES`), or `not-a-file`. */
  static async open(path: string): Promise<FileSource> {
    // Before it is opened: opening a FIFO waits for its writer, and nothing could interrupt it.
    await identify(path)
    const handle = await open(path)
    try {
      return new FileSource(path, handle, await identify(path, handle))
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  close(): Promise<void> {
    return this.#handle.close()
  }

  protected async fill(bytes: Uint8Array, offset: number): Promise<void> {
    for (let filled = 0; filled < bytes.length;) {
      const { bytesRead } = await this.#handle.read(bytes, filled, bytes.length - filled, offset + filled)
      if (bytesRead === 0) throw changed(this.#path)
      filled += bytesRead
    }
  }

  protected async checkUnchanged(): Promise<void> {
    const now = await identify(this.#path).catch((cause: unknown) => { throw changed(this.#path, cause) })
    const { sizeBytes, mtimeNs, inode } = this.identity
    if (now.sizeBytes !== sizeBytes || now.mtimeNs !== mtimeNs || now.inode !== inode) throw changed(this.#path)
  }
}

/** A `Blob`, in memory or wherever it keeps its bytes. */
export class BlobSource extends SeekableSource {
  readonly #blob: Blob

  constructor(blob: Blob) {
    super(blob.size)
    this.#blob = blob
  }

  async close(): Promise<void> {}

  /** A blob over a file, such as `fs.openAsBlob` gives, refuses to be read once the file changed. */
  protected async fill(bytes: Uint8Array, offset: number): Promise<void> {
    const part = this.#blob.slice(offset, offset + bytes.length)
    const read = await part.arrayBuffer().catch((cause: unknown) => { throw changed('the blob', cause) })
    if (read.byteLength !== bytes.length) throw changed('the blob')
    bytes.set(new Uint8Array(read))
  }

  protected async checkUnchanged(): Promise<void> {}
}

/** Bytes in memory; the caller leaves them alone until the upload is done. */
export class BytesSource implements Source {
  readonly sizeBytes: number
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.sizeBytes = bytes.length
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    return this.peek(offset, length)
  }

  peek(offset: number, length: number): Uint8Array {
    return this.#bytes.subarray(offset, offset + length)
  }

  async reaches(offset: number): Promise<boolean> {
    return offset < this.sizeBytes
  }

  release(): void {}

  async digest(): Promise<string> {
    return `sha256:${createHash('sha256').update(this.#bytes).digest('hex')}`
  }

  rewind(): boolean {
    return true
  }

  async close(): Promise<void> {}
}

/** By path at the end, not by handle: a file that was replaced by another one changed, too. */
async function identify(path: string, handle?: FileHandle): Promise<FileIdentity> {
  const found = await (handle === undefined ? stat(path, { bigint: true }) : handle.stat({ bigint: true }))
  if (!found.isFile()) throw new ClientError('not-a-file', `${path} is not a regular file`)
  return { sizeBytes: Number(found.size), mtimeNs: found.mtimeNs, inode: found.ino }
}

function changed(what: string, cause?: unknown): ClientError {
  return new ClientError('file-changed', `${what} changed while it was sent`, cause === undefined ? undefined : { cause })
}
