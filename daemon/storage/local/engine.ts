/**
 * The changes of the catalog, each as plain statements in a transaction that `transactions.ts` opens and commits around it. It is
 * synchronous and does not know on which thread it runs. Time's work is in `expiry.ts`.
 */
import { TallyError } from '../../../protocol/errors.ts'
import type { Run } from '../../../protocol/messages.ts'
import { mergeRuns } from '../blocks.ts'
import type { Quota } from '../quota.ts'
import type {
  Amendment, Expired, ExpiryLimits, FileId, FileRecord, Mark, NewFile, NewTransfer, ScrubPosition, Tagging, TransferId, TransferRecord,
} from '../storage.ts'
import type { Database, Row } from './database.ts'
import { EventLog } from './event-log.ts'
import { applyTime } from './expiry.ts'
import { loadTransfer, writeSums } from './records.ts'
import { beginRepairs, dropRepair, dropRepairsOf, endRepair, resetRepair } from './repairs.ts'
import { GONE, OPEN, RECEIVING, REMOVED, STORED } from './schema.ts'
import { checkGrowth } from './usage.ts'

const TOUCH_EVERY_MS = 60_000
const TOUCHED_REMEMBERED = 10_000

export class Engine {
  readonly #db: Database
  readonly #hasBlob: (blob: FileId, sizeBytes: number) => boolean
  readonly events: EventLog
  readonly #touchedMs = new Map<TransferId, number>()

  /** `hasBlob` says whether a blob is there with at least so many bytes. */
  constructor(db: Database, hasBlob: (blob: FileId, sizeBytes: number) => boolean = () => true) {
    this.#db = db
    this.#hasBlob = hasBlob
    this.events = new EventLog(db)
  }

