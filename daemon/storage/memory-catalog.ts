/**
 * The catalog of the memory store: the contract in its plainest form, to test against and to read first. Every method changes
 * plain maps at once and answers a moment later, so that callers meet the same interleavings as with a disk.
 */
import { TallyError } from '../../protocol/errors.ts'
import type { Run } from '../../protocol/messages.ts'
import { CHUNKS_PER_PAGE, ChunkSet } from '../../protocol/chunk-set.ts'
import { blockCount, chunksTouching, mergeRuns, rangeOfChunks, SUM_BYTES, SUMS_PER_PAGE, withoutRuns } from './blocks.ts'
import { fileMatcher } from './match.ts'
import { forgetEvents, type MemoryEvents, readEvents, tellEvent } from './memory-events.ts'
import { checkQuota, type Quota, type Usage } from './quota.ts'
import type {
  Amendment, Catalog, DamagedFile, EventKind, EventPage, EventQuery, Expired, ExpiryLimits, FileId, FileRecord, FindQuery, FoundPage,
  FoundRecord, HeldBytes, Mark, NewFile, NewTransfer, OwnedContent, Pair, Repair, ScrubPosition, StoredContent, Tagging, TransferId,
  TransferRecord, UnfinishedQuery, UnfinishedTransfer,
} from './storage.ts'

interface MemoryFile extends Omit<FileRecord, 'receipts' | 'held'> {
  readonly transfer: TransferId
  receipts: Map<number, Uint8Array>
  held: HeldBytes[]
  receivedBytes: number
  /** When stored: whose bytes it shows. */
  blob: FileId | undefined
}

interface MemoryTransfer extends Omit<TransferRecord, 'files' | 'pairCount'> {
  touchedMs: number
  goneMs: number
  readonly files: FileId[]
  readonly pairs: Map<string, Pair>
}

/** Everything that a memory catalog knows; a plain value that can be cloned. */
export interface CatalogState {
  nextTransfer: TransferId
  nextFile: FileId
  readonly transfers: Map<TransferId, MemoryTransfer>
  readonly files: Map<FileId, MemoryFile>
  readonly garbage: Set<FileId>
  /** By blob. */
  readonly contents: Map<FileId, { readonly sums: Uint8Array; readonly damaged: readonly Run[] }>
  /** By user. */
  readonly events: Map<string, MemoryEvents>
  /** Of files under repair: which blocks. */
  readonly repairs: Map<FileId, readonly Run[]>
  scrub: ScrubPosition | undefined
}

export function emptyCatalogState(): CatalogState {
  return {
    nextTransfer: 1, nextFile: 1, transfers: new Map(), files: new Map(), garbage: new Set(), contents: new Map(), events: new Map(),
    repairs: new Map(), scrub: undefined,
  }
}

export class MemoryCatalog implements Catalog {
  readonly state: CatalogState
  #onEvents: (user: string) => void = () => {}

  constructor(state: CatalogState) {
    this.state = state
  }

  async announce(transfer: NewTransfer): Promise<TransferRecord> {
    const { state } = this
    const twins = transfer.files.map(file => this.#twinOf(transfer.user, file))
    const bytes = transfer.files.reduce((sum, { sizeBytes }, i) => sum + (twins[i] === undefined ? sizeBytes ?? 0 : 0), 0)
    checkQuota(this.#usage(transfer.user), { bytes, files: transfer.files.length }, transfer.quota)
    const id = state.nextTransfer++
    const { user, fid, chunkSizeBytes, acks, madeByDaemon, nowMs } = transfer
    const files = transfer.files.map((file, number) => {
      const record: MemoryFile = {
        ...file, id: state.nextFile++, transfer: id, number, state: 'receiving', kind: null, chunkSizeBytes, receipts: new Map(), held: [],
        receivedBytes: 0, storedMs: null, blob: undefined, repair: null, meta: file.meta === null ? null : new Uint8Array(file.meta),
        tags: [...new Set(file.tags)],
      }
      state.files.set(record.id, record)
      return record.id
    })
    state.transfers.set(id, {
      id, user, fid, state: 'open', chunkSizeBytes, acks, madeByDaemon, createdMs: nowMs, touchedMs: nowMs, goneMs: 0, files, pairs: new Map(),
    })
    for (const [number, twin] of twins.entries()) if (twin !== undefined) this.#showStored(files[number] as FileId, twin, nowMs)
    return this.#record(id)
  }

  /** A stored file with the content that is announced, if the user has one and nothing is known against it. */
  #twinOf(user: string, { digest, sizeBytes }: NewFile): MemoryFile | undefined {
    const twin = digest === null || sizeBytes === null ? undefined : this.#withDigest(user, digest)
    return twin?.sizeBytes === sizeBytes && this.#damageOf(twin).length === 0 ? twin : undefined
  }

  #showStored(id: FileId, { digest, blob, sizeBytes }: Pick<MemoryFile, 'digest' | 'blob' | 'sizeBytes'>, nowMs: number): void {
    const file = this.state.files.get(id) as MemoryFile
    const receivedBytes = sizeBytes as number
    this.state.files.set(id, { ...file, state: 'stored', digest, blob, sizeBytes, storedMs: nowMs, receipts: new Map(), held: [], receivedBytes })
    this.#tell('stored', id, nowMs)
  }

