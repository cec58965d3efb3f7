/**
 * Where a download's bytes go, in order and without gaps. A sink may already hold the beginning of a file, from a download that broke off.
 */
import type { Hash } from 'node:crypto'

/** What FETCH's Ok says. */
export interface FileInfo {
  readonly fid: string
  readonly file: number
  readonly name: string
  readonly sizeBytes: number
  readonly digest: string
}

/** What is fetched of a file, cut to its size. */
export interface Extent {
  readonly offsetBytes: number
  readonly endBytes: number
  /** Not the whole file: no digest can verify it. */
  readonly isPart: boolean
}

export interface Beginning {
  /** What the sink already holds: a multiple of the chunk size, and 0 for a part of a file. */
  readonly presentBytes: number
  /** SHA-256 over what it holds; absent where that is nothing. */
  readonly hash?: Hash
  /** Nothing is to be fetched: the whole file is there already. */
  readonly whole?: boolean
}

export interface Sink {
  /** Where the file is going to be, once `begin` returned; undefined for what is no file. */
  readonly path: string | undefined
  begin(info: FileInfo, extent: Extent, chunkSizeBytes: number): Promise<Beginning>
  /** What it is given stays with it, and may be changed there; else it is only lent until `write` resolves. */
  readonly keepsBytes: boolean
  /** Takes what comes next; may be called again when it resolved. */
  write(bytes: Uint8Array): Promise<void>
  /** Everything was written, and its digest agrees. Durable on return, for files. True: the whole file was there already. */
  complete(): Promise<boolean>
  /** The content is not what its digest says: forget it. False where what was written cannot be taken back. */
  discard(): Promise<boolean>
  /** Nothing more is written. What is there stays for the next time, unless `complete` was called. */
  close(): Promise<void>
}

/** Hands the bytes to a function. The digest is known only at the end: a difference is thrown after everything was written. */
export class StreamSink implements Sink {
  readonly path = undefined
  readonly keepsBytes = true
  readonly #take: (bytes: Uint8Array) => void | Promise<void>

  constructor(take: (bytes: Uint8Array) => void | Promise<void>) {
    this.#take = take
  }

  async begin(): Promise<Beginning> {
    return { presentBytes: 0 }
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#take(bytes)
  }

  async complete(): Promise<boolean> {
    return false
  }

  async discard(): Promise<boolean> {
    return false
  }

  async close(): Promise<void> {}
}
