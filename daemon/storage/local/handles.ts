/**
 * Open descriptors of the blobs that are being written, at most so many. One is closed only when nobody uses it and everything
 * written through it is synced: a failure of the kernel's later write would otherwise be told to nobody.
 */
import type { FileId } from '../storage.ts'

export interface Handle {
  readonly blob: FileId
  readonly fd: number
  users: number
  /** Counts the writes that are over; what was synced is what had been counted when the sync began. */
  written: number
  synced: number
  /** The blob's name is durable. Unknown, hence false, for each descriptor anew. */
  isNameDurable: boolean
  /** Nobody is going to write soon: close once it is idle. */
  isReleased: boolean
  closing: Promise<void> | undefined
}

/** How many are closed at once where there are too many: each may need a sync first. */
const ROOM_MADE = 32

export interface HandleActions {
  open(blob: FileId): Promise<number>
  /** Makes everything written so far durable. */
  sync(handle: Handle): Promise<void>
  close(fd: number): Promise<void>
}

export class Handles {
  readonly #actions: HandleActions
  readonly #max: number
  /** Oldest use first. */
  readonly #open = new Map<FileId, Handle>()
  readonly #opening = new Map<FileId, Promise<Handle>>()
  readonly #waiting: (() => void)[] = []
  /** Those that need room wait in line: only the first one looks for it. */
  #line: Promise<unknown> = Promise.resolve()

  constructor(actions: HandleActions, max: number) {
    this.#actions = actions
    this.#max = max
  }

  /** The open handle, counted as used by the caller; undefined where it has to be opened first. */
  use(blob: FileId): Handle | undefined {
    const handle = this.#open.get(blob)
    if (handle === undefined || handle.closing !== undefined) return undefined
    handle.users++
    handle.isReleased = false
    this.#open.delete(blob)
    this.#open.set(blob, handle)
    return handle
  }

  /** The handle, counted as used by the caller; waits while too many are open. */
  async acquire(blob: FileId): Promise<Handle> {
    for (;;) {
      const handle = this.use(blob)
      if (handle !== undefined) return handle
      const closing = this.#open.get(blob)?.closing
      const opening = this.#opening.get(blob)
      if (closing !== undefined) await closing
      else if (opening !== undefined) await opening
      else if (!this.#isFull) return this.#openBlob(blob)
      else await this.#waitForRoom()
    }
  }

  get #isFull(): boolean {
    return this.#open.size + this.#opening.size >= this.#max
  }

  /** The caller is done with the handle. */
  done(handle: Handle): void {
    handle.users--
    if (handle.users > 0) return
    if (handle.isReleased && handle.written === handle.synced) void this.#close(handle)
    this.#wake()
  }

  /** Closes the blob's descriptor as soon as nobody uses it and it is synced. */
  release(blob: FileId): void {
    const handle = this.#open.get(blob)
    if (handle === undefined || handle.closing !== undefined) return
    handle.isReleased = true
    if (handle.users === 0 && handle.written === handle.synced) void this.#close(handle)
  }

  /** Closes the blob's descriptor, synced or not, when the last user is done with it. */
  async drop(blob: FileId): Promise<void> {
    await this.#opening.get(blob)?.catch(() => {})
    for (let handle = this.#open.get(blob); handle !== undefined; handle = this.#open.get(blob)) {
      if (handle.closing !== undefined) await handle.closing
      else if (handle.users === 0) await this.#close(handle)
      else await new Promise<void>(resolve => this.#waiting.push(resolve))
    }
  }

  async closeAll(): Promise<void> {
    for (const blob of [...this.#open.keys(), ...this.#opening.keys()]) await this.drop(blob)
  }

  /** The handle, counted as used by the caller. */
  #openBlob(blob: FileId): Promise<Handle> {
    const opening = this.#actions.open(blob).then(fd => {
      const handle: Handle = { blob, fd, users: 1, written: 0, synced: 0, isNameDurable: false, isReleased: false, closing: undefined }
      this.#open.set(blob, handle)
      return handle
    }).finally(() => {
      this.#opening.delete(blob)
      this.#wake()
    })
    this.#opening.set(blob, opening)
    return opening
  }

  #waitForRoom(): Promise<unknown> {
    const turn = this.#line.catch(() => {}).then(async () => {
      while (this.#isFull) await this.#makeRoom()
    })
    this.#line = turn
    return turn
  }

  /** Closes the longest idle ones, syncing them first where they need it; where none is idle, waits for something to change. */
  async #makeRoom(): Promise<void> {
    const idle: Handle[] = []
    for (const handle of this.#open.values()) {
      if (handle.users === 0 && handle.closing === undefined) idle.push(handle)
      if (idle.length === ROOM_MADE) break
    }
    if (idle.length === 0) return new Promise<void>(resolve => this.#waiting.push(resolve))
    await Promise.all(idle.map(handle => this.#evict(handle)))
  }

  async #evict(handle: Handle): Promise<void> {
    if (handle.written !== handle.synced) {
      handle.users++
      await this.#actions.sync(handle).finally(() => this.done(handle))
    }
    if (handle.users === 0 && handle.closing === undefined && handle.written === handle.synced) await this.#close(handle)
  }

  #close(handle: Handle): Promise<void> {
    handle.closing ??= this.#actions.close(handle.fd).finally(() => {
      this.#open.delete(handle.blob)
      this.#wake()
    })
    return handle.closing
  }

  #wake(): void {
    for (const resume of this.#waiting.splice(0)) resume()
  }
}