  async load(user: string, fid: string): Promise<TransferRecord | undefined> {
    const transfer = this.#byFid(user, fid)
    return transfer === undefined ? undefined : this.#record(transfer.id)
  }

  async complete(): Promise<readonly { user: string; fid: string }[]> {
    const isOver = (file: MemoryFile) => isFinishing(file) || (file.repair !== null && file.receivedBytes === file.sizeBytes)
    const ids = new Set([...this.state.files.values()].filter(isOver).map(file => file.transfer))
    return [...ids].map(id => {
      const { user, fid } = this.state.transfers.get(id) as MemoryTransfer
      return { user, fid }
    })
  }

  async unfinished({ user, limit, after = Infinity }: UnfinishedQuery): Promise<readonly UnfinishedTransfer[]> {
    const transfers = [...this.state.transfers.values()].filter(({ id }) => id < after).sort((a, b) => b.id - a.id)
    const found = transfers.flatMap((transfer): UnfinishedTransfer[] => {
      const files = [...this.state.files.values()].filter(file => file.transfer === transfer.id && file.state === 'receiving')
      if (files.length === 0 || (user !== undefined && transfer.user !== user)) return []
      const sizeBytes = files.reduce<number | null>((sum, file) => (sum === null || file.sizeBytes === null ? null : sum + file.sizeBytes), 0)
      const receivedBytes = files.reduce((sum, file) => sum + file.receivedBytes, 0)
      const { id, fid, createdMs, touchedMs } = transfer
      return [{ id, user: transfer.user, fid, createdMs, touchedMs, files: files.length, sizeBytes, receivedBytes }]
    })
    return found.slice(0, limit)
  }

  async amend({ transfer, acks, files, quota }: Amendment, nowMs: number): Promise<void> {
    const open = this.state.transfers.get(transfer)
    if (open === undefined || open.state === 'gone') throw notFound()
    this.#checkUntold(files.map(({ id, sizeBytes }) => ({ id, bytes: sizeBytes ?? 0 })), quota)
    if (acks !== undefined) this.state.transfers.set(transfer, { ...open, acks })
    for (const { id, addTags, ...told } of files) {
      const file = this.state.files.get(id)
      if (file === undefined) throw notFound()
      this.state.files.set(id, { ...file, ...told })
      this.#retag(id, [...new Set([...file.tags, ...(addTags ?? [])])], nowMs)
    }
  }

  async tag({ transfer, files, add, remove }: Tagging, nowMs: number): Promise<void> {
    const found = files.map(id => this.state.files.get(id))
    for (const file of found) if (file === undefined || file.state === 'removed' || file.transfer !== transfer) throw notFound()
    for (const file of found as MemoryFile[]) {
      this.#retag(file.id, [...new Set([...file.tags, ...add])].filter(tag => !remove.includes(tag)), nowMs)
    }
  }

  async mark(marks: readonly Mark[], nowMs: number, quota?: Quota): Promise<void> {
    if (quota !== undefined) this.#checkUntold(marks.map(({ file, receivedBytes }) => ({ id: file, bytes: receivedBytes })), quota)
    for (const mark of marks) {
      const file = this.state.files.get(mark.file)
      const transfer = this.state.transfers.get(mark.transfer)
      if (file === undefined || (file.state !== 'receiving' && file.repair === null) || transfer === undefined) continue
      const { kind, chunkSizeBytes, receivedBytes } = mark
      const held = [...(mark.releaseHeld ? [] : file.held), ...mark.held.map(piece => ({ ...piece, bytes: new Uint8Array(piece.bytes) }))]
      for (const { page, bytes } of mark.pages) file.receipts.set(page, new Uint8Array(bytes))
      for (const pair of mark.pairs) if (!transfer.pairs.has(pair.uuid)) transfer.pairs.set(pair.uuid, pair)
      this.state.files.set(file.id, { ...file, held, kind: file.state === 'stored' ? file.kind : kind, chunkSizeBytes, receivedBytes })
      transfer.touchedMs = nowMs
    }
  }

