/**
 * A file that is being fetched, on disk. It grows under a hidden name beside its target and takes its own name only when it is whole, its
 * digest agreed and its bytes are synced. Nothing is written through a link, and nothing that exists is replaced unless told.
 */
import { type Hash, createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, link, lstat, open, rename, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { ClientError } from './errors.ts'
import { LocalNames } from './safe-name.ts'
import type { Beginning, FileInfo, Sink } from './sink.ts'

/** A path of the caller's own choice, or a directory in which the server's name, made safe, is used. */
export type FileTarget = ({ readonly path: string } | { readonly directory: string; readonly names?: LocalNames }) & {
  /** Replace what is there (a link itself, never what it points to). */
  readonly force?: boolean
}

const READ_BYTES = 1_048_576

export class FileSink implements Sink {
  path: string | undefined
  readonly #target: FileTarget
  #partial = ''
  #handle: FileHandle | undefined
  #writtenBytes = 0

  constructor(target: FileTarget) {
    this.#target = target
  }

  /** Throws `exists` where something else is there, `unsafe-target` where the partial file is a link or another user's. */
  async begin(info: FileInfo, chunkSizeBytes: number): Promise<Beginning> {
    const target = this.#target
    const names = 'directory' in target ? target.names ?? new LocalNames() : undefined
    this.path = 'path' in target ? target.path : join(target.directory, names?.take(info.name, `${info.fid}/${info.file}`) ?? '')
    if (await this.#isThere(info)) return { presentBytes: info.sizeBytes, hash: createHash('sha256'), whole: true }
    const mark = createHash('sha256').update(basename(this.path)).digest('hex').slice(0, 8)
    this.#partial = join(dirname(this.path), `.tally-${info.digest.slice(-32)}-${mark}.part`)
    this.#handle = await openPartial(this.#partial)
    const { size } = await this.#handle.stat()
    const presentBytes = Math.min(size, info.sizeBytes) - Math.min(size, info.sizeBytes) % chunkSizeBytes
    await this.#handle.truncate(presentBytes)
    this.#writtenBytes = presentBytes
    return { presentBytes, hash: await hashOf(this.#handle, presentBytes) }
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, this.#writtenBytes)
      done += bytesWritten
      this.#writtenBytes += bytesWritten
    }
  }

  async complete(): Promise<void> {
    const path = this.path ?? ''
    await this.#file.sync()
    await this.close()
    if (this.#target.force === true) {
      await rename(this.#partial, path)
    } else {
      // Unlike a rename, a link never replaces what somebody put there meanwhile.
      await link(this.#partial, path).catch((cause: NodeJS.ErrnoException) => {
        throw cause.code === 'EEXIST' ? exists(path, cause) : cause
      })
      await unlink(this.#partial)
    }
    const directory = await open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY)
    await directory.sync().finally(() => directory.close())
  }

  async discard(): Promise<boolean> {
    await this.#file.truncate(0)
    this.#writtenBytes = 0
    return true
  }

  async close(): Promise<void> {
    const handle = this.#handle
    this.#handle = undefined
    await handle?.close()
  }

  get #file(): FileHandle {
    if (this.#handle === undefined) throw new ClientError('closed', 'this file is closed')
    return this.#handle
  }

  /** Whether the very file is there already, so that the same command after a break has nothing to do for it. */
  async #isThere(info: FileInfo): Promise<boolean> {
    const path = this.path ?? ''
    const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    })
    if (found === undefined || (this.#target.force === true && !found.isDirectory())) return false
    if (!found.isFile() || found.size !== info.sizeBytes) throw exists(path)
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
    const hash = await hashOf(handle, found.size).finally(() => handle.close())
    if (`sha256:${hash.digest('hex')}` !== info.digest) throw exists(path)
    return true
  }
}

/** A new file, or our own partial one; a link is not followed, and a file with other names or another owner not touched. */
async function openPartial(path: string): Promise<FileHandle> {
  let handle: FileHandle
  try {
    handle = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o666)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ELOOP') {
      throw new ClientError('unsafe-target', `${path} is a link`, { cause: error })
    }
    throw error
  }
  const found = await handle.stat()
  if (found.isFile() && found.nlink === 1 && found.uid === (process.geteuid?.() ?? found.uid)) return handle
  await handle.close()
  throw new ClientError('unsafe-target', `${path} is not a file of our own making`)
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
