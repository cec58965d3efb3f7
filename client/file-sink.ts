/**
 * A file that is being fetched, on disk. It grows under a hidden name beside its target and takes its own name only when it is whole, its
 * digest agreed and its bytes are synced. Nothing is written through a link, and nothing that exists is replaced unless told.
 */
import { type Hash, createHash, randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, link, lstat, open, rename, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ClientError } from './errors.ts'
import { LocalNames } from './safe-name.ts'
import type { Beginning, Extent, FileInfo, Sink } from './sink.ts'
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
}

const READ_BYTES = 1_048_576
/** For how long a partial file may have a second name. */
const NAMED_TRIES = 20
const NAMED_WAIT_MS = 5

/**
 * Two of them may write the same content to one target at once, in one process or in two: below a partial file's size everything was
 * written, both write the same bytes at the same offsets, and who comes second finds the file there. So a partial file is never cut; one
 * that is spoilt is put aside for a new one.
 */
export class FileSink implements Sink {
  path: string | undefined
  readonly keepsBytes = false
  readonly #target: FileTarget
  #partial = ''
  #handle: FileHandle | undefined
  #extent: Extent = { offsetBytes: 0, endBytes: 0, isPart: false }
  #digest = ''
  #writtenBytes = 0
  #behind: WriteBehind | undefined

  constructor(target: FileTarget) {
    this.#target = target
  }