  async usage(user: string): Promise<Usage> {
    return this.#usage(user)
  }

  async pairs(transfer: TransferId, uuids: readonly string[]): Promise<readonly Pair[]> {
    const pairs = this.state.transfers.get(transfer)?.pairs
    return uuids.flatMap(uuid => pairs?.get(uuid) ?? [])
  }

  async store(id: FileId, digest: string, sizeBytes: number, nowMs: number, sums = new Uint8Array(0)): Promise<void> {
    const file = this.state.files.get(id)
    if (file === undefined || file.state === 'removed') throw notFound()
    if (file.state === 'stored') return
    const transfer = this.state.transfers.get(file.transfer)
    if (transfer !== undefined) transfer.touchedMs = nowMs
    const twin = this.#withDigest(this.#userOf(file) as string, digest)
    const isReplaced = twin?.blob !== undefined && file.sizeBytes !== 0 && (this.state.contents.get(twin.blob)?.damaged.length ?? 0) > 0
    if (isReplaced) this.#replaceContent(twin.blob as FileId, id, sums)
    else if (twin === undefined) this.state.contents.set(id, { sums, damaged: [] })
    else if (file.sizeBytes !== 0) this.state.garbage.add(id)
    const blob = isReplaced ? id : twin?.blob ?? id
    this.#showStored(id, { digest, blob, sizeBytes }, nowMs)
  }

  async reset(id: FileId): Promise<void> {
    const file = this.state.files.get(id)
    if (file === undefined || (file.state !== 'receiving' && file.repair === null)) return
    this.state.files.set(id, { ...file, receipts: new Map(), held: [], receivedBytes: 0 })
    if (file.repair !== null) this.state.repairs.set(id, [[0, blockCount(file.sizeBytes as number)]])
  }

  async remove(transfer: TransferId, files: readonly FileId[] | undefined, nowMs: number): Promise<number> {
    const open = this.state.transfers.get(transfer)
    if (open === undefined || open.state === 'gone') return 0
    const untouched = open.madeByDaemon && this.#isUntouched(open)
    let removed = 0
    for (const id of files ?? open.files) {
      const file = this.state.files.get(id)
      if (file === undefined || file.state === 'removed' || file.transfer !== transfer) continue
      removed++
      if (!untouched) this.#tell('removed', id, nowMs)
      this.#dropRepair(id)
      this.state.files.set(id, {
        ...file, state: 'removed', receipts: new Map(), held: [], receivedBytes: 0, digest: null, blob: undefined, repair: null,
      })
      if (file.blob === undefined) this.state.garbage.add(id)
      else if (![...this.state.files.values()].some(({ blob }) => blob === file.blob)) {
        this.state.garbage.add(file.blob)
        this.state.contents.delete(file.blob)
      }
    }
    if (open.files.some(id => this.state.files.get(id)?.state !== 'removed')) return removed
    for (const id of open.files) this.state.files.delete(id)
    if (untouched) this.state.transfers.delete(transfer)
    else this.state.transfers.set(transfer, { ...open, state: 'gone', goneMs: nowMs, files: [], pairs: new Map() })
    return removed
  }

