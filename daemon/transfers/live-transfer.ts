/**
 * One transfer in memory: its files, the connections that have it open, and where an arriving chunk goes. Changes to its records
 * (announcing more, removing) run one at a time; chunks do not wait for them.
 */
import { createHash } from 'node:crypto'
import { ChunkIds, uuidToBytes, uuidToHex } from '../../protocol/chunk-id.ts'
import { TallyError, asTallyError } from '../../protocol/errors.ts'
import type { Acks, Authentication, ChunkWords, FileReport, OkFields, Place } from '../../protocol/messages.ts'
import { NO_QUOTA, type Quota } from '../storage/quota.ts'
import type { FileId, Store, TransferId, TransferRecord } from '../storage/storage.ts'
import { amendment } from './announcement.ts'
import { GroupCommit } from './commit.ts'
import { finish } from './finish.ts'
import type { Group } from './group.ts'
import { Meter } from './meter.ts'
import { OpaqueChunks } from './opaque.ts'
import { Pages } from './pages.ts'
import type { ChunkReply } from './reply.ts'
import { commonTags, retagged } from './tags.ts'
import { Upload, type UploadHost } from './upload.ts'

export interface TransferParts {
  readonly store: Store
  readonly nowMs: () => number
  /** May change; looked at each time. */
  readonly fileBytesMax: number
  /** Chunks of a file that is not complete yet were marked. */
  readonly onArrival: (user: string, file: FileId) => void
  /** A commit cycle failed; its chunks have been refused. */
  readonly onCommitFailure: (error: TallyError) => void
  /** A commit cycle ended well. */
  readonly onCommit: (chunks: number, bytes: number, durationMs: number) => void
  readonly onStored: (fid: string, file: number) => void
}

export class LiveTransfer implements UploadHost {
  readonly id: TransferId
  readonly user: string
  readonly fid: string
  readonly chunkSizeBytes: number
  readonly chunkIds: ChunkIds
  /** The daemon made the fid, so nobody else knows it before the first Ok. */
  readonly isMade: boolean
  readonly uploads: readonly Upload[]
  /** As last told by any connection; a connection that does not say takes this. */
  acks: Acks
  /** What the user may have, by the token that authenticated the transfer last. */
  quota: Quota = NO_QUOTA
  /** How fast its chunks become safe. */
  readonly meter = new Meter()
  /** Who needs it in memory: the connections that authenticated it, and work that concerns it. */
  readonly openedBy = new Set<object>()
  readonly #parts: TransferParts
  readonly #commit: GroupCommit
  readonly #opaque: OpaqueChunks
  #tags: readonly (readonly string[])[]
  #isGone = false
  #finishing = new Set<Promise<void>>()
  #changes: Promise<unknown> = Promise.resolve()
  /** Changes that have not ended. */
  #changing = 0
  readonly #allPages: Pages
  #pages = 0
  #isForgotten = false