  /** Throws `exists` where something else is there, `unsafe-target` where the partial file is a link or another user's. */
  async begin(info: FileInfo, extent: Extent, chunkSizeBytes: number): Promise<Beginning> {
    this.path = await this.#pathOf(info)
    this.#extent = extent
    this.#digest = info.digest
    // What no digest can verify later is not relied upon another time: it may be torn.
    const mark = extent.isPart ? randomUUID() : createHash('sha256').update(basename(this.path)).digest('hex').slice(0, 8)
    this.#partial = join(dirname(this.path), `.tally-${info.digest.slice(-32)}-${mark}.part`)
    if (await this.#isInTheWay()) return { presentBytes: extent.endBytes, hash: createHash('sha256'), whole: true }
    const { size } = await (await this.#open()).stat()
    if (size > extent.endBytes) await this.discard()
    const presentBytes = size > extent.endBytes ? 0 : size === extent.endBytes ? size : size - size % chunkSizeBytes
    this.#writtenBytes = presentBytes
    return { presentBytes, hash: await hashOf(this.#file, presentBytes) }
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, this.#writtenBytes).catch(notWritten)
      done += bytesWritten
      this.#writtenBytes += bytesWritten
    }
    this.#behind?.wrote(bytes.length)
  }

  async complete(): Promise<void> {
    const path = this.path ?? ''
    await this.#behind?.finish().catch(notWritten)
    await this.#publish(path)
    await this.close()
    const directory = await open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY)
    await directory.sync().finally(() => directory.close())
  }

  async discard(): Promise<boolean> {
    await this.#putAside()
    await this.close()
    await this.#open()
    this.#writtenBytes = 0
    return true
  }

  async close(): Promise<void> {
    const handle = this.#handle
    this.#handle = undefined
    await handle?.close()
    if (handle !== undefined && this.#extent.isPart) await unlink(this.#partial).catch(ignoreAbsent)
  }

  async #open(): Promise<FileHandle> {
    const handle = await openPartial(this.#partial)
    this.#handle = handle
    this.#behind = new WriteBehind(handle)
    return handle
  }

  get #file(): FileHandle {
    if (this.#handle === undefined) throw new ClientError('closed', 'this file is closed')
    return this.#handle
  }

  async #pathOf(info: FileInfo): Promise<string> {
    const target = this.#target
    if ('path' in target) return target.path
    if ('pathOf' in target) return target.pathOf(info)
    return join(target.directory, (target.names ?? new LocalNames()).take(info.name, `${info.fid}/${info.file}`))
  }

  /** Gives the file its name. Another get of the same content may be faster: then its file is ours, or holds the same. */
  async #publish(path: string): Promise<void> {
    const own = await this.#file.stat()
    const isOwn = async (name: string): Promise<boolean> => {
      const found = await lstat(name).catch(ignoreAbsent)
      return found !== undefined && found.ino === own.ino && found.dev === own.dev
    }
    let failure: unknown
    try {
      if (await isOwn(this.#partial)) return await this.#name(path)
    } catch (cause) {
      if (!(cause instanceof Error) || !('code' in cause) || (cause.code !== 'EEXIST' && cause.code !== 'ENOENT')) throw cause
      failure = cause
    }
    if (await isOwn(path)) return
    if (!(await this.#holdsContent(path))) {
      if (await lstat(path).catch(ignoreAbsent) !== undefined) throw exists(path, failure)
      throw new ClientError('unsafe-target', `${this.#partial} was taken away or exchanged while it was written`, { cause: failure })
    }
    if (await isOwn(this.#partial)) await unlink(this.#partial).catch(ignoreAbsent)
  }

  async #name(path: string): Promise<void> {
    if (this.#target.force === true) {
      await rename(this.#partial, path)
    } else {
      // Unlike a rename, a link never replaces what somebody put there meanwhile.
      await link(this.#partial, path)
      await unlink(this.#partial).catch(ignoreAbsent)
    }
  }

  /** Whether the very file is there already, so that the same command after a break has nothing to do. Throws `exists`. */
  async #isInTheWay(): Promise<boolean> {
    const path = this.path ?? ''
    const found = await lstat(path).catch(ignoreAbsent)
    if (found === undefined || (this.#target.force === true && !found.isDirectory())) return false
    if (!found.isFile() || !(await this.#holdsContent(path))) throw exists(path)
    return true
  }

  async #holdsContent(path: string): Promise<boolean> {
    const { isPart, endBytes } = this.#extent
    const handle = isPart ? undefined : await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(ignoreAbsent)
    if (handle === undefined) return false
    try {
      const found = await handle.stat()
      if (!found.isFile() || found.size !== endBytes) return false
      return `sha256:${(await hashOf(handle, endBytes)).digest('hex')}` === this.#digest
    } finally {
      await handle.close()
    }
  }

  /** Only what is ours to open is ours to remove. */
  async #putAside(): Promise<void> {
    const handle = await openPartial(this.#partial)
    await handle.close()
    await unlink(this.#partial).catch(ignoreAbsent)
  }
}

/** A new file, or our own partial one; a link is not followed, and a file with other names or another owner not touched. */
async function openPartial(path: string): Promise<FileHandle> {
  for (let another = NAMED_TRIES; ; another--) {
    const handle = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o666).catch(notOpened)
    const found = await handle.stat()
    if (found.isFile() && found.nlink === 1 && found.uid === (process.geteuid?.() ?? found.uid)) return handle
    await handle.close()
    // Another get of the same content is giving it its name: for a moment it has two of them, then one, or this one none.
    if (!found.isFile() || found.nlink > 2 || another === 0) throw new ClientError('unsafe-target', `${path} is not a file of our own making`)
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

function ignoreAbsent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

async function hashOf(handle: FileHandle, endBytes: number): Promise<Hash> {
  const hash = createHash('sha256')
  const block = Buffer.allocUnsafe(Math.min(READ_BYTES, Math.max(1, endBytes)))
  for (let at = 0; at < endBytes;) {
    const { bytesRead } = await handle.read(block, 0, Math.min(block.length, endBytes - at), at)
    if (bytesRead === 0) break
    hash.update(block.subarray(0, bytesRead))
    at += bytesRead
  }
  return hash
}

function exists(path: string, cause?: unknown): ClientError {
  return new ClientError('exists', `${path} exists`, cause === undefined ? undefined : { cause })
}