  async find(query: FindQuery): Promise<FoundPage> {
    const isWanted = fileMatcher(query)
    const before = query.after === undefined ? Number.MAX_SAFE_INTEGER : Number(query.after)
    const files: FoundRecord[] = []
    for (const file of [...this.state.files.values()].sort((a, b) => b.id - a.id)) {
      if (file.id >= before || file.state === 'removed' || this.#userOf(file) !== query.user) continue
      const found = this.#found(file)
      if (isWanted(found) && (query.sizeBytes === undefined || found.sizeBytes === query.sizeBytes)) files.push(found)
      if (files.length === query.limit) break
    }
    return { files, sequence: this.#eventsOf(query.user).sequence }
  }

  async found(user: string, files: readonly FileId[]): Promise<readonly FoundRecord[]> {
    const there = files.flatMap(id => this.state.files.get(id) ?? [])
    return there.filter(file => file.state !== 'removed' && this.#userOf(file) === user).map(file => this.#found(file))
  }

  async events(query: EventQuery): Promise<EventPage> {
    return readEvents(this.#eventsOf(query.user), query)
  }

  onEvents(listener: (user: string) => void): void {
    this.#onEvents = listener
  }

  async content(user: string, wanted: { fid: string; file: number } | { digest: string }): Promise<StoredContent | undefined> {
    const file = 'digest' in wanted ? this.#withDigest(user, wanted.digest) : this.#numbered(user, wanted.fid, wanted.file)
    return file?.state === 'stored' ? this.#content(file) : undefined
  }

  async contentFrom(blob: FileId): Promise<OwnedContent | undefined> {
    const later = [...this.state.files.values()].filter(file => file.blob !== undefined && file.blob >= blob && file.sizeBytes !== 0)
    const [next] = later.filter(file => this.#damageOf(file).length === 0).sort((a, b) => (a.blob as FileId) - (b.blob as FileId))
    return next === undefined ? undefined : { user: this.#userOf(next) as string, content: this.#content(next) }
  }

  async scrubPosition(): Promise<ScrubPosition | undefined> {
    return this.state.scrub
  }

  async scrubbed(position: ScrubPosition): Promise<void> {
    this.state.scrub = position
  }

  #content(file: MemoryFile): StoredContent {
    const { fid } = this.state.transfers.get(file.transfer) as MemoryTransfer
    const { number, name, sizeBytes, digest, tags, meta, blob } = file
    const { sums, damaged } = this.state.contents.get(blob as FileId) ?? { sums: new Uint8Array(0), damaged: [] }
    return {
      fid, file: number, name, sizeBytes: sizeBytes as number, digest: digest as string, tags, meta, blob: blob as FileId, damaged,
      sums: pageOf(sums, 0),
    }
  }

  async sums(blob: FileId, page: number): Promise<Uint8Array> {
    return pageOf(this.state.contents.get(blob)?.sums ?? new Uint8Array(0), page)
  }

  async damaged(blob: FileId, runs: readonly Run[]): Promise<void> {
    const content = this.state.contents.get(blob)
    if (content !== undefined) this.state.contents.set(blob, { ...content, damaged: mergeRuns(content.damaged, runs) })
  }

  async isDamaged(transfer: TransferId): Promise<boolean> {
    return this.#files(transfer).some(file => file.repair !== null || this.#isRepairable(file))
  }

  async damagedFiles(transfer: TransferId): Promise<readonly DamagedFile[]> {
    return this.#files(transfer).map(file => ({ file: file.number, damaged: this.#damageOf(file) })).filter(({ damaged }) => damaged.length > 0)
  }

  async beginRepairs(transfer: TransferId, nowMs: number): Promise<readonly FileRecord[]> {
    for (const file of this.#files(transfer)) {
      const damaged = this.#damageOf(file)
      if (file.repair !== null && damaged.length === 0) this.#dropRepair(file.id)
      if (file.repair !== null || !this.#isRepairable(file)) continue
      const { chunkSizeBytes, sizeBytes } = file
      const marked = new ChunkSet()
      marked.addRun(0, Math.ceil(sizeBytes as number / chunkSizeBytes))
      for (const [first, count] of chunksTouching(damaged, chunkSizeBytes, sizeBytes as number)) {
        for (let chunk = first; chunk < first + count; chunk++) marked.delete(chunk)
      }
      const receipts = new Map<number, Uint8Array>()
      for (let page = 0; page * CHUNKS_PER_PAGE < marked.end; page++) receipts.set(page, marked.encodePage(page))
      const open = this.state.transfers.get(transfer) as MemoryTransfer
      open.touchedMs = Math.max(open.touchedMs, nowMs)
      this.state.repairs.set(file.id, damaged)
      const receivedBytes = [...marked.runs()].reduce((sum, run) => sum + rangeOfChunks(run, chunkSizeBytes, sizeBytes as number)[1], 0)
      this.state.files.set(file.id, { ...file, repair: this.state.nextFile++, receipts, receivedBytes })
    }
    return this.#record(transfer).files.filter(({ repair }) => repair !== null)
  }

  async repair(id: FileId): Promise<Repair | undefined> {
    const file = this.state.files.get(id)
    if (file === undefined || file.repair === null) return undefined
    const sizeBytes = file.sizeBytes as number
    const ranges = chunksTouching(this.state.repairs.get(id) ?? [], file.chunkSizeBytes, sizeBytes)
      .map(run => rangeOfChunks(run, file.chunkSizeBytes, sizeBytes))
    return { blob: file.repair, content: file.blob as FileId, digest: file.digest as string, sizeBytes, ranges }
  }

  async endRepair(id: FileId, repairBlob: FileId): Promise<void> {
    const { blob, repair } = this.state.files.get(id) ?? {}
    const content = blob === undefined || repair !== repairBlob ? undefined : this.state.contents.get(blob)
    if (content === undefined || blob === undefined) return
    this.state.contents.set(blob, { ...content, damaged: withoutRuns(content.damaged, this.state.repairs.get(id) ?? []) })
    this.#dropRepairsOf(blob)
  }

  async expire(limits: ExpiryLimits): Promise<Expired> {
    const went: { user: string; fid: string }[] = []
    let removed = 0
    for (const log of this.state.events.values()) forgetEvents(log, limits.eventsBeforeMs)
    for (const { id, user, fid, ...before } of [...this.state.transfers.values()]) {
      if (limits.inUse.has(id)) continue
      if (before.state === 'gone') {
        if (before.goneMs < limits.tombstonesBeforeMs) this.state.transfers.delete(id)
        continue
      }
      const isAbandoned = before.touchedMs < limits.unfinishedBeforeMs
      if (isAbandoned) for (const file of before.files) this.#dropRepair(file)
      const files = before.files.map(file => this.state.files.get(file) as MemoryFile)
      const isDropped = limits.dropMade && before.madeByDaemon && this.#isUntouched(before)
      const over = files.filter(({ state, expiresMs }) =>
        state === 'receiving' ? isAbandoned || isDropped : state === 'stored' && expiresMs !== null && expiresMs < limits.nowMs)
      if (over.length > 0) removed += await this.remove(id, over.map(file => file.id), limits.nowMs)
      if (this.state.transfers.get(id)?.state !== 'open') went.push({ user, fid })
      else if (files.every(file => file.state !== 'receiving' && (file.storedMs ?? 0) < limits.pairsBeforeMs)) before.pairs.clear()
    }
    return { transfers: went, files: removed }
  }

  async garbage(limit: number): Promise<readonly FileId[]> {
    return [...this.state.garbage].slice(0, limit)
  }

  async forget(blobs: readonly FileId[]): Promise<void> {
    for (const blob of blobs) this.state.garbage.delete(blob)
  }

  #retag(id: FileId, tags: readonly string[], nowMs: number): void {
    const file = this.state.files.get(id) as MemoryFile
    if (tags.join('\n') === file.tags.join('\n')) return
    this.state.files.set(id, { ...file, tags })
    if (file.state !== 'removed') this.#tell('tagged', id, nowMs, file.tags)
  }

  #tell(event: EventKind, id: FileId, nowMs: number, tagsBefore?: readonly string[]): void {
    const file = this.state.files.get(id) as MemoryFile
    const user = this.#userOf(file) as string
    tellEvent(this.#eventsOf(user), event, this.#found(file), nowMs, tagsBefore)
    this.#onEvents(user)
  }

  #eventsOf(user: string): MemoryEvents {
    const log = this.state.events.get(user) ?? { sequence: 0, kept: [] }
    this.state.events.set(user, log)
    return log
  }

  #found({ receipts: _receipts, held: _held, kind: _kind, repair: _repair, blob: _blob, transfer, ...file }: MemoryFile): FoundRecord {
    const { fid, createdMs } = this.state.transfers.get(transfer) as MemoryTransfer
    const state = file.state === 'receiving' && file.receivedBytes === file.sizeBytes ? 'finishing' : file.state
    return { ...file, state, fid, createdMs, cursor: String(file.id) }
  }

  #files(transfer: TransferId): MemoryFile[] {
    return (this.state.transfers.get(transfer)?.files ?? []).map(id => this.state.files.get(id) as MemoryFile)
  }

  #damageOf({ blob }: MemoryFile): readonly Run[] {
    return (blob === undefined ? undefined : this.state.contents.get(blob)?.damaged) ?? []
  }

  /** An opaque chunk could only guess its place. */
  #isRepairable(file: MemoryFile): boolean {
    return this.#damageOf(file).length > 0 && (file.sizeBytes ?? 0) > 0 && file.kind !== 'opaque'
  }

