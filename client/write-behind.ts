/**
 * The syncs of a file that is being written: the disk takes what is there while more comes, so that little is left for the end.
 */
import type { FileHandle } from 'node:fs/promises'

const SYNC_BYTES = 16_777_216

export class WriteBehind {
  readonly #handle: FileHandle
  #unsyncedBytes = 0
  #running: Promise<void> | undefined
  #failure: unknown

  constructor(handle: FileHandle) {
    this.#handle = handle
  }

  /** So much more was written. */
  wrote(bytes: number): void {
    this.#unsyncedBytes += bytes
    if (this.#unsyncedBytes < SYNC_BYTES || this.#running !== undefined) return
    this.#unsyncedBytes = 0
    const settled = (): void => { this.#running = undefined }
    this.#running = this.#handle.datasync().catch((cause: unknown) => { this.#failure ??= cause }).then(settled)
  }

  /** Everything that was written is durable. The first failure holds: the kernel forgets what it could not write. */
  async finish(): Promise<void> {
    await this.#running
    if (this.#failure !== undefined) throw this.#failure
    await this.#handle.sync()
  }
}
