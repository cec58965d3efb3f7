/**
 * What an operator asks about transfers (docs/protocol.md, "Operator's messages"): which are under way and how they fare, and of one in
 * sentences what it waits for. It only reads. Nothing here is said to anybody but an operator.
 */
import type { ValueMap } from '../../protocol/messages.ts'
import type { UnfinishedTransfer } from '../storage/storage.ts'
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

/**
 * Why the transfer is not finished, or that it is. `touchedMs`: when a chunk came last; undefined where nothing is missing. It is kept for
 * `keptMs` after that.
 */
export function whyUnfinished(
  transfer: LiveTransfer, connections: number, touchedMs: number | undefined, nowMs: number, keptMs: number,
): readonly string[] {
  const { uploads } = transfer
  const open = uploads.filter(({ state }) => state === 'receiving')
  const count = (state: Upload['state']): number => uploads.filter(upload => upload.state === state).length
  const sentences = [`Of ${uploads.length} files ${count('stored')} are stored, ${count('removed')} were removed, ${open.length} are not finished.`]
  if (open.length === 0) return [...sentences, 'Nothing is missing.']
  sentences.push(...open.slice(0, SENTENCES_MAX).map(fileSentence))
  if (open.length > SENTENCES_MAX) sentences.push(`And ${open.length - SENTENCES_MAX} files more.`)
  const failure = open.map(({ lastFailure }) => lastFailure).find(error => error !== undefined)
  if (failure !== undefined) sentences.push(`The last failure was ${failure.code}: ${failure.message}.`)
  sentences.push(connections === 0 ? 'No connection has it open.' : `${connections} connections have it open.`)
  if (touchedMs !== undefined) {
    const days = Math.max(0, (touchedMs + keptMs - nowMs) / 86_400_000).toFixed(1)
    sentences.push(`The last chunk came ${Math.max(0, Math.round((nowMs - touchedMs) / 1000))} s ago; without another one it expires in ${days} days.`)
  }
  return sentences
}

function fileSentence(upload: Upload): string {
  const what = `File ${upload.number} ${JSON.stringify(upload.name)}`
  const { chunkCount } = upload
  if (upload.isComplete) return `${what} is complete; its digest is being computed and compared.`
  const gaps = gapsOf(upload)
  const lacking = gaps.slice(0, SENTENCE_RUNS_MAX).map(([first, length]) => (length === 1 ? `${first}` : `${first} to ${first + length - 1}`)).join(', ')
  const list = `${lacking}${gaps.length > SENTENCE_RUNS_MAX ? ' and more' : ''}`
  if (chunkCount !== undefined) return `${what} lacks ${chunkCount - upload.marked.size} of ${chunkCount} chunks: ${list}.`
  const told = `${what} has ${upload.marked.size} chunks, and its size was not told yet: its sender has to say where it ends`
  return gaps.length === 0 ? `${told}.` : `${told}; it lacks ${list}.`
}

function gapsOf(upload: Upload): readonly (readonly [first: number, count: number])[] {
  return upload.report(MAP_RUNS_MAX, 0).missing
}
