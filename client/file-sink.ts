/**
 * A file that is being fetched, on disk. It grows under a hidden name beside its target and takes its own name only when it is whole, its
 * digest agreed and its bytes are synced. Nothing is written through a link, and nothing that exists is replaced unless told.
 */
import { createHash, randomUUID } from 'node:crypto'
import { type FileHandle, unlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { ClientError } from './errors.ts'
import type { FileThread } from './file-thread.ts'
import { type PartialFile, isNameOf, notWritten, openPartial } from './partial-file.ts'
import { LocalNames } from './safe-name.ts'
import type { Beginning, Extent, FileInfo, Sink } from './sink.ts'
import { TargetFile, hashOf, ignoreAbsent, isOfName } from './target-file.ts'
import { WriteBehind } from './write-behind.ts'

/**
 * A path of the caller's own choice, told or made when the file's name is known; or a directory in which the server's name, made safe, is
 * used.
 */
export type FileTarget = (
  | { readonly path: string }
  | { readonly pathOf: (file: FileInfo) => string | Promise<string> }
  | { readonly directory: string; readonly names?: LocalNames }
) & {
  /** Replace what is there (a link itself, never what it points to). */
  readonly force?: boolean
  /** Whether the file is durable on return. Default: true for `get`, false for `getAll`. */
  readonly sync?: boolean
}

/**
 * Several may bring the same content to one target at once, in one process or in two. The first one has the partial file that another time
 * continues; each later one writes a file of its own, and finds the first one's in its place in the end.
 */
export class FileSink implements Sink {
  readonly #target: FileTarget
  readonly #thread: FileThread | undefined
  #file: TargetFile | undefined
  #partial = ''
  #writing: PartialFile | undefined
  #behind: WriteBehind | undefined
  /** Content of one chunk, which is written at once. */
  #held: Uint8Array | undefined
  /** Nobody continues it another time. */
  #isTemporary = false
  /** The thread looks what is there, and makes the file. */
  #isHandedOver = false
  #writtenBytes = 0

  /** @param thread for the many small files of one call that are not synced */
  constructor(target: FileTarget, thread?: FileThread) {
    this.#target = target
    this.#thread = target.sync === false ? thread : undefined
  }

  get keepsBytes(): boolean {
    return this.#held !== undefined
  }

  get path(): string | undefined {
    return this.#file?.path
  }

  /** Throws `exists` where something else is there, `unsafe-target` where the partial file is a link or another user's. */
  async begin(info: FileInfo, extent: Extent, chunkSizeBytes: number): Promise<Beginning> {
    const path = await this.#pathOf(info)
    this.#file = new TargetFile(path, extent, info.digest, this.#target.force === true)
    const isOneChunk = extent.endBytes - extent.offsetBytes <= chunkSizeBytes
    // What no digest can verify later is not relied upon another time: it may be torn. What is small is not worth it.
    this.#isTemporary = extent.isPart || isOneChunk
    const partial = (mark: string): string => join(dirname(path), `.tally-${info.digest.slice(-32)}-${mark}.part`)
    const ownPartial = partial(randomUUID())
    this.#partial = this.#isTemporary ? ownPartial : partial(createHash('sha256').update(basename(path)).digest('hex').slice(0, 8))
    this.#isHandedOver = isOneChunk && this.#thread?.takes(extent.endBytes - extent.offsetBytes) === true
    if (!this.#isHandedOver && await this.#file.isThere()) return { presentBytes: extent.endBytes, whole: true }
    if (isOneChunk) {
      this.#held = new Uint8Array(0)
      return { presentBytes: 0 }
    }
    if (!(await this.#open())) {
      this.#isTemporary = true
      this.#partial = ownPartial
      await this.#open()
    }
    const { size } = await this.#handle.stat()
    if (size > extent.endBytes) await this.discard()
    const presentBytes = size > extent.endBytes ? 0 : size === extent.endBytes ? size : size - size % chunkSizeBytes
    this.#writtenBytes = presentBytes
    return { presentBytes, hash: await hashOf(this.#handle, presentBytes) }
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#held !== undefined) {
      this.#held = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes])
      return
    }
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, this.#writtenBytes).catch(notWritten)
      done += bytesWritten
      this.#writtenBytes += bytesWritten
    }
    this.#behind?.wrote(bytes.length)
  }

  async complete(): Promise<boolean> {
    const { sync = true } = this.#target
    if (this.#held === undefined) {
      if (sync) await this.#behind?.finish().catch(notWritten)
      await this.#publish(this.#named)
      await this.close()
    } else if (await this.#publishHeld(this.#named, this.#held, sync)) {
      return true
    }
    if (sync) await this.#named.syncDirectory()
    return false
  }

  async discard(): Promise<boolean> {
    if (this.#held !== undefined) {
      this.#held = new Uint8Array(0)
      return true
    }
    if (!(await isNameOf(this.#partial, this.#handle))) throw this.#exchanged()
    await unlink(this.#partial).catch(ignoreAbsent)
    await this.#close()
    if (!(await this.#open())) throw this.#exchanged()
    this.#writtenBytes = 0
    return true
  }

  async close(): Promise<void> {
    if (this.#writing !== undefined && this.#isTemporary) await unlink(this.#partial).catch(ignoreAbsent)
    await this.#close()
  }

  async #close(): Promise<void> {
    const writing = this.#writing
    this.#writing = undefined
    await writing?.close()
  }

  /** False where another writes into it. */
  async #open(): Promise<boolean> {
    this.#writing = await openPartial(this.#partial)
    if (this.#writing === undefined) return false
    this.#behind = this.#target.sync === false ? undefined : new WriteBehind(this.#writing.handle)
    return true
  }

  get #handle(): FileHandle {
    if (this.#writing === undefined) throw new ClientError('closed', 'this file is closed')
    return this.#writing.handle
  }

  #exchanged(cause?: unknown): ClientError {
    return new ClientError('unsafe-target', `${this.#partial} was taken away or exchanged while it was written`, { cause })
  }

  get #named(): TargetFile {
    if (this.#file === undefined) throw new ClientError('closed', 'this file was not begun')
    return this.#file
  }

  async #pathOf(info: FileInfo): Promise<string> {
    const target = this.#target
    if ('path' in target) return target.path
    if ('pathOf' in target) return target.pathOf(info)
    return join(target.directory, (target.names ?? new LocalNames()).take(info.name, `${info.fid}/${info.file}`))
  }

  /** Whether the file was there before. */
  async #publishHeld(file: TargetFile, bytes: Uint8Array, sync: boolean): Promise<boolean> {
    try {
      if (this.#isHandedOver && await this.#made(file, bytes)) return false
      if (this.#isHandedOver && await file.isThere()) return true
      await writeFile(this.#partial, bytes, { flag: 'wx', flush: sync }).catch(notWritten)
      await file.take(this.#partial)
    } catch (cause) {
      await unlink(this.#partial).catch(ignoreAbsent)
      if (!isOfName(cause) || !(await file.holdsContent())) throw isTaken(cause) ? file.exists(cause) : cause
    }
    return false
  }

  /** False where something was in its way. */
  async #made({ path }: TargetFile, bytes: Uint8Array): Promise<boolean> {
    return await this.#thread?.make({ path, partial: this.#partial, bytes, force: this.#target.force === true }).catch(notWritten) ?? false
  }

  /** Another get of the same content may be faster: then its file is there. */
  async #publish(file: TargetFile): Promise<void> {
    if (!(await isNameOf(this.#partial, this.#handle))) throw this.#exchanged()
    try {
      await file.take(this.#partial)
    } catch (cause) {
      if (!isOfName(cause)) throw cause
      if (!(await file.holdsContent())) throw isTaken(cause) ? file.exists(cause) : this.#exchanged(cause)
      await unlink(this.#partial).catch(ignoreAbsent)
    }
  }
}

function isTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EEXIST'
}
