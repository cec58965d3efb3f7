/**
 * The catalog as the layers above call it. Changes that arrive while a transaction runs are the next one's group; reads go to
 * their own thread and see every change that has returned.
 */
import type { TallyError } from '../../../protocol/errors.ts'
import type { Run } from '../../../protocol/messages.ts'
import type { Quota, Usage } from '../quota.ts'
import type {
  Amendment, Catalog, DamagedFile, EventPage, EventQuery, Expired, ExpiryLimits, FileId, FileRecord, FindQuery, FoundPage, FoundRecord,
  Mark, NewTransfer, OwnedContent, Pair, Repair, ScrubPosition, StoredContent, Tagging, TransferId, TransferRecord, UnfinishedQuery,
  UnfinishedTransfer,
} from '../storage.ts'
import { fromPlain } from './failures.ts'
import type { Health } from './failures.ts'
import { type FoundColumns, foundRecords } from './found-columns.ts'
import type { FreeSpace } from './free-space.ts'
import type { FoundColumnsPage } from './queries.ts'
import type { Change, ChangeName, Outcome, Ran } from './transactions.ts'
import type { WorkerLink } from './worker-link.ts'

/** Checkpoints follow changes at this distance: rarely enough to be cheap, often enough to keep the WAL short. */
const CHECKPOINT_DELAY_MS = 500
/** In one transaction: of a thousand transfers that trickle the first must not wait for the last, nor all their bytes be in one message. */
const CHANGES_MAX = 128

interface Queued {
  readonly change: Change
  readonly resolve: (value: unknown) => void
  readonly reject: (error: TallyError) => void
}

export interface CatalogParts {
  /** Runs changes as one transaction, on whichever thread. */
  readonly run: (changes: readonly Change[]) => Promise<Ran>
  readonly reader: WorkerLink
  readonly checkpointer: WorkerLink
  readonly health: Health
  readonly free: FreeSpace
}

export class LocalCatalog implements Catalog {
  readonly #parts: CatalogParts
  #queue: Queued[] = []
  #pumping: Promise<void> | undefined
  #onEvents: (user: string) => void = () => {}
  #checkpointTimer: NodeJS.Timeout | undefined
  #isDraining = false

  constructor(parts: CatalogParts) {
    this.#parts = parts
  }

  async announce(transfer: NewTransfer): Promise<TransferRecord> {
    this.#parts.free.spend(0)
    const files = transfer.files.map(file => (file.meta === null ? file : { ...file, meta: compact(file.meta) }))
    return this.#change('announce', [{ ...transfer, files }]) as Promise<TransferRecord>
  }

  load(user: string, fid: string): Promise<TransferRecord | undefined> {
    return this.#parts.reader.call('load', [user, fid]) as Promise<TransferRecord | undefined>
  }

  complete(): Promise<readonly { user: string; fid: string }[]> {
    return this.#parts.reader.call('complete', []) as Promise<readonly { user: string; fid: string }[]>
  }

  unfinished(query: UnfinishedQuery): Promise<readonly UnfinishedTransfer[]> {
    return this.#parts.reader.call('unfinished', [query]) as Promise<readonly UnfinishedTransfer[]>
  }

  amend(amendment: Amendment, nowMs: number): Promise<void> {
    const files = amendment.files.map(file => (file.meta === undefined ? file : { ...file, meta: compact(file.meta) }))
    return this.#change('amend', [{ ...amendment, files }, nowMs]) as Promise<void>
  }

  tag(tagging: Tagging, nowMs: number): Promise<void> {
    return this.#change('tag', [tagging, nowMs]) as Promise<void>
  }

  async mark(marks: readonly Mark[], nowMs: number, quota?: Quota): Promise<void> {
    for (const { held } of marks) for (const { bytes } of held) this.#parts.free.spend(bytes.length)
    const compacted = marks.map(mark => ({
      ...mark,
      pages: mark.pages.map(({ page, bytes }) => ({ page, bytes: compact(bytes) })),
      held: mark.held.map(({ offsetBytes, bytes }) => ({ offsetBytes, bytes: compact(bytes) })),
    }))
    return this.#change('mark', [compacted, nowMs, quota]) as Promise<void>
  }

  usage(user: string): Promise<Usage> {
    return this.#parts.reader.call('usage', [user]) as Promise<Usage>
  }

  pairs(transfer: TransferId, uuids: readonly string[]): Promise<readonly Pair[]> {
    return this.#parts.reader.call('pairs', [transfer, uuids]) as Promise<readonly Pair[]>
  }

  store(file: FileId, digest: string, sizeBytes: number, nowMs: number, sums?: Uint8Array): Promise<void> {
    return this.#change('store', [file, digest, sizeBytes, nowMs, sums]) as Promise<void>
  }

  damaged(blob: FileId, runs: readonly Run[]): Promise<void> {
    return this.#change('damaged', [blob, runs]) as Promise<void>
  }

  contentFrom(blob: FileId): Promise<OwnedContent | undefined> {
    return this.#parts.reader.call('contentFrom', [blob]) as Promise<OwnedContent | undefined>
  }