  /** `pages`: those of all transfers. */
  constructor(record: TransferRecord, parts: TransferParts, pages = new Pages()) {
    this.id = record.id
    this.user = record.user
    this.fid = record.fid
    this.chunkSizeBytes = record.chunkSizeBytes
    this.acks = record.acks
    this.isMade = record.madeByDaemon
    this.#parts = parts
    this.#allPages = pages
    this.#commit = new GroupCommit(parts.store, this, parts.nowMs, {
      failed: parts.onCommitFailure,
      succeeded: (chunks, bytes, durationMs) => {
        this.meter.add(bytes, parts.nowMs())
        parts.onCommit(chunks, bytes, durationMs)
      },
      stored: upload => {
        void parts.store.contents.release(upload.blob)
        parts.onStored(this.fid, upload.number)
      },
    })
    this.chunkIds = new ChunkIds(createHash('sha256').update(uuidToBytes(record.fid)).digest())
    this.uploads = record.files.map(file => new Upload(file, record.id, record.chunkSizeBytes, this))
    this.#tags = shared(record.files.map(({ tags }) => tags))
    this.#opaque = new OpaqueChunks(record.id, parts.store.catalog, this.uploads, record.pairCount)
    for (const upload of this.uploads) if (upload.isComplete) this.complete(upload)
  }

  get fileBytesMax(): number {
    return this.#parts.fileBytesMax
  }

  get isGone(): boolean {
    return this.#isGone
  }

  /** Something is under way that needs this object. */
  get isBusy(): boolean {
    return this.openedBy.size > 0 || this.#finishing.size > 0 || this.#changing > 0 || this.#opaque.isLookingUp || this.uploads.some(({ hasPending }) => hasPending)
  }

  /** Opaque chunks were placed here: their UUIDs mean these places whatever comes later. */
  get hasPairs(): boolean {
    return this.#opaque.hasPairs
  }

  /** Every file is stored or removed, and nothing is asked of it that only this object knows. */
  get mayRest(): boolean {
    return !this.hasPairs && this.#finishing.size === 0 && this.#changing === 0 && this.uploads.every(({ state, hasPending }) => state !== 'receiving' && !hasPending)
  }

  /** No chunk came yet and no file is stored: what a made fid is dropped for when its connection closes. */
  get isUntouched(): boolean {
    return this.uploads.every(({ isUntouched }) => isUntouched)
  }

  /** A connection authenticated the transfer: from now on it is the one that fills it with opaque chunks. */
  fillBy(connection: object): void {
    this.#opaque.filledBy(connection)
  }

  /** Takes a numbered chunk, whose id was decoded with `chunkIds`. The reply comes exactly once. */
  receiveNumbered(file: number, chunk: number, data: Uint8Array, reply: ChunkReply): void {
    const upload = this.uploads[file]
    if (upload === undefined) reply.refused(new TallyError('chunk-unknown', `the transfer has no file ${file}`))
    else upload.receive(chunk, data, 'numbered', reply)
  }

  /** Takes an opaque chunk from a connection, which has these other transfers open. The reply comes exactly once. */
  receiveOpaque(chunk: ChunkWords, data: Uint8Array, reply: ChunkReply, sender: object, others: readonly LiveTransfer[] = []): void {
    const opaque = others.length === 0 ? [] : others.map(other => other.#opaque)
    this.#opaque.receive(uuidToHex(chunk), data, reply, sender, opaque)
  }

  /** An opaque chunk was answered with an Error before it came here: new ones have to wait for it all the same. */
  refusedOpaque(chunk: ChunkWords, sender: object): void {
    this.#opaque.refused(uuidToHex(chunk), sender)
  }

  /**
   * What AUTHENTICATION tells about a known transfer; durable on return. Throws `conflict` and the codes of an announcement, and then
   * nothing has changed.
   */
  amend(message: Authentication, quota = this.quota): Promise<void> {
    return this.#exclusively(async () => {
      if (this.#isGone) throw new TallyError('conflict', 'the transfer was removed', { state: 'gone' })
      const changes = amendment(message, this.id, this.uploads, this.#tags, this.fileBytesMax)
      if (changes.files.length > 0 || (changes.acks !== undefined && changes.acks !== this.acks)) {
        const told = changes.files.map(change => ({ change, upload: this.#upload(change.id) }))
        for (const { change, upload } of told) {
          // Both hold from the turn that judged them: another connection's chunk may complete the file before they are written down.
          upload.sizeToldBytes = change.sizeBytes ?? null
          upload.digest ??= change.digest ?? null
        }
        try {
          await this.#parts.store.catalog.amend({ ...changes, quota }, this.#parts.nowMs())
        } catch (cause) {
          for (const { change, upload } of told) if (change.digest !== undefined && upload.state === 'receiving') upload.digest = null
          throw cause
        } finally {
          for (const { upload } of told) upload.sizeToldBytes = null
        }
        const tags = [...this.#tags]
        for (const { change, upload } of told) {
          upload.sizeBytes = change.sizeBytes ?? upload.sizeBytes
          upload.expiresMs = change.expiresMs ?? upload.expiresMs
          tags[upload.number] = [...(tags[upload.number] ?? []), ...(change.addTags ?? [])]
        }
        this.#tags = shared(tags)
        this.acks = changes.acks ?? this.acks
      }
      this.quota = quota
      await this.#beginRepairs()
      for (const upload of this.uploads) if (upload.isComplete) this.complete(upload)
      await this.emptyFilesStored()
    })
  }

  /**
   * Adds and removes tags of a file (undefined: of all that are there), durably; answers the tags that the file has then, or that all
   * of them have. Throws `not-found`, and `tag-invalid` where a file would have too many; then nothing has changed.
   */
  tag(file: number | undefined, add: readonly string[], remove: readonly string[]): Promise<readonly string[]> {
    return this.#exclusively(async () => {
      const targets = this.uploads.filter(({ number, state }) => state !== 'removed' && (file === undefined || number === file))
      if (targets.length === 0) throw new TallyError('not-found', 'there is no such file')
      const told = targets.map(({ number }) => ({ number, tags: retagged(this.#tags[number] ?? [], add, remove, number) }))
      if (add.length + remove.length > 0) {
        await this.#parts.store.catalog.tag({ transfer: this.id, files: targets.map(({ id }) => id), add, remove }, this.#parts.nowMs())
        const after = [...this.#tags]
        for (const { number, tags } of told) after[number] = tags
        this.#tags = shared(after)
      }
      return commonTags(told.map(({ tags }) => tags))
    })
  }

  /** A file of 0 bytes is stored at once: waits for those. Throws `storage-failed` if one could not be. */
  async emptyFilesStored(): Promise<void> {
    if (!this.uploads.some(isEmptyAndNotStored)) return
    await Promise.all(this.#finishing)
    if (this.uploads.some(isEmptyAndNotStored)) throw new TallyError('storage-failed', 'an empty file could not be stored')
  }

  /** Everything that arrived before this call is marked or refused. */
  settled(): Promise<void> {
    return this.#commit.settled()
  }

  /** Everything pending is decided, finishing included. */
  async drained(): Promise<void> {
    await this.settled()
    await Promise.all(this.#finishing)
    await this.#changes
  }

  /**
   * Removes files (undefined: all), durably: no chunk is accepted any more, unanswered ones get `chunk-unknown`. Answers how many were
   * removed. Throws `not-found` where the file is not there.
   */
  remove(file: number | undefined): Promise<number> {
    return this.#exclusively(async () => {
      const wanted = file === undefined ? this.uploads : this.uploads.filter(({ number }) => number === file)
      const targets = wanted.filter(({ state }) => state !== 'removed')
      if (targets.length === 0 && (file !== undefined || this.#isGone)) throw new TallyError('not-found', 'there is no such file')
      const all = this.uploads.every(upload => upload.state === 'removed' || targets.includes(upload))
      for (const upload of targets) upload.close()
      if (all) this.#isGone = true
      try {
        await this.settled()
        await Promise.all(this.#finishing)
        const ids = all ? undefined : targets.map(({ id }) => id)
        await this.#parts.store.catalog.remove(this.id, ids, this.#parts.nowMs())
      } catch (cause) {
        for (const upload of targets) upload.reopen()
        this.#isGone = false
        throw asTallyError(cause)
      }
      for (const upload of targets) upload.removed()
      await Promise.all(targets.map(({ blob }) => this.#parts.store.contents.release(blob)))
      return targets.length
    })
  }

  /** The report of AUTHENTICATION's Ok: at most so many runs, strictly after a place; `more` is the last place listed. */
  report(runsMax: number, after: Place | undefined): Pick<OkFields, 'more'> & { readonly files: readonly FileReport[] } {
    const files: FileReport[] = []
    let runsLeft = runsMax
    let last: Place | undefined
    let more: Place | undefined
    for (const upload of this.uploads) {
      const from = after === undefined || upload.number > after[0] ? 0 : upload.number === after[0] ? after[1] + 1 : Infinity
      // One run more than may be listed tells whether anything is left; past the cut a file shows its state only.
      const report = upload.report(more === undefined ? runsLeft + 1 : 0, from)
      const missing = report.missing.slice(0, runsLeft)
      const lastRun = missing.at(-1)
      if (lastRun !== undefined) last = [upload.number, lastRun[0] + lastRun[1] - 1]
      if (report.missing.length > missing.length) more = last
      runsLeft -= missing.length
      files.push({ ...report, missing })
    }
    return { files, ...(more === undefined ? {} : { more }) }
  }

  /** It is not in memory any more, but for what still ends. */
  forgotten(): void {
    this.#allPages.count(this.user, -this.#pages)
    for (const { held } of this.uploads) held.forget()
    this.#isForgotten = true
  }

  // What the uploads need (UploadHost).

  pagesTaken(pages: number): void {
    if (this.#isForgotten) return
    this.#pages += pages
    this.#allPages.count(this.user, pages)
  }

  get hasRoomForPage(): boolean {
    return this.#allPages.hasRoom(this.user)
  }

  gathered(upload: Upload): void {
    this.#commit.add(upload)
  }

  complete(upload: Upload): void {
    if (upload.isFinishing) return
    const job: Promise<void> = finish(upload, this.#parts.store, this.#parts.nowMs).finally(() => {
      this.#finishing.delete(job)
      if (upload.state === 'stored') this.#parts.onStored(this.fid, upload.number)
    })
    this.#finishing.add(job)
  }

  arrived(upload: Upload): void {
    this.#parts.onArrival(this.user, upload.id)
  }

  opaqueFailed(group: Group): void {
    this.#opaque.failed(group)
  }

  opaqueMismatched(upload: Upload): void {
    this.#opaque.mismatched(upload)
  }

  /** Whoever may put and says what they have is asked for the chunks of what was damaged since. */
  async #beginRepairs(): Promise<void> {
    const { catalog } = this.#parts.store
    const concerned = this.uploads.filter(({ state, repair }) => state === 'stored' || repair !== null)
    if (concerned.length === 0) return
    const records = await catalog.isDamaged(this.id) ? await catalog.beginRepairs(this.id, this.#parts.nowMs()) : []
    const byId = new Map(records.map(record => [record.id, record]))
    for (const upload of concerned) upload.noteRepair(byId.get(upload.id))
  }

  #upload(id: number): Upload {
    return this.uploads.find(upload => upload.id === id) as Upload
  }

  #exclusively<T>(change: () => Promise<T>): Promise<T> {
    this.#changing++
    const run = this.#changes.then(change).finally(() => this.#changing--)
    this.#changes = run.catch(() => undefined)
    return run
  }
}

/** The same lists, equal ones as one: 64 tags on each of 4,096 files are 64 strings, not 262,144. */
function shared(lists: readonly (readonly string[])[]): readonly (readonly string[])[] {
  const known = new Map<string, readonly string[]>()
  return lists.map(list => {
    const key = list.join('\n')
    const equal = known.get(key) ?? list
    known.set(key, equal)
    return equal
  })
}

function isEmptyAndNotStored(upload: Upload): boolean {
  return upload.sizeBytes === 0 && upload.isComplete
}