  #dropRepair(id: FileId): void {
    const file = this.state.files.get(id)
    if (file === undefined || file.repair === null) return
    this.state.garbage.add(file.repair)
    this.state.repairs.delete(id)
    this.state.files.set(id, { ...file, repair: null, receipts: new Map(), held: [], receivedBytes: file.sizeBytes as number })
  }

  #dropRepairsOf(content: FileId): void {
    for (const { id, blob } of [...this.state.files.values()]) if (blob === content) this.#dropRepair(id)
  }

  #replaceContent(damaged: FileId, whole: FileId, sums: Uint8Array): void {
    this.#dropRepairsOf(damaged)
    for (const file of [...this.state.files.values()]) if (file.blob === damaged) this.state.files.set(file.id, { ...file, blob: whole })
    this.state.contents.set(whole, { sums, damaged: [] })
    this.state.contents.delete(damaged)
    this.state.garbage.add(damaged)
  }

  #record(id: TransferId): TransferRecord {
    const { files, pairs, touchedMs: _touched, goneMs: _gone, ...transfer } = this.state.transfers.get(id) as MemoryTransfer
    const records = files.map(file => {
      const { transfer: _transfer, blob: _blob, receivedBytes: _received, ...rest } = this.state.files.get(file) as MemoryFile
      return { ...rest, receipts: [...rest.receipts].sort(([a], [b]) => a - b).map(([page, bytes]) => ({ page, bytes })) }
    })
    return { ...transfer, files: records, pairCount: pairs.size }
  }

  #byFid(user: string, fid: string): MemoryTransfer | undefined {
    return [...this.state.transfers.values()].find(transfer => transfer.user === user && transfer.fid === fid)
  }

  #numbered(user: string, fid: string, number: number): MemoryFile | undefined {
    const id = this.#byFid(user, fid)?.files[number]
    return id === undefined ? undefined : this.state.files.get(id)
  }

  /** The user's newest stored file with this digest. */
  #withDigest(user: string, digest: string): MemoryFile | undefined {
    return [...this.state.files.values()].reverse().find(file => file.state === 'stored' && file.digest === digest && this.#userOf(file) === user)
  }

  #userOf(file: MemoryFile): string | undefined {
    return this.state.transfers.get(file.transfer)?.user
  }

  #usage(user: string): Usage {
    const files = [...this.state.files.values()].filter(file => file.state !== 'removed' && this.#userOf(file) === user)
    const contents = new Map(files.filter(({ state }) => state === 'stored').map(({ blob, sizeBytes }) => [blob, sizeBytes as number]))
    const unfinished = files.filter(({ state }) => state === 'receiving').map(({ sizeBytes, receivedBytes }) => sizeBytes ?? receivedBytes)
    return { bytes: [...contents.values(), ...unfinished].reduce((sum, bytes) => sum + bytes, 0), files: files.length }
  }

  /** Files whose size was not told, and what they are going to count for. */
  #checkUntold(changes: readonly { readonly id: FileId; readonly bytes: number }[], quota: Quota | undefined): void {
    let user = ''
    let growth = 0
    for (const { id, bytes } of changes) {
      const file = this.state.files.get(id)
      if (file?.state !== 'receiving' || file.sizeBytes !== null) continue
      user = this.#userOf(file) ?? user
      growth += Math.max(0, bytes - file.receivedBytes)
    }
    checkQuota(this.#usage(user), { bytes: growth, files: 0 }, quota)
  }

  #isUntouched(transfer: Pick<MemoryTransfer, 'files'>): boolean {
    return transfer.files.every(id => {
      const file = this.state.files.get(id)
      return file?.state === 'receiving' && file.kind === null
    })
  }
}

/** Every chunk is marked, but the file is not stored. */
function isFinishing(file: MemoryFile): boolean {
  return file.state === 'receiving' && file.receivedBytes === file.sizeBytes
}

function pageOf(sums: Uint8Array, page: number): Uint8Array {
  return sums.subarray(page * SUMS_PER_PAGE * SUM_BYTES, (page + 1) * SUMS_PER_PAGE * SUM_BYTES)
}

function notFound(): TallyError {
  return new TallyError('not-found', 'the transfer or file was removed')
}
