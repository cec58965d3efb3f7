/**
 * What happens to a store between two lives of its daemon: bits rot in what is stored; an operator checks it with `tallyd fsck`, which
 * must find nothing else; and reclaims its room with `tallyd gc`, which may be killed, too.
 */
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkStore, type Finding } from '../../daemon/storage/local/fsck.ts'
import { MAIN } from '../support/daemon.ts'
import type { Random } from '../support/random.ts'
import { isSpoilt, type RecordedFile, Violation } from '../support/record.ts'
import { LATER } from './clock.ts'
import type { Job } from './plan.ts'

export interface Tended {
  checks: number
  reclaims: number
  reclaimsKilled: number
  bitsFlipped: number
}

export interface Stopped {
  readonly store: string
  readonly finished: readonly Job[]
  readonly random: Random
  readonly tally: Tended
  /** How far the daemon's clock is ahead. */
  readonly laterMs: number
}

/** Some of all this, drawn. Throws `Violation` where the store is not as it has to be after any end of its daemon. */
export async function tend(stopped: Stopped): Promise<void> {
  const { store, random } = stopped
  if (!fs.existsSync(path.join(store, 'version'))) return
  if (random.chance(0.15)) await reclaim(stopped, random.chance(0.5))
  if (random.chance(0.35)) check(stopped, random.chance(0.5))
  if (random.chance(0.4)) flipBit(stopped)
}

/** `tallyd fsck`: nothing may be wrong but what was spoilt, and no blob may be without a record. */
export function check({ store, tally, laterMs }: Pick<Stopped, 'store' | 'tally' | 'laterMs'>, isDryRun: boolean): void {
  const found: Finding[] = []
  checkStore({ path: store, isDryRun, nowMs: Date.now() + laterMs, found: finding => found.push(finding) })
  const wrong = found.filter(finding => finding.kind !== 'damaged' || !isSpoilt(finding.user, finding.digest))
  if (wrong.length > 0) throw new Violation(`fsck finds ${JSON.stringify(wrong.slice(0, 5))}`)
  tally.checks++
}

/** `tallyd gc`, as a process of its own that lives to its end or is killed somewhere in it. */
export async function reclaim({ store, random, tally, laterMs }: Omit<Stopped, 'finished'>, isKilled: boolean): Promise<void> {
  const child = spawn(process.execPath, ['--import', LATER, MAIN, 'gc', '--store', store], {
    stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, TALLY_TEST_LATER_MS: String(laterMs) },
  })
  let words = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { words += text })
  const ended = new Promise<number | null>(resolve => child.once('close', code => resolve(code)))
  if (isKilled) {
    await Promise.race([ended, sleep(random.between(100, 600))])
    child.kill('SIGKILL')
  }
  const code = await ended
  if (code === 0) tally.reclaims++
  else if (isKilled && code === null) tally.reclaimsKilled++
  else throw new Violation(`tallyd gc ended with ${code}: ${words}`)
}

/** In a stored content, durably. */
function flipBit({ store, finished, random, tally }: Stopped): void {
  const candidates = finished.flatMap(({ transfer }) => transfer.files.filter(file => mayBeSpoilt(file) && transfer.removalOf(file) === 'no')
    .map(file => ({ fid: transfer.fid as string, file })))
  if (candidates.length === 0) return
  const { fid, file } = random.pick(candidates)
  const blob = blobOf(store, fid, file.number)
  if (blob === undefined) throw new Violation(`${fid}/${file.number} is not stored any more`)
  file.spoil()
  const fd = fs.openSync(blob, 'r+')
  const byte = Buffer.alloc(1)
  const offset = random.between(0, file.plan.sizeBytes - 1)
  fs.readSync(fd, byte, 0, 1, offset)
  fs.writeSync(fd, Buffer.of((byte[0] as number) ^ (1 << random.between(0, 7))), 0, 1, offset)
  fs.fsyncSync(fd)
  fs.closeSync(fd)
  tally.bitsFlipped++
}

function mayBeSpoilt(file: RecordedFile): boolean {
  return file.plan.sizeBytes > 0 && file.plan.digest !== 'wrong' && !file.mayHaveLapsed
}

function blobOf(store: string, fid: string, number: number): string | undefined {
  const content = query(store, 'SELECT f.content FROM file f JOIN transfer t ON t.id = f.transfer WHERE t.fid = ? AND f.number = ?', fid, number)[0]?.['content']
  if (typeof content !== 'number') return undefined
  const shard = Math.floor(content / 4096).toString(16).padStart(3, '0')
  return path.join(store, 'blobs', shard, content.toString(16).padStart(8, '0'))
}

/** What the catalog counts for a user. */
export function usedBytes(store: string, user: string): number {
  return Number(query(store, 'SELECT bytes FROM user WHERE name = ?', user)[0]?.['bytes'] ?? 0)
}

/** `user digest` of each stored content that has a blob, and the names of the files that show it. */
export function contentsOf(store: string): Map<string, string> {
  const rows = query(store, `SELECT u.name || ' ' || c.digest AS content, group_concat(t.fid || '/' || f.number || ' (' || f.name || ')') AS files FROM content c
    JOIN user u ON u.id = c.owner JOIN file f ON f.content = c.blob JOIN transfer t ON t.id = f.transfer WHERE c.size > 0 GROUP BY c.blob`)
  return new Map(rows.map(({ content, files }) => [String(content), String(files)]))
}

function query(store: string, sql: string, ...values: (string | number)[]): Record<string, unknown>[] {
  const db = new DatabaseSync(path.join(store, 'catalog.db'))
  try {
    return db.prepare(sql).all(...values)
  } finally {
    db.close()
  }
}