  scrubPosition(): Promise<ScrubPosition | undefined> {
    return this.#parts.reader.call('scrubPosition', []) as Promise<ScrubPosition | undefined>
  }

  scrubbed(position: ScrubPosition): Promise<void> {
    return this.#change('scrubbed', [position]) as Promise<void>
  }

  isDamaged(transfer: TransferId): Promise<boolean> {
    return this.#parts.reader.call('isDamaged', [transfer]) as Promise<boolean>
  }

  damagedFiles(transfer: TransferId): Promise<readonly DamagedFile[]> {
    return this.#parts.reader.call('damagedFiles', [transfer]) as Promise<readonly DamagedFile[]>
  }

  beginRepairs(transfer: TransferId, nowMs: number): Promise<readonly FileRecord[]> {
    return this.#change('beginRepairs', [transfer, nowMs]) as Promise<readonly FileRecord[]>
  }

  repair(file: FileId): Promise<Repair | undefined> {
    return this.#parts.reader.call('repair', [file]) as Promise<Repair | undefined>
  }

  endRepair(file: FileId, blob: FileId): Promise<void> {
    return this.#change('endRepair', [file, blob]) as Promise<void>
  }

  reset(file: FileId): Promise<void> {
    return this.#change('reset', [file]) as Promise<void>
  }

  remove(transfer: TransferId, files: readonly FileId[] | undefined, nowMs: number): Promise<number> {
    return this.#change('remove', [transfer, files, nowMs]) as Promise<number>
  }

  async find(query: FindQuery): Promise<FoundPage> {
    const { sequence, files } = await this.#parts.reader.call('find', [query]) as FoundColumnsPage
    return { sequence, files: foundRecords(files) }
  }

  async found(user: string, files: readonly FileId[]): Promise<readonly FoundRecord[]> {
    return foundRecords(await this.#parts.reader.call('found', [user, files]) as FoundColumns)
  }

  events(query: EventQuery): Promise<EventPage> {
    return this.#parts.reader.call('events', [query]) as Promise<EventPage>
  }

  onEvents(listener: (user: string) => void): void {
    this.#onEvents = listener
  }

  content(user: string, wanted: { fid: string; file: number } | { digest: string }): Promise<StoredContent | undefined> {
    return this.#parts.reader.call('content', [user, wanted]) as Promise<StoredContent | undefined>
  }

  sums(blob: FileId, page: number): Promise<Uint8Array> {
    return this.#parts.reader.call('sums', [blob, page]) as Promise<Uint8Array>
  }

  expire(limits: ExpiryLimits): Promise<Expired> {
    return this.#change('expire', [limits]) as Promise<Expired>
  }

  garbage(limit: number): Promise<readonly FileId[]> {
    return this.#parts.reader.call('garbage', [limit]) as Promise<readonly FileId[]>
  }

  forget(blobs: readonly FileId[]): Promise<void> {
    return this.#change('forget', [blobs]) as Promise<void>
  }

  /** Resolves when every change asked for so far has its answer; no checkpoint is started after it. */
  async drain(): Promise<void> {
    this.#isDraining = true
    await this.#pumping
    clearTimeout(this.#checkpointTimer)
  }

  #change(op: ChangeName, args: readonly unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ change: { op, args }, resolve, reject })
      this.#pumping ??= this.#pump()
    })
  }

  async #pump(): Promise<void> {
    // A turn of the microtasks, so that what is asked for in one go is one group.
    await undefined
    while (this.#queue.length > 0) {
      const group = this.#queue.splice(0, CHANGES_MAX)
      try {
        this.#parts.health.check()
        const { outcomes, users, hasWritten } = await this.#parts.run(group.map(({ change }) => change))
        for (const [i, queued] of group.entries()) this.#settle(queued, outcomes[i] as Outcome)
        for (const user of users) this.#onEvents(user)
        if (hasWritten) this.#checkpointSoon()
      } catch (cause) {
        const error = this.#parts.health.failed(cause)
        for (const { reject } of group) reject(error)
      }
    }
    this.#pumping = undefined
  }

  #settle({ resolve, reject }: Queued, outcome: Outcome): void {
    if ('value' in outcome) resolve(outcome.value)
    else reject(this.#parts.health.failed(fromPlain(outcome.error)))
  }

  #checkpointSoon(): void {
    if (!this.#isDraining) this.#checkpointTimer ??= setTimeout(() => this.#checkpoint(), CHECKPOINT_DELAY_MS).unref()
  }

  async #checkpoint(): Promise<void> {
    let error: TallyError | undefined
    try {
      await this.#parts.checkpointer.call('checkpoint', [])
    } catch (cause) {
      // Nothing is lost by it: the WAL keeps its pages. But a disk that fails to sync fails everybody.
      error = this.#parts.health.failed(cause)
    }
    this.#checkpointTimer = undefined
    // Its thread could not start, say; there may be no further change that would try again.
    if (error?.code === 'busy') this.#checkpointSoon()
  }
}

/** Bytes with a buffer of their own: a view would take its whole buffer along to another thread. */
function compact(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes)
}
