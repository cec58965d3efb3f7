/**
 * The group commit of one transfer: one cycle at a time over its files. Bytes first, then the mark, then the answer (product.md, promise
 * 1). What arrives while a cycle runs is the next one's group, so the size of the groups adapts to the disk and no timer is needed.
 * Transfers have a cycle each, so that one that trickles does not wait for another's flood; the catalog joins their marks into one
 * transaction.
 */
import { type TallyError, asTallyError } from '../../protocol/errors.ts'
import { checkQuota, NO_QUOTA, type Quota } from '../storage/quota.ts'
import type { Mark, Store } from '../storage/storage.ts'
import type { Extent } from './extents.ts'
import { storeUnmarked } from './finish.ts'
import type { Group } from './group.ts'
import type { HeldChange } from './held.ts'
import type { Upload } from './upload.ts'

/** A cycle of up to so many bytes writes them with the mark: one sync instead of two. */
const HELD_CYCLE_BYTES_MAX = 16_384
/** A file of one chunk of up to so many bytes is stored in its cycle, without a mark before. */
const STORED_UNMARKED_BYTES_MAX = 65_536

/** What one upload gathered, from now on its share of a cycle. */
interface Taken {
  readonly upload: Upload
  readonly group: Group
}

interface Share extends Taken {
  /** The bytes travel with the mark, or what was held before is released. */
  readonly change: HeldChange
  /** The bytes, and what was held before, go to the blob. */
  readonly toBlob: boolean
}

/** What the commit of a transfer tells. */
export interface CommitEvents {
  failed(error: TallyError): void
  succeeded(chunks: number, bytes: number, durationMs: number): void
  /** A file was stored in its cycle. */
  stored(upload: Upload): void
}

/** Whose chunks they are, and what that user may have. */
export interface Account {
  readonly user: string
  readonly quota: Quota
}

export class GroupCommit {
  readonly #store: Store
  readonly #account: Account
  readonly #nowMs: () => number
  readonly #events: CommitEvents
  #gathered = new Set<Upload>()
  #running: Promise<void> | undefined
  /** Of held bytes, beside the cycles. */
  readonly #moves = new Set<Promise<void>>()
  #scheduled = false

  constructor(store: Store, account: Account, nowMs: () => number, events: CommitEvents) {
    this.#store = store
    this.#account = account
    this.#nowMs = nowMs
    this.#events = events
  }