  announce(transfer: NewTransfer): TransferRecord {
    const { user, fid, chunkSizeBytes, acks, madeByDaemon, files, nowMs, quota } = transfer
    const owner = this.#db.get('INSERT INTO user (name) VALUES (?) ON CONFLICT (name) DO UPDATE SET name = name RETURNING id', user) as Row
    const twins = files.map(file => this.#twinOf(owner.id as number, file))
    const bytes = files.reduce((sum, { sizeBytes }, i) => sum + (twins[i] === undefined ? sizeBytes ?? 0 : 0), 0)
    checkGrowth(this.#db, owner.id as number, { bytes, files: files.length }, quota)
    const row = this.#db.get(`INSERT INTO transfer (owner, fid, state, chunk_size, acks, made, created, touched, pairs)
      VALUES (?, ?, ${OPEN}, ?, ?, ?, ?, ?, 0) RETURNING id`, owner.id as number, fid, chunkSizeBytes, acks, madeByDaemon ? 1 : 0, nowMs, nowMs)
    for (const [number, file] of files.entries()) {
      const id = this.#announceFile(row?.id as number, owner.id as number, number, file, chunkSizeBytes)
      const twin = twins[number]
      if (twin !== undefined) this.#showStored(id, twin, file.sizeBytes as number, nowMs)
    }
    return loadTransfer(this.#db, user, fid) as TransferRecord
  }

  /** The content that the user has already, whole as far as is known, of what is announced. */
  #twinOf(owner: number, { digest, sizeBytes }: NewFile): FileId | undefined {
    if (digest === null || sizeBytes === null) return undefined
    const row = this.#db.get('SELECT blob FROM content WHERE owner = ? AND digest = ? AND size = ? AND damaged IS NULL', owner, digest, sizeBytes)
    return row?.blob as FileId | undefined
  }

  #announceFile(transfer: TransferId, owner: number, number: number, file: NewFile, chunkSizeBytes: number): FileId {
    const tags = [...new Set(file.tags)]
    const row = this.#db.get(`INSERT INTO file
      (transfer, number, owner, name, size, digest, media_type, modified, expires, meta, tags, state, chunk_size, received)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ${RECEIVING}, ?, 0) RETURNING id`, transfer, number, owner, file.name, file.sizeBytes,
      file.digest, file.mediaType, file.modifiedMs, file.expiresMs, file.meta, JSON.stringify(tags), chunkSizeBytes)
    this.#tag(owner, row?.id as number, tags)
    return row?.id as FileId
  }

  amend({ transfer, acks, files, quota }: Amendment, nowMs: number): void {
    if (this.#db.run(`UPDATE transfer SET acks = coalesce(?, acks) WHERE id = ? AND state = ${OPEN}`, acks ?? null, transfer) === 0) {
      throw notFound()
    }
    this.#checkUntold(files.map(({ id, sizeBytes }) => ({ id, bytes: sizeBytes ?? 0 })), quota)
    for (const { id, sizeBytes, digest, mediaType, modifiedMs, expiresMs, meta, addTags } of files) {
      const row = this.#db.get(`UPDATE file SET size = coalesce(?, size), digest = coalesce(?, digest),
        media_type = coalesce(?, media_type), modified = coalesce(?, modified), expires = coalesce(?, expires), meta = coalesce(?, meta)
        WHERE id = ? AND transfer = ? RETURNING owner, tags, state`,
        sizeBytes ?? null, digest ?? null, mediaType ?? null, modifiedMs ?? null, expiresMs ?? null, meta ?? null, id, transfer)
      if (row === undefined) throw notFound()
      const tags = new Set(JSON.parse(row.tags as string) as string[])
      const added = [...new Set(addTags)].filter(tag => !tags.has(tag))
      if (added.length === 0) continue
      this.#db.run('UPDATE file SET tags = ? WHERE id = ?', JSON.stringify([...tags, ...added]), id)
      if (row.state === REMOVED) continue
      this.#tag(row.owner as number, id, added)
      this.events.tell('tagged', id, nowMs, row.tags as string)
    }
  }

  tag({ transfer, files, add, remove }: Tagging, nowMs: number): void {
    const gone = new Set(remove)
    for (const id of files) {
      const row = this.#db.get(`SELECT owner, tags FROM file WHERE id = ? AND transfer = ? AND state <> ${REMOVED}`, id, transfer)
      if (row === undefined) throw notFound()
      const before = new Set(JSON.parse(row.tags as string) as string[])
      const after = new Set([...before, ...add].filter(tag => !gone.has(tag)))
      const tags = JSON.stringify([...after])
      if (tags === row.tags) continue
      this.#db.run('UPDATE file SET tags = ? WHERE id = ?', tags, id)
      this.events.tell('tagged', id, nowMs, row.tags as string)
      this.#untag(row.owner as number, id, [...before].filter(tag => !after.has(tag)))
      this.#tag(row.owner as number, id, [...after].filter(tag => !before.has(tag)))
    }
  }

  mark(marks: readonly Mark[], nowMs: number, quota?: Quota): void {
    if (quota !== undefined) this.#checkUntold(marks.map(({ file, receivedBytes }) => ({ id: file, bytes: receivedBytes })), quota)
    for (const { file, transfer, pages, pairs, held, releaseHeld, kind, chunkSizeBytes, receivedBytes } of marks) {
      const isReceiving = this.#db.run(`UPDATE file SET kind = CASE state WHEN ${STORED} THEN kind ELSE ? END, chunk_size = ?, received = ? WHERE id = ?
        AND (state = ${RECEIVING} OR EXISTS (SELECT 1 FROM repair r WHERE r.file = file.id))`,
        kind, chunkSizeBytes, receivedBytes, file) === 1
      if (!isReceiving) continue
      if (releaseHeld) this.#db.run('DELETE FROM held WHERE file = ?', file)
      for (const { offsetBytes, bytes } of held) {
        this.#db.run('INSERT INTO held (file, offset, bytes) VALUES (?, ?, ?)', file, offsetBytes, bytes)
      }
      for (const { page, bytes } of pages) {
        this.#db.run('INSERT INTO receipt (file, page, bytes) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET bytes = excluded.bytes', file, page, bytes)
      }
      let added = 0
      for (const pair of pairs) {
        added += this.#db.run('INSERT INTO pair (transfer, uuid, file, chunk) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
          transfer, Buffer.from(pair.uuid, 'hex'), pair.file, pair.chunk)
      }
      if (added > 0) this.#db.run('UPDATE transfer SET pairs = pairs + ? WHERE id = ?', added, transfer)
      this.#touch(transfer, nowMs)
    }
  }

  /** Files whose size was not told, and what they are going to count for. */
  #checkUntold(files: readonly { readonly id: FileId; readonly bytes: number }[], quota: Quota | undefined): void {
    let owner = 0
    let growth = 0
    for (const { id, bytes } of files) {
      const row = this.#db.get(`SELECT owner, received FROM file WHERE id = ? AND size IS NULL AND state = ${RECEIVING}`, id)
      if (row === undefined) continue
      owner = row.owner as number
      growth += Math.max(0, bytes - (row.received as number))
    }
    checkGrowth(this.#db, owner, { bytes: growth, files: 0 }, quota)
  }

  /** A transaction, or a change in it, was taken back: what was noted in it was not written. */
  rolledBack(): void {
    this.#touchedMs.clear()
  }

  /** Notes the time of a transfer's last chunk, to the minute: it is for expiry, and would be one more page in every transaction. */
  #touch(transfer: TransferId, nowMs: number): void {
    if (Math.abs(nowMs - (this.#touchedMs.get(transfer) ?? Number.NEGATIVE_INFINITY)) < TOUCH_EVERY_MS) return
    this.#db.run('UPDATE transfer SET touched = ? WHERE id = ?', nowMs, transfer)
    if (this.#touchedMs.size >= TOUCHED_REMEMBERED) this.#touchedMs.clear()
    this.#touchedMs.set(transfer, nowMs)
  }

  store(file: FileId, digest: string, sizeBytes: number, nowMs: number, sums: Uint8Array = new Uint8Array(0)): void {
    const row = this.#db.get('SELECT transfer, owner, state, size, kind FROM file WHERE id = ?', file)
    if (row === undefined || row.state === REMOVED) throw notFound()
    if (row.state === STORED) return
    this.#touch(row.transfer as TransferId, nowMs)
    const owner = row.owner as number
    const twin = this.#db.get('SELECT blob, damaged FROM content WHERE owner = ? AND digest = ?', owner, digest)
    const isReplaced = twin !== undefined && row.size !== 0 && (twin.damaged !== null || this.#isWorse(twin.blob as FileId, file, sizeBytes))
    if (twin === undefined) this.#addContent(file, owner, digest, sizeBytes, sums)
    else if (row.size !== 0) this.#db.run('INSERT OR IGNORE INTO garbage (blob) VALUES (?)', isReplaced ? twin.blob as FileId : file)
    if (isReplaced) this.#replaceContent(twin.blob as FileId, file, sums)
    // Without a kind nothing was ever marked.
    if (row.kind !== null) this.#dropReceipts(file)
    this.#showStored(file, (isReplaced ? file : twin?.blob ?? file) as FileId, sizeBytes, nowMs)
  }

  /** The other blob was read just now: it is not given up for one that is absent or short. */
  #isWorse(blob: FileId, other: FileId, sizeBytes: number): boolean {
    return !this.#hasBlob(blob, sizeBytes) && this.#hasBlob(other, sizeBytes)
  }

  #showStored(file: FileId, content: FileId, sizeBytes: number, nowMs: number): void {
    this.#db.run(`UPDATE file SET state = ${STORED}, content = ?, digest = NULL, size = ?, received = ?, stored = ? WHERE id = ?`,
      content, sizeBytes, sizeBytes, nowMs, file)
    this.events.tell('stored', file, nowMs)
  }

  damaged(blob: FileId, runs: readonly Run[]): void {
    const row = this.#db.get('SELECT damaged FROM content WHERE blob = ?', blob)
    if (row === undefined) return
    const known = row.damaged === null ? [] : JSON.parse(row.damaged as string) as Run[]
    this.#db.run('UPDATE content SET damaged = ? WHERE blob = ?', JSON.stringify(mergeRuns(known, runs)), blob)
  }

  scrubbed({ beganMs, blob, block, isOver }: ScrubPosition): void {
    this.#db.run('INSERT OR REPLACE INTO scrub (id, began, blob, block, over) VALUES (1, ?, ?, ?, ?)', beganMs, blob, block, isOver ? 1 : 0)
  }

  beginRepairs(transfer: TransferId, nowMs: number): FileRecord[] {
    return beginRepairs(this.#db, transfer, nowMs)
  }

  endRepair(file: FileId, blob: FileId): void {
    endRepair(this.#db, file, blob)
  }

  reset(file: FileId): void {
    if (this.#db.run(`UPDATE file SET received = 0 WHERE id = ? AND state = ${RECEIVING}`, file) === 1) this.#dropReceipts(file)
    else resetRepair(this.#db, file)
  }

  remove(transfer: TransferId, files: readonly FileId[] | undefined, nowMs: number): number {
    const open = this.#db.get(`SELECT made FROM transfer WHERE id = ? AND state = ${OPEN}`, transfer)
    if (open === undefined) return 0
    const isUntouched = open.made === 1 && this.isUntouched(transfer)
    const rows = this.#db.all(`SELECT id, owner, state, content, tags FROM file WHERE transfer = ? AND state <> ${REMOVED}`, transfer)
    const wanted = files === undefined ? undefined : new Set(files)
    let removed = 0
    for (const row of rows) {
      if (wanted !== undefined && !wanted.has(row.id as number)) continue
      if (!isUntouched) this.events.tell('removed', row.id as number, nowMs)
      this.#removeFile(row)
      removed++
    }
    if (removed === rows.length) this.#close(transfer, isUntouched, nowMs)
    return removed
  }

  /** No chunk of any of its files was ever marked, and none is stored. */
  isUntouched(transfer: TransferId): boolean {
    return this.#db.get(`SELECT 1 FROM file WHERE transfer = ? AND (state <> ${RECEIVING} OR kind IS NOT NULL) LIMIT 1`, transfer) === undefined
  }

  expire(limits: ExpiryLimits): Expired {
    return applyTime(this.#db, this, limits)
  }

  forget(blobs: readonly FileId[]): void {
    for (const blob of blobs) this.#db.run('DELETE FROM garbage WHERE blob = ?', blob)
  }

  #removeFile({ id, owner, content, tags }: Row): void {
    dropRepair(this.#db, id as number)
    this.#dropReceipts(id as number)
    this.#untag(owner as number, id as number, JSON.parse(tags as string) as string[])
    this.#db.run(`UPDATE file SET state = ${REMOVED}, content = NULL, digest = NULL, received = 0 WHERE id = ?`, id as number)
    const isShared = content !== null && this.#db.get('SELECT 1 FROM file WHERE content = ? LIMIT 1', content as number) !== undefined
    if (isShared) return
    if (content !== null) {
      this.#db.run('DELETE FROM block_sum WHERE content = ?', content as number)
      this.#db.run('DELETE FROM content WHERE blob = ?', content as number)
    }
    this.#db.run('INSERT OR IGNORE INTO garbage (blob) VALUES (?)', (content ?? id) as number)
  }

  #addContent(blob: FileId, owner: number, digest: string, sizeBytes: number, sums: Uint8Array): void {
    this.#db.run('INSERT INTO content (blob, owner, digest, size) VALUES (?, ?, ?, ?)', blob, owner, digest, sizeBytes)
    writeSums(this.#db, blob, sums)
  }

  /** All who share the content show the new blob, which is whole. */
  #replaceContent(damaged: FileId, whole: FileId, sums: Uint8Array): void {
    dropRepairsOf(this.#db, damaged)
    this.#db.run('DELETE FROM block_sum WHERE content = ?', damaged)
    this.#db.run('PRAGMA defer_foreign_keys = ON')
    this.#db.run('UPDATE content SET blob = ?, damaged = NULL WHERE blob = ?', whole, damaged)
    this.#db.run('UPDATE file SET content = ? WHERE content = ?', whole, damaged)
    writeSums(this.#db, whole, sums)
  }

  /** Its pairs go with time, in slices: there may be millions. */
  #close(transfer: TransferId, leavesNoTrace: boolean, nowMs: number): void {
    this.#db.run('DELETE FROM file WHERE transfer = ?', transfer)
    if (leavesNoTrace) this.#db.run('DELETE FROM transfer WHERE id = ?', transfer)
    else this.#db.run(`UPDATE transfer SET state = ${GONE}, gone = ? WHERE id = ?`, nowMs, transfer)
  }

  #dropReceipts(file: FileId): void {
    this.#db.run('DELETE FROM receipt WHERE file = ?', file)
    this.#db.run('DELETE FROM held WHERE file = ?', file)
  }

  #tag(owner: number, file: FileId, tags: readonly string[]): void {
    for (const tag of tags) {
      const label = this.#db.get(`INSERT INTO label (owner, tag, files) VALUES (?, ?, 1)
        ON CONFLICT (owner, tag) DO UPDATE SET files = files + 1 RETURNING id`, owner, tag)
      this.#db.run('INSERT INTO tagged (label, file) VALUES (?, ?)', label?.id as number, file)
    }
  }

  #untag(owner: number, file: FileId, tags: readonly string[]): void {
    for (const tag of tags) {
      const label = this.#db.get('UPDATE label SET files = files - 1 WHERE owner = ? AND tag = ? RETURNING id, files', owner, tag)
      if (label === undefined) continue
      this.#db.run('DELETE FROM tagged WHERE label = ? AND file = ?', label.id as number, file)
      if (label.files === 0) this.#db.run('DELETE FROM label WHERE id = ?', label.id as number)
    }
  }
}

function notFound(): TallyError {
  return new TallyError('not-found', 'the transfer or file was removed')
}
