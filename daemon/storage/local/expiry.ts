/**
 * What time does to the catalog (product.md, promise 6), a bounded amount in each call so that no commit waits long for it.
 */
import type { Expired, ExpiryLimits, FileId, TransferId } from '../storage.ts'
import type { Database } from './database.ts'
import type { Engine } from './engine.ts'
import { dropRepair } from './repairs.ts'
import { GONE, OPEN, RECEIVING, STORED } from './schema.ts'

const TRANSFERS_PER_CALL = 256
/** Then no further transfer is begun. One goes as a whole, as with REMOVE: nobody finds a half of it. */
const FILES_PER_CALL = 1_000
const PAIRS_PER_CALL = 20_000

/** Runs inside the caller's transaction. */
export function applyTime(db: Database, engine: Engine, limits: ExpiryLimits): Expired {
  const inUse = JSON.stringify([...limits.inUse])
  const due = new Set<TransferId>()
  const add = (sql: string, ...values: (number | string)[]): void => {
    for (const { transfer } of db.all(`${sql} LIMIT ${TRANSFERS_PER_CALL}`, ...values)) due.add(transfer as number)
  }
  const notInUse = 'AND f.transfer NOT IN (SELECT value FROM json_each(?))'
  add(`SELECT DISTINCT f.transfer FROM file f JOIN transfer t ON t.id = f.transfer
    WHERE f.state = ${RECEIVING} AND t.touched < ? ${notInUse}`, limits.unfinishedBeforeMs, inUse)
  add(`SELECT DISTINCT f.transfer FROM file f WHERE f.state = ${STORED} AND f.expires < ? ${notInUse}`, limits.nowMs, inUse)
  if (limits.dropMade) {
    add(`SELECT DISTINCT f.transfer FROM file f JOIN transfer t ON t.id = f.transfer
      WHERE f.state = ${RECEIVING} AND t.made = 1 ${notInUse} AND NOT EXISTS
      (SELECT 1 FROM file o WHERE o.transfer = t.id AND (o.state <> ${RECEIVING} OR o.kind IS NOT NULL))`, inUse)
  }
  engine.events.expire(limits.eventsBeforeMs)
  const transfers: Expired['transfers'][number][] = []
  let files = 0
  for (const transfer of due) {
    if (files >= FILES_PER_CALL) break
    files += expireTransfer(db, engine, transfer, limits, transfers)
  }
  dropLapsedRepairs(db, limits, inUse)
  forgetPairs(db, limits, inUse)
  db.run(`DELETE FROM transfer WHERE id IN
    (SELECT id FROM transfer WHERE state = ${GONE} AND gone < ? AND pairs = 0 LIMIT ${TRANSFERS_PER_CALL})`, limits.tombstonesBeforeMs)
  return { transfers, files }
}

/** Answers how many files went, and adds the transfer to those that went with all of them. */
function expireTransfer(
  db: Database, engine: Engine, transfer: TransferId, limits: ExpiryLimits, went: { user: string; fid: string }[],
): number {
  const row = db.get('SELECT u.name, t.fid, t.touched, t.made FROM transfer t JOIN user u ON u.id = t.owner WHERE t.id = ?', transfer)
  if (row === undefined) return 0
  const isAbandoned = (row.touched as number) < limits.unfinishedBeforeMs
  const isDropped = limits.dropMade && row.made === 1 && engine.isUntouched(transfer)
  const files = db.all(`SELECT id FROM file WHERE transfer = ? AND (state = ${RECEIVING} AND ? OR state = ${STORED} AND expires < ?)`,
    transfer, isAbandoned || isDropped ? 1 : 0, limits.nowMs)
  const removed = engine.remove(transfer, files.map(({ id }) => id as number), limits.nowMs)
  const isOpen = db.get(`SELECT 1 FROM transfer WHERE id = ? AND state = ${OPEN}`, transfer) !== undefined
  if (!isOpen) went.push({ user: row.name as string, fid: row.fid as string })
  return removed
}

/** The files stay, as damaged as they were. */
function dropLapsedRepairs(db: Database, { unfinishedBeforeMs }: ExpiryLimits, inUse: string): void {
  const lapsed = db.all(`SELECT r.file FROM repair r JOIN file f ON f.id = r.file JOIN transfer t ON t.id = f.transfer
    WHERE t.touched < ? AND t.id NOT IN (SELECT value FROM json_each(?)) LIMIT ${TRANSFERS_PER_CALL}`, unfinishedBeforeMs, inUse)
  for (const { file } of lapsed) dropRepair(db, file as FileId)
}

/** Pairs of transfers that are gone, or all of whose files were stored long enough ago. */
function forgetPairs(db: Database, limits: ExpiryLimits, inUse: string): void {
  const over = db.all(`SELECT t.id FROM transfer t WHERE t.pairs > 0 AND (t.state = ${GONE} OR NOT EXISTS
    (SELECT 1 FROM file f WHERE f.transfer = t.id AND (f.state = ${RECEIVING} OR f.stored >= ?)))
    AND t.id NOT IN (SELECT value FROM json_each(?)) LIMIT ${TRANSFERS_PER_CALL}`, limits.pairsBeforeMs, inUse)
  let left = PAIRS_PER_CALL
  for (const { id } of over) {
    if (left <= 0) return
    const forgotten = db.run('DELETE FROM pair WHERE transfer = ? AND uuid IN (SELECT uuid FROM pair WHERE transfer = ? LIMIT ?)',
      id as number, id as number, left)
    db.run('UPDATE transfer SET pairs = pairs - ? WHERE id = ?', forgotten, id as number)
    left -= forgotten
  }
}
