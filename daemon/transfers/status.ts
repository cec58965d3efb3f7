/**
 * What an operator asks about transfers (docs/protocol.md, "Operator's messages"): which are under way and how they fare, and of one in
 * sentences what it waits for and what of it is damaged. It only reads. Nothing here is said to anybody but an operator.
 */
import type { Run, ValueMap } from '../../protocol/messages.ts'
import { ageText, countText, leftText } from '../../protocol/quantities.ts'
import { rangesOf } from '../storage/blocks.ts'
import type { DamagedFile, UnfinishedTransfer } from '../storage/storage.ts'
import type { LiveTransfer } from './live-transfer.ts'
import type { Upload } from './upload.ts'

/** Of one file in the map of a transfer, and of all files of one page. */
const MAP_RUNS_MAX = 1024
const PAGE_RUNS_MAX = 16_384
/** Of one file in a sentence. */
const SENTENCE_RUNS_MAX = 5
const SENTENCES_MAX = 100

/** An unfinished transfer in a list; `live` where it is in memory, `connections` the ids of those that have it open. */
export function transferStatus(
  found: UnfinishedTransfer, live: LiveTransfer | undefined, connections: readonly number[], nowMs: number,
): ValueMap {
  const { user, fid, createdMs, files, sizeBytes, receivedBytes } = found
  const touchedMs = live?.meter.lastMs ?? found.touchedMs
  return {
    user, fid, files, size: sizeBytes, received: receivedBytes, created: createdMs, touched: touchedMs,
    // By the clock that told both times: whoever asks from another machine has another one.
    'age-ms': Math.max(0, nowMs - createdMs), 'idle-ms': Math.max(0, nowMs - touchedMs),
    rate: Math.round(live?.meter.perSecond(nowMs) ?? 0),
    ...(live === undefined ? {} : { gaps: live.uploads.reduce((sum, upload) => sum + gapsOf(upload).length, 0) }),
    connections,
  }
}

/**
 * One transfer with so many of its files, from one on: how many chunks each has, and the runs of those that are missing. `next` is the
 * first file that is not listed.
 */
export function transferMap(
  transfer: LiveTransfer, connections: readonly number[], nowMs: number, from: number, limit: number,
): { map: ValueMap; next?: number } {
  const { user, fid, meter, uploads } = transfer
  const files: ValueMap[] = []
  let runsLeft = PAGE_RUNS_MAX
  for (const upload of uploads.slice(from, from + limit)) {
    const missing = gapsOf(upload)
    runsLeft -= missing.length
    if (runsLeft < 0) break
    files.push({
      file: upload.number, name: upload.name, state: upload.isComplete ? 'finishing' : upload.state, size: upload.sizeBytes,
      'chunk-size': upload.chunkSizeBytes, chunks: upload.chunkCount ?? null, missing,
    })
  }
  const next = from + files.length
  const map = { user, fid, rate: Math.round(meter.perSecond(nowMs)), connections, files }
  return { map, ...(next < uploads.length ? { next } : {}) }
}

/** What is known around a transfer when somebody asks why. */
export interface Circumstances {
  /** How many connections have it open. */
  readonly connections: number
  /** When a chunk came last; undefined where nothing is missing, or nobody knows. */
  readonly touchedMs: number | undefined
  /** How long it is kept after that. */
  readonly keptMs: number
  /** Its stored files whose content is known to be damaged. */
  readonly damaged: readonly DamagedFile[]
  readonly nowMs: number
}

