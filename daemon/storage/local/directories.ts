/**
 * The directories of the blobs: makes them, and makes the names in them durable. Callers that wait for the same directory share a
 * sync, as long as it began after their name was made.
 */
import path from 'node:path'
import type { FileSystem } from './file-system.ts'

interface Pending {
  running: Promise<void> | undefined
  next: Promise<void> | undefined
}

export class BlobDirectories {
  readonly #fs: FileSystem
  readonly #made = new Map<string, Promise<void>>()
  readonly #durable = new Set<string>()
  readonly #syncs = new Map<string, Pending>()

  constructor(fileSystem: FileSystem) {
    this.#fs = fileSystem
  }

  /** The directory exists on return; once in the life of the process it is asked of the disk. */
  make(directory: string): Promise<void> {
    let made = this.#made.get(directory)
    if (made === undefined) {
      made = this.#fs.makeDirectory(directory)
      this.#made.set(directory, made)
      made.catch(() => this.#made.delete(directory))
    }
    return made
  }

  /** The names in the directory are durable on return, and so is its own, whoever made it. */
  async sync(directory: string): Promise<void> {
    await Promise.all([this.#syncJoined(directory), this.#durable.has(directory) ? undefined : this.#syncJoined(path.dirname(directory))])
    this.#durable.add(directory)
  }

  #syncJoined(directory: string): Promise<void> {
    const pending = this.#syncs.get(directory) ?? { running: undefined, next: undefined }
    this.#syncs.set(directory, pending)
    // A running one may have begun before the caller's name was there.
    pending.next ??= (pending.running ?? Promise.resolve()).catch(() => {}).then(() => {
      pending.running = pending.next
      pending.next = undefined
      return this.#fs.syncDirectory(directory).finally(() => {
        pending.running = undefined
        if (pending.next === undefined) this.#syncs.delete(directory)
      })
    })
    return pending.next
  }
}
