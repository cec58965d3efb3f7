/**
 * The name that a fetched file is going to have: whether it is taken, and how the file comes under it, whole or not at all. Nothing that
 * exists is replaced unless told, and no link is followed.
 */
import { type Hash, createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, link, lstat, open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ClientError } from './errors.ts'
import type { Extent } from './sink.ts'

const READ_BYTES = 1_048_576

export class TargetFile {
  readonly path: string
  readonly #extent: Extent
  readonly #digest: string
  readonly #force: boolean

  constructor(path: string, extent: Extent, digest: string, force: boolean) {
    this.path = path
    this.#extent = extent
    this.#digest = digest
    this.#force = force
  }

  /** Whether the very file is there already, so that the same command after a break has nothing to do. Throws `exists`. */
  async isThere(): Promise<boolean> {
    const found = await lstat(this.path).catch(ignoreAbsent)
    if (found === undefined || (this.#force && !found.isDirectory())) return false
    if (!found.isFile() || !(await this.holdsContent())) throw this.exists()
    return true
  }

  /** Whether the whole of what was fetched stands there, whoever put it there. */
  async holdsContent(): Promise<boolean> {
    const { isPart, endBytes } = this.#extent
    const handle = isPart ? undefined : await open(this.path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(ignoreAbsent)
    if (handle === undefined) return false
    try {
      const found = await handle.stat()
      if (!found.isFile() || found.size !== endBytes) return false
      return `sha256:${(await hashOf(handle, endBytes)).digest('hex')}` === this.#digest
    } finally {
      await handle.close()
    }
  }

  /** Gives the file with a name of our own this one instead. Throws what the file system says, EEXIST where it is taken. */
  async take(partial: string): Promise<void> {
    if (this.#force) {
      await rename(partial, this.path)
    } else {
      // Unlike a rename, a link never replaces what somebody put there meanwhile.
      await link(partial, this.path)
      await unlink(partial).catch(ignoreAbsent)
    }
  }

  /** The name is as durable as the content that was synced before. */
  async syncDirectory(): Promise<void> {
    const directory = await open(dirname(this.path), constants.O_RDONLY | constants.O_DIRECTORY)
    await directory.sync().finally(() => directory.close())
  }

  exists(cause?: unknown): ClientError {
    return new ClientError('exists', `${this.path} exists`, cause === undefined ? undefined : { cause })
  }
}

/** SHA-256 of the first bytes of a file. */
export async function hashOf(handle: FileHandle, endBytes: number): Promise<Hash> {
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

export function ignoreAbsent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

/** Whether a name is taken, or was taken away. */
export function isOfName(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EEXIST' || error.code === 'ENOENT')
}
