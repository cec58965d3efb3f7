/**
 * The transfers that are in memory, by user and fid: loaded when a connection asks for them, kept while one has them open, and let go
 * when idle. It is the one place that says which transfer a user may touch: only their own.
 */
import { TallyError, asTallyError } from '../../protocol/errors.ts'
import type { Quota } from '../storage/quota.ts'
import type { DamagedFile, NewTransfer, TransferId, TransferRecord, UnfinishedQuery, UnfinishedTransfer } from '../storage/storage.ts'
import { LiveTransfer, type TransferParts } from './live-transfer.ts'
import { Pages } from './pages.ts'

/** Files of transfers in memory: what `busy` protects. One user may take half of it. */
const LIVE_FILES_MAX = 100_000
const IDLE_MS = 20_000

export interface Opened {
  readonly transfer: LiveTransfer
  /** Announced just now. */
  readonly isNew: boolean
}

export class Registry {
  readonly #parts: TransferParts
  readonly #live = new Map<string, LiveTransfer>()
  readonly #loading = new Map<string, Promise<LiveTransfer | undefined>>()
  readonly #idleSinceMs = new Map<LiveTransfer, number>()
  #expiring: Promise<void> | undefined
  readonly #filesMax: number
  readonly #pages: Pages
  readonly #onDropped: (user: string, fid: string) => void
  #files = 0
  readonly #filesOf = new Map<string, number>()

  /** `onDropped`: a transfer of this user is not in memory any more. */
  constructor(
    parts: TransferParts, filesMax = LIVE_FILES_MAX, onDropped: (user: string, fid: string) => void = () => undefined, pages = new Pages(),
  ) {
    this.#parts = parts
    this.#filesMax = filesMax
    this.#onDropped = onDropped
    this.#pages = pages
  }