  /** The upload has a group. It is taken when the running cycle ends, or once everything that can be read now has been read. */
  add(upload: Upload): void {
    this.#gathered.add(upload)
    if (this.#running !== undefined || this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#start()
    })
  }

  /** Resolves when everything gathered before this call was answered, and nothing is written to a blob any more. */
  async settled(): Promise<void> {
    this.#start()
    await this.#running
    // What was gathered during that cycle was gathered before this call only if the cycle was running already.
    this.#start()
    await this.#running
    await Promise.all(this.#moves)
  }

  #start(): void {
    if (this.#running !== undefined || this.#gathered.size === 0) return
    this.#running = this.#cycle().finally(() => {
      this.#running = undefined
      this.#start()
    })
  }

  async #cycle(): Promise<void> {
    const uploads = this.#gathered
    this.#gathered = new Set()
    const shares: Share[] = []
    let cycleBytes = 0
    const taken: Taken[] = []
    for (const upload of uploads) {
      const group = upload.take()
      if (group !== undefined) taken.push({ upload, group })
    }
    const groups = this.#quotaOf(taken) === undefined ? taken : await this.#affordable(taken)
    for (const { group } of groups) cycleBytes += group.extents.lengthBytes
    // Without a sync there is none to save.
    const mayHold = this.#store.durability === 'power' && cycleBytes <= HELD_CYCLE_BYTES_MAX
    for (const { upload, group } of groups) shares.push(divide(upload, group, mayHold))
    const startMs = performance.now()
    let marked: readonly Share[] = shares
    try {
      await this.#writeBytes(shares)
      const isStored = await Promise.all(shares.map(share => this.#storeUnmarked(share)))
      marked = shares.filter((_, i) => isStored[i] !== true)
      try {
        await this.#mark(marked)
      } catch (cause) {
        // Other transfers of the user grew meanwhile. Sizes that were told are paid for: only the others are too much.
        if (asTallyError(cause).code !== 'quota-exceeded') throw cause
        const growing = marked.filter(isGrowing)
        marked = marked.filter(share => !isGrowing(share))
        this.#refuse(growing, cause)
        await this.#mark(marked)
      }
    } catch (cause) {
      this.#refuse(marked, cause)
      return
    }
    this.#events.succeeded(groups.reduce((sum, { group }) => sum + group.order.length, 0), cycleBytes, performance.now() - startMs)
    for (const { upload, group, change, toBlob } of marked) {
      upload.held.changed(change)
      if (toBlob) group.extents.recycle()
      upload.committed(group)
      if (toBlob) this.#advance(upload)
      else this.#move(upload)
    }
  }

  /** Answers whether the share is decided: its file is stored, or was refused. */
  async #storeUnmarked(share: Share): Promise<boolean> {
    const { upload, group } = share
    if (!upload.isWholly(group) || group.extents.lengthBytes > STORED_UNMARKED_BYTES_MAX) return false
    let digest: string | undefined
    try {
      digest = await storeUnmarked(upload, this.#store, this.#nowMs)
    } catch (cause) {
      this.#refuse([share], cause)
      return true
    }
    if (digest === undefined) return false
    group.extents.recycle()
    upload.storedWholly(group, digest)
    this.#events.stored(upload)
    return true
  }

  #move(upload: Upload): void {
    const { contents } = this.#store
    const { blob, held } = upload
    held.move(async runs => {
      await allEnded(runs.map(({ offsetBytes, pieces }) => contents.write(blob, offsetBytes, pieces)))
      await contents.sync([blob])
    }, () => this.#advance(upload))
    const { moving } = held
    if (moving === undefined || this.#moves.has(moving)) return
    this.#moves.add(moving)
    void moving.then(() => this.#moves.delete(moving))
  }

  /** Tells how far the blob is whole from its start, so that it can be hashed behind. */
  #advance(upload: Upload): void {
    if (upload.state !== 'receiving' || upload.isFinishing || upload.repair !== null) return
    const markedBytes = Math.min(upload.marked.firstMissing() * upload.chunkSizeBytes, upload.sizeBytes ?? Number.MAX_SAFE_INTEGER)
    this.#store.contents.advance(upload.blob, upload.held.list.reduce((least, { offsetBytes }) => Math.min(least, offsetBytes), markedBytes))
  }

  /**
   * What would lead files of unknown size beyond the quota is refused before a byte of it is written: it would take room that nobody
   * counts. Whether it fits is decided by `mark`, as other transfers of the user grow meanwhile.
   */
  async #affordable(taken: readonly Taken[]): Promise<readonly Taken[]> {
    const growing = taken.filter(isGrowing)
    const bytes = growing.reduce((sum, { group }) => sum + group.extents.lengthBytes, 0)
    const { user, quota } = this.#account
    try {
      checkQuota(await this.#store.catalog.usage(user), { bytes, files: 0 }, quota)
      return taken
    } catch (cause) {
      // A size that was told meanwhile is in what was answered, chunks included.
      const refused = growing.filter(each => isGrowing(each) && each.upload.sizeToldBytes === null)
      this.#refuse(refused, cause)
      return taken.filter(each => !refused.includes(each))
    }
  }

  /** The quota that these have to keep to; undefined where none can be exceeded: a size that was told is counted already. */
  #quotaOf(taken: readonly Taken[]): Quota | undefined {
    const { quota } = this.#account
    return quota.bytesMax < NO_QUOTA.bytesMax && taken.some(isGrowing) ? quota : undefined
  }

  #refuse(taken: readonly Taken[], cause: unknown): void {
    const error = asTallyError(cause)
    if (error.code !== 'quota-exceeded') this.#events.failed(error)
    for (const { upload, group } of taken) upload.failed(group, error)
  }

  /** Durable on return, but for what travels with the mark. */
  async #writeBytes(shares: readonly Share[]): Promise<void> {
    const { contents } = this.#store
    const writes: Promise<void>[] = []
    for (const { upload, toBlob } of shares) if (toBlob) await upload.held.moving
    for (const { upload, group, toBlob } of shares) {
      if (!toBlob) continue
      for (const { offsetBytes, pieces } of upload.held.runs) writes.push(contents.write(upload.blob, offsetBytes, pieces))
      for (const { offsetBytes, pieces } of group.extents.seal()) writes.push(contents.write(upload.blob, offsetBytes, pieces))
    }
    if (writes.length > 0) {
      await allEnded(writes)
      await contents.sync(shares.filter(({ toBlob }) => toBlob).map(({ upload }) => upload.blob))
    }
  }

  async #mark(shares: readonly Share[]): Promise<void> {
    const marks: Mark[] = []
    for (const { upload, group, change } of shares) if (group.order.length > 0) marks.push(upload.mark(group, change))
    if (marks.length > 0) await this.#store.catalog.mark(marks, this.#nowMs(), this.#quotaOf(shares))
  }
}

/** All have to end, also after a failure: their buffers and places are used again. Throws the first failure then. */
async function allEnded(writes: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(writes)).find(result => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

/** Its size is not told, so each chunk counts anew. */
function isGrowing({ upload }: Taken): boolean {
  return upload.sizeBytes === null
}

function divide(upload: Upload, group: Group, mayHold: boolean): Share {
  const bytes = group.extents.lengthBytes
  if (bytes === 0) return { upload, group, change: upload.held.keeping(), toBlob: false }
  // A file that is full now is read back for its digest next, so its bytes have to be in the blob.
  if (!mayHold || !upload.held.hasRoomFor(bytes) || upload.isFull) {
    return { upload, group, change: upload.held.releasing(), toBlob: true }
  }
  const held = group.extents.seal().map(extent => ({ offsetBytes: extent.offsetBytes, bytes: joined(extent) }))
  group.extents.recycle()
  return { upload, group, change: upload.held.adding(held), toBlob: false }
}

/** One array with memory of its own: it crosses to another thread, and a view would take all of its buffer along. */
function joined({ pieces, lengthBytes }: Extent): Uint8Array {
  const bytes = new Uint8Array(lengthBytes)
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.length
  }
  return bytes
}