/** In sentences, why the transfer is not finished, or what of it is damaged, and what is to be done; or that nothing is missing. */
export function whyUnfinished({ uploads }: LiveTransfer, circumstances: Circumstances): readonly string[] {
  const { connections, touchedMs, keptMs, damaged, nowMs } = circumstances
  const removed = uploads.filter(({ state }) => state === 'removed').length
  // A file under repair receives chunks, and is stored all the same.
  const open = uploads.filter(({ state, repair }) => state === 'receiving' && repair === null)
  const stored = uploads.length - removed - open.length
  const sentences = [`The transfer has ${countText(uploads.length, 'file')}: ${stored} stored, ${removed} removed, ${open.length} not finished.`]
  const about = [...open.map(fileSentence), ...damaged.map(({ file, damaged: runs }) => damageSentence(uploads[file] as Upload, runs))]
  if (about.length === 0) return [...sentences, 'Nothing is missing.']
  sentences.push(...about.slice(0, SENTENCES_MAX))
  if (about.length > SENTENCES_MAX) sentences.push(`And ${countText(about.length - SENTENCES_MAX, 'file')} more.`)
  const receiving = uploads.filter(({ state }) => state === 'receiving')
  if (receiving.length === 0) return sentences
  const failure = receiving.map(({ lastFailure }) => lastFailure).find(error => error !== undefined)
  if (failure !== undefined) sentences.push(`The last failure was ${failure.code}: ${failure.message}.`)
  sentences.push(connections === 0 ? 'No connection has it open.' : `It is open on ${countText(connections, 'connection')}.`)
  if (touchedMs !== undefined) {
    const end = open.length === 0 ? 'the repair is given up' : 'it expires'
    const left = leftText(touchedMs + keptMs - nowMs)
    sentences.push(`The last chunk came ${ageText(nowMs - touchedMs)} ago; without another one ${end} in ${left}.`)
  }
  return sentences
}

function fileSentence(upload: Upload): string {
  const what = `File ${upload.number} ${JSON.stringify(upload.name)}`
  const { chunkCount } = upload
  if (upload.isComplete) return `${what} is complete; its digest is being computed and compared.`
  const gaps = gapsOf(upload)
  if (chunkCount !== undefined) return `${what} lacks ${chunkCount - upload.marked.size} of ${countText(chunkCount, 'chunk')}: ${chunksText(gaps)}.`
  const told = `${what} has ${countText(upload.marked.size, 'chunk')}, and its size was not told yet: its sender has to say where it ends`
  return gaps.length === 0 ? `${told}.` : `${told}; it lacks ${chunksText(gaps)}.`
}

/** Of a stored file: which of its bytes are damaged, and what makes it whole. */
function damageSentence(upload: Upload, damaged: readonly Run[]): string {
  const sizeBytes = upload.sizeBytes ?? 0
  const bytes = listed(rangesOf(damaged, sizeBytes).map(([offset, length]) => `${offset}–${offset + length - 1}`))
  const what = `File ${upload.number} ${JSON.stringify(upload.name)} is stored, but its content is damaged: bytes ${bytes} of ${sizeBytes}.`
  if (upload.isComplete) return `${what} A repair is under way: all of its chunks are here; the digest is being computed and compared.`
  if (upload.repair !== null) {
    const lacking = `${countText((upload.chunkCount ?? 0) - upload.marked.size, 'chunk')}: ${chunksText(gapsOf(upload))}`
    return `${what} A repair is under way and lacks ${lacking}. Put the same file again to go on with it.`
  }
  const again = `${what} It cannot be fetched until it is repaired: put the same`
  return `${again} ${upload.kind === 'opaque' ? 'content again, under another fid' : 'file again, and only its damaged blocks are sent'}.`
}

function chunksText(runs: readonly Run[]): string {
  return listed(runs.map(([first, count]) => (count === 1 ? `${first}` : `${first} to ${first + count - 1}`)))
}

/** The first few. */
function listed(texts: readonly string[]): string {
  return `${texts.slice(0, SENTENCE_RUNS_MAX).join(', ')}${texts.length > SENTENCE_RUNS_MAX ? ' and more' : ''}`
}

function gapsOf(upload: Upload): readonly Run[] {
  return upload.report(MAP_RUNS_MAX, 0).missing
}