  /**
   * The user's transfer, from memory or loaded; where there is none and `announce` is given, a new one, durable on return (`isNew`).
   * It stays in memory until `leave` is called for the same holder: two copies of one transfer would each mark without the other's chunks.
   * Throws `conflict` with `state: gone`, `busy`, and what `announce` throws.
   */
  async open(holder: object, user: string, fid: string, announce?: () => NewTransfer | Promise<NewTransfer>): Promise<Opened | undefined> {
    const key = keyOf(user, fid)
    for (;;) {
      const live = this.#live.get(key)
      if (live !== undefined) {
        live.openedBy.add(holder)
        this.#idleSinceMs.delete(live)
        return { transfer: live, isNew: false }
      }
      const before = this.#loading.get(key) ?? this.#expiring
      if (before === undefined) break
      // Whoever came first decides what there is; then look again.
      await before.catch(() => undefined)
    }
    let isNew = false
    let quota: Quota | undefined
    const loading = (async () => {
      let record = await this.#parts.store.catalog.load(user, fid)
      if (record?.state === 'gone') {
        throw new TallyError('conflict', 'the transfer was removed or has expired; its fid cannot be used again yet', { state: 'gone' })
      }
      if (record === undefined && announce !== undefined) {
        const wanted = await announce()
        // Before it is durable: whoever is told `busy` must not find it announced.
        this.#claim(user, wanted.files.length)
        record = await this.#parts.store.catalog.announce(wanted).catch(cause => {
          this.#count(user, -wanted.files.length)
          throw cause
        })
        quota = wanted.quota
        isNew = true
      } else if (record !== undefined) this.#claim(user, record.files.length)
      return record === undefined ? undefined : this.#add(key, record, holder, quota)
    })()
    this.#loading.set(key, loading)
    try {
      const transfer = await loading
      if (transfer === undefined) return undefined
      return { transfer, isNew }
    } catch (cause) {
      throw asTallyError(cause)
    } finally {
      this.#loading.delete(key)
    }
  }

  /** The transfer, if it is in memory. */
  inMemory(user: string, fid: string): LiveTransfer | undefined {
    return this.#live.get(keyOf(user, fid))
  }

  /** Transfers with files that are not stored yet, in memory or not. */
  unfinished(query: UnfinishedQuery): Promise<readonly UnfinishedTransfer[]> {
    return this.#parts.store.catalog.unfinished(query)
  }

  /** A transfer's stored files whose content is known to be damaged. */
  damagedFiles(transfer: TransferId): Promise<readonly DamagedFile[]> {
    return this.#parts.store.catalog.damagedFiles(transfer)
  }

  /** How many are in memory. */
  get count(): number {
    return this.#live.size
  }

  /** A connection does not have the transfer open any more. A made fid without any chunk is dropped. */
  async leave(transfer: LiveTransfer, connection: object): Promise<void> {
    transfer.openedBy.delete(connection)
    if (transfer.openedBy.size > 0 || !transfer.isMade || transfer.isGone || !transfer.isUntouched) return
    await this.remove(transfer, undefined)
  }

  /** Removes a file or the whole transfer, durably; answers how many files went. */
  async remove(transfer: LiveTransfer, file: number | undefined): Promise<number> {
    const removed = await transfer.remove(file)
    if (transfer.isGone) this.#drop(transfer)
    return removed
  }

  /**
   * Runs an expiry, one after the other, that leaves alone what is in memory; nothing is loaded meanwhile, so nothing can expire under
   * anybody's feet.
   */
  async expire(run: (inUse: ReadonlySet<TransferId>) => Promise<unknown>): Promise<void> {
    const before = this.#expiring
    const expiring = (async () => {
      await before?.catch(() => undefined)
      // From here on nobody begins to load; who has begun is in memory when this is over.
      await Promise.allSettled(this.#loading.values())
      await run(new Set([...this.#live.values()].map(({ id }) => id)))
    })()
    this.#expiring = expiring
    try {
      await expiring
    } finally {
      if (this.#expiring === expiring) this.#expiring = undefined
    }
  }

  /** Lets go of what nobody has used for a while. Called every few seconds. */
  letGo(nowMs: number): void {
    for (const transfer of this.#live.values()) {
      if (transfer.isBusy) this.#idleSinceMs.delete(transfer)
      else if (!this.#idleSinceMs.has(transfer)) this.#idleSinceMs.set(transfer, nowMs)
      else if (nowMs - (this.#idleSinceMs.get(transfer) ?? nowMs) >= IDLE_MS) this.#letGoOf(transfer)
    }
  }

  #letGoOf(transfer: LiveTransfer): void {
    this.#drop(transfer)
    for (const { blob } of transfer.uploads) void this.#parts.store.contents.release(blob)
  }

  /** Everything that is pending or finishing has been decided. */
  async settled(): Promise<void> {
    for (const transfer of this.#live.values()) await transfer.drained()
  }

  #add(key: string, record: TransferRecord, holder: object, quota: Quota | undefined): LiveTransfer {
    const transfer = new LiveTransfer(record, this.#parts, this.#pages)
    transfer.quota = quota ?? transfer.quota
    transfer.openedBy.add(holder)
    this.#live.set(key, transfer)
    return transfer
  }

  #drop(transfer: LiveTransfer): void {
    const key = keyOf(transfer.user, transfer.fid)
    if (this.#live.get(key) !== transfer) return
    this.#live.delete(key)
    this.#idleSinceMs.delete(transfer)
    this.#count(transfer.user, -transfer.uploads.length)
    transfer.forgotten()
    this.#onDropped(transfer.user, transfer.fid)
  }

  /** Counts so many files more. Who is idle makes room at once. Throws `busy`. */
  #claim(user: string, files: number): void {
    const hasRoom = (): boolean => this.#files + files <= this.#filesMax && (this.#filesOf.get(user) ?? 0) + files <= this.#filesMax / 2 && this.#pages.hasRoom(user)
    for (const transfer of this.#live.values()) {
      if (hasRoom()) break
      if (!transfer.isBusy) this.#letGoOf(transfer)
    }
    if (!hasRoom()) throw new TallyError('busy', 'too many transfers are open', { limit: this.#filesMax / 2, 'retry-after': 5_000 })
    this.#count(user, files)
  }

  #count(user: string, files: number): void {
    this.#files += files
    const after = (this.#filesOf.get(user) ?? 0) + files
    if (after > 0) this.#filesOf.set(user, after)
    else this.#filesOf.delete(user)
  }
}

function keyOf(user: string, fid: string): string {
  return `${fid}${user}`
}
