/**
 * A file that is being fetched, on disk. It grows under a hidden name beside its target and takes its own name only when it is whole, its
 * digest agreed and its bytes are synced. Nothing is written through a link, and nothing that exists is replaced unless told.
 */
import { createHash, randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, lstat, open, unlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ClientError } from './errors.ts'
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

/** For how long a partial file may have a second name. */
const NAMED_TRIES = 20
const NAMED_WAIT_MS = 5

/**
 * Two of them may write the same content to one target at once, in one process or in two: below a partial file's size everything was
 * written, both write the same bytes at the same offsets, and who comes second finds the file there. So a partial file is never cut; one
 * that is spoilt is put aside for a new one.
 */
export class FileSink implements Sink {
  readonly #target: FileTarget
  #file: TargetFile | undefined
  #partial = ''
  #handle: FileHandle | undefined
  #behind: WriteBehind | undefined
  /** Content of one chunk, which is written at once. */
  #held: Uint8Array | undefined
  #isPart = false
  #writtenBytes = 0

  constructor(target: FileTarget) {
    this.#target = target
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
    this.#isPart = extent.isPart
    const isOneChunk = extent.endBytes - extent.offsetBytes <= chunkSizeBytes
    // What no digest can verify later is not relied upon another time: it may be torn. What is small is not worth it.
    const mark = extent.isPart || isOneChunk ? randomUUID() : createHash('sha256').update(basename(path)).digest('hex').slice(0, 8)
    this.#partial = join(dirname(path), `.tally-${info.digest.slice(-32)}-${mark}.part`)
    if (await this.#file.isThere()) return { presentBytes: extent.endBytes, hash: createHash('sha256'), whole: true }
    if (isOneChunk) {
      this.#held = new Uint8Array(0)
      return { presentBytes: 0, hash: createHash('sha256') }
    }
    const { size } = await (await this.#reopen()).stat()
    if (size > extent.endBytes) await this.discard()
    const presentBytes = size > extent.endBytes ? 0 : size === extent.endBytes ? size : size - size % chunkSizeBytes
    this.#writtenBytes = presentBytes
    return { presentBytes, hash: await hashOf(this.#open, presentBytes) }
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#held !== undefined) {
      this.#held = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes])
      return
    }
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#open.write(bytes, done, bytes.length - done, this.#writtenBytes).catch(notWritten)
      done += bytesWritten
      this.#writtenBytes += bytesWritten
    }
    this.#behind?.wrote(bytes.length)
  }

  async complete(): Promise<void> {
    const { sync = true } = this.#target
    if (this.#held === undefined) {
      if (sync) await this.#behind?.finish().catch(notWritten)
      await this.#publish(this.#named)
      await this.close()
    } else {
      await this.#publishHeld(this.#named, this.#held, sync)
    }
    if (sync) await this.#named.syncDirectory()
  }

  async discard(): Promise<boolean> {
    if (this.#held !== undefined) {
      this.#held = new Uint8Array(0)
      return true
    }
    await this.close()
    // Only what is ours to open is ours to remove.
    await (await openPartial(this.#partial)).close()
    await unlink(this.#partial).catch(ignoreAbsent)
    await this.#reopen()
    this.#writtenBytes = 0
    return true
  }

  async close(): Promise<void> {
    const handle = this.#handle
    this.#handle = undefined
    await handle?.close()
    if (handle !== undefined && this.#isPart) await unlink(this.#partial).catch(ignoreAbsent)
  }

  async #reopen(): Promise<FileHandle> {
    const handle = await openPartial(this.#partial)
    this.#handle = handle
    this.#behind = this.#target.sync === false ? undefined : new WriteBehind(handle)
    return handle
  }

  get #open(): FileHandle {
    if (this.#handle === undefined) throw new ClientError('closed', 'this file is closed')
    return this.#handle
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

  async #publishHeld(file: TargetFile, bytes: Uint8Array, sync: boolean): Promise<void> {
    try {
      await writeFile(this.#partial, bytes, { flag: 'wx', flush: sync }).catch(notWritten)
      await file.take(this.#partial)
    } catch (cause) {
      await unlink(this.#partial).catch(ignoreAbsent)
      if (!isOfName(cause) || !(await file.holdsContent())) throw isTaken(cause) ? file.exists(cause) : cause
    }
  }

  /** Another get of the same content may be faster: then its file is ours, or holds the same. */
  async #publish(file: TargetFile): Promise<void> {
    const own = await this.#open.stat()
    const isOwn = async (name: string): Promise<boolean> => {
      const found = await lstat(name).catch(ignoreAbsent)
      return found !== undefined && found.ino === own.ino && found.dev === own.dev
    }
    let failure: unknown
    try {
      if (await isOwn(this.#partial)) return await file.take(this.#partial)
    } catch (cause) {
      if (!isOfName(cause)) throw cause
      failure = cause
    }
    if (await isOwn(file.path)) return
    if (!(await file.holdsContent())) {
      if (isTaken(failure)) throw file.exists(failure)
      throw new ClientError('unsafe-target', `${this.#partial} was taken away or exchanged while it was written`, { cause: failure })
    }
    if (await isOwn(this.#partial)) await unlink(this.#partial).catch(ignoreAbsent)
  }
}

function isTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EEXIST'
}

/** A new file, or our own partial one; a link is not followed, and a file with other names or another owner not touched. */
async function openPartial(path: string): Promise<FileHandle> {
  for (let another = NAMED_TRIES; ; another--) {
    const handle = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o666).catch(notOpened)
    const found = await handle.stat()
    if (found.isFile() && found.nlink === 1 && found.uid === (process.geteuid?.() ?? found.uid)) return handle
    await handle.close()
    // Another get of the same content is giving it its name: for a moment it has two of them, then one, or this one none.
    if (!found.isFile() || found.nlink > 2 || another === 0) {
      throw new ClientError('unsafe-target', `${path} is not a file of our own making`)
    }
    await sleep(NAMED_WAIT_MS)
  }
}

/** Throws what opening a partial file met. */
function notOpened(cause: NodeJS.ErrnoException): never {
  if (cause.code === 'ELOOP') throw new ClientError('unsafe-target', `${cause.path ?? 'the partial file'} is a link`, { cause })
  return notWritten(cause)
}

/** Throws what writing met; a full disk has a code of its own, as making room is all that it takes to go on. */
function notWritten(cause: NodeJS.ErrnoException): never {
  if (cause.code === 'ENOSPC' || cause.code === 'EDQUOT') throw new ClientError('no-space', 'there is no room on the local disk', { cause })
  throw cause
}
