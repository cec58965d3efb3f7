/**
 * What happens to a store between two lives of its daemon: bits rot in what is stored; an operator checks it with `tallyd fsck`, which
 * must find nothing else; and reclaims its room with `tallyd gc`. Both may be struck in their midst, as the daemon.
 */
import fs from 'node:fs'
import path from 'node:path'
import { checkStore, type Finding } from '../../daemon/storage/local/fsck.ts'
import type { Random } from '../support/random.ts'
import { isSpoilt, type RecordedFile, Violation } from '../support/record.ts'
import type { Aim } from './aim.ts'
import { blobName, query } from './catalog.ts'
import { runCommand } from './commands.ts'
import { compareLeftovers, compareRecords, fingerprint } from './leftovers.ts'
import type { Job } from './plan.ts'
import type { Step } from './steps.ts'
import type { Victim } from './victims.ts'

export interface Tended {
  checks: number
  checksStruck: number
  reclaims: number
  reclaimsStruck: number
  /** By runs that reached their end. */
  blobsReclaimed: number
  dryRuns: number
  /** Of those that were struck, by a loss of power. */
  commandsCut: number
  bitsFlipped: number
  /** How often a process struck itself at a step of its own. */
  readonly steps: Partial<Record<Step, number>>
}

export interface Stopped {
  readonly victim: Victim
  readonly aim: Aim
  readonly finished: readonly Job[]
  readonly random: Random
  readonly tally: Tended
  /** How far the daemon's clock is ahead. */
  readonly laterMs: number
  readonly unfinishedKept: UnfinishedKept
}

/** How long unfinished transfers are kept, for a command line and in ms. */
export interface UnfinishedKept {
  readonly args: readonly string[]
  readonly keptMs: number
}

/** Some of all this, drawn. Throws `Violation` where the store is not as it has to be after any end of its daemon. */
export async function tend(stopped: Stopped): Promise<void> {
  const { victim: { daemon: { store } }, aim, random } = stopped
  if (!isMade(store)) return
  for (let tries = aim.reclaimsMax; tries > 0 && random.chance(aim.reclaims); tries--) await reclaim(stopped, random.chance(0.75))
  if (random.chance(aim.checks / 2)) await checkOutside(stopped, random.chance(0.6))
  if (random.chance(aim.checks)) check(stopped, random.chance(0.5))
  if (random.chance(aim.flips)) flipBit(stopped)
}

/** `tallyd fsck`: nothing may be wrong but what was spoilt, and no blob may be without a record. */
export function check({ victim, finished, tally, laterMs }: Omit<Stopped, 'random' | 'unfinishedKept' | 'aim'>, isDryRun: boolean): void {
  const { store } = victim.daemon
  const found: Finding[] = []
  checkStore({ path: store, isDryRun, nowMs: Date.now() + laterMs, found: finding => found.push(finding) })
  const wrong = found.filter(finding => finding.kind !== 'damaged' || !isSpoilt(finding.user, finding.digest))
  if (wrong.length > 0) throw new Violation(`fsck finds ${JSON.stringify(wrong.slice(0, 5))}`)
  compareRecords(store, finished)
  tally.checks++
}

/** `tallyd gc`: what it has done is complete, and what it has not done harms nobody. */
export async function reclaim(stopped: Stopped, isStruck: boolean): Promise<void> {
  const { victim, random, tally, laterMs, unfinishedKept: { args, keptMs } } = stopped
  const { store } = victim.daemon
  const isDryRun = random.chance(0.1)
  const before = isDryRun ? fingerprint(store) : undefined
  const nowMs = Date.now() + laterMs
  const ran = await runCommand({ victim, random, laterMs, isStruck, args: ['gc', ...args, ...(isDryRun ? ['--dry-run'] : [])] })
  if (isDryRun && fingerprint(store) !== before) throw new Violation('tallyd gc --dry-run has changed the store')
  if (ran.isDone && !isDryRun) compareLeftovers(store, nowMs, keptMs)
  if (ran.isDone) tally[isDryRun ? 'dryRuns' : 'reclaims']++
  if (!isDryRun) tally.blobsReclaimed += Number(ran.summary['blobs'] ?? 0)
  if (ran.isStruck) tally.reclaimsStruck++
  noteBlow(tally, ran)
  if (ran.isStruck) check(stopped, random.chance(0.5))
}

/** `tallyd fsck` as a process that may be struck; what it finds is judged by `check`. */
async function checkOutside(stopped: Stopped, isStruck: boolean): Promise<void> {
  const { victim, random, tally, laterMs } = stopped
  const ran = await runCommand({ victim, random, laterMs, isStruck, args: ['fsck'], codes: [0, 1] })
  if (ran.isStruck) tally.checksStruck++
  noteBlow(tally, ran)
  check(stopped, random.chance(0.5))
}

function noteBlow(tally: Tended, { isCut, step }: { readonly isCut: boolean; readonly step: Step | undefined }): void {
  if (isCut) tally.commandsCut++
  if (step !== undefined) noteStep(tally, step)
}

export function noteStep({ steps }: Tended, step: Step): void {
  steps[step] = (steps[step] ?? 0) + 1
}

/** The first start came so far as to make the tables. */
function isMade(store: string): boolean {
  return fs.existsSync(path.join(store, 'catalog.db')) && query(store, 'PRAGMA user_version')[0]?.['user_version'] !== 0
}

/** In a stored content, durably. */
function flipBit({ victim: { daemon: { store } }, finished, random, tally }: Stopped): void {
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
  return typeof content === 'number' ? path.join(store, 'blobs', blobName(content)) : undefined
}
