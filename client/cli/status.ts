/**
 * `tally status`: the transfers under way; of one, a map of its chunks. Who only looks takes nothing over: the token that is minted for
 * this may not put, so that an original client goes on filling its transfer.
 */
import { type FileReport, TallyError } from '../../protocol/index.ts'
import type { FoundFile, Tally } from '../index.ts'
import { UsageError } from './arguments.ts'
import { chunkMap, legend } from './chunk-map.ts'
import { type Command, type Context, connectAs } from './command.ts'
import { isDamaged } from './get.ts'
import { listAll } from './status-all.ts'
import { EXIT, type ExitCode } from './exit.ts'
import { parseId } from './ids.ts'
import { tagsText } from './ls.ts'
import { fileValue } from './query.ts'
import { styled } from './terminal.ts'
import { ageText, countText, escaped, fitted, sizeText } from './text.ts'

const UNDER_WAY = ['receiving', 'finishing'] as const
/** A transfer of one file may have a map of so many rows; each of several files has one. */
const MAP_ROWS_MAX = 8
/** Of what a damaged file lacks, in its line. */
const RANGES_TOLD_MAX = 5
const DAMAGED = 'stored, but its content is damaged'

export const status: Command = {
  name: 'status',
  usage: '[FID]',
  argument: 'fid',
  summary: 'show transfers under way; of one, a map of its chunks',
  examples: [
    ['tally status', 'show what is under way, and how far it is'],
    ['tally status --all', 'the same of every user, with rates, gaps, ages and who is connected (needs the scope admin)'],
    ['tally status 0b6f…-9c1d', 'draw which chunks of a transfer are here, as torrent clients do; also which are damaged'],
  ],
  flags: [{ name: 'all', short: 'a', help: 'of every user of the daemon, and who is connected' }],
  async run(context) {
    const [given, extra] = context.given.positionals
    if (extra !== undefined) throw new UsageError('status takes one ID')
    const id = given === undefined ? undefined : parseId(given)
    if (context.given.has('all')) {
      if (given !== undefined) throw new UsageError('--all and an ID exclude each other')
      return listAll(context)
    }
    if (id !== undefined && 'digest' in id) throw new UsageError('status takes FID or FID/N: what has a digest is stored already')
    await using tally = await connectAs(context, ['find', 'get'])
    return await (id === undefined ? list(context, tally) : show(context, tally, id))
  },
}

async function list({ output, signal }: Context, tally: Tally): Promise<ExitCode> {
  const terminal = output.results
  for (const state of UNDER_WAY) {
    for await (const file of tally.find({ state }, { signal })) {
      const ageMs = Math.max(0, Date.now() - file.createdMs)
      const text = [
        `${file.fid}/${file.file}`, amountText(file), state, `began ${ageText(ageMs)} ago`,
        `${styled(terminal, 'bold', escaped(file.name))}${styled(terminal, 'dim', tagsText(file.tags, '  '))}`,
      ].join('  ')
      output.result(text, { ...fileValue(file), 'age-ms': ageMs })
      await output.room(signal)
    }
  }
  return EXIT.DONE
}

async function show({ output, signal }: Context, tally: Tally, id: { readonly fid: string; readonly file?: number }): Promise<ExitCode> {
  // Before the report: what is stored meanwhile is whole in it.
  const known = await underWay(tally, id.fid, signal)
  const reports = await tally.report(id.fid, { signal })
  if (id.file !== undefined && reports[id.file] === undefined) throw new TallyError('not-found', 'the transfer has no such file')
  const numbers = id.file === undefined ? [...reports.keys()] : [id.file]
  const isUnderWay = (number: number): boolean => UNDER_WAY.some(state => state === reports[number]?.state)
  const suspects = numbers.filter(number => isUnderWay(number) && !known.has(number))
  const stored = await storedOf(tally, id.fid, suspects, signal)
  const shown: Shown[] = []
  for (const number of numbers) {
    const report = reports[number] as FileReport
    const found = known.get(number) ?? stored.get(number)
    const damaged = found?.state === 'stored' || report.state === 'stored' && await isDamaged(tally, { fid: id.fid, file: number }, signal)
    shown.push(chunksOf(number, report, found, damaged))
  }
  const terminal = output.results
  const columns = terminal.columns()
  const rowsMax = shown.length === 1 ? MAP_ROWS_MAX : 1
  for (const each of shown) {
    const { found, report, chunks } = each
    const name = found === undefined ? '' : `  ${styled(terminal, 'bold', fitted(escaped(found.name), columns))}`
    const lines = [`${id.fid}/${each.file}${name}`, `  ${stateText(each)}`]
    const isMapped = chunks !== undefined && chunks > 0 && report.state === 'receiving'
    if (isMapped) lines.push(...chunkMap(terminal, chunks, report.missing, Math.max(1, columns - 4), rowsMax).map(row => `  ${row}`))
    output.result(lines.join('\n'), { fid: id.fid, ...shownValue(each) })
  }
  if (!output.json && shown.some(({ report }) => report.state === 'receiving')) output.result(`\n  ${legend(terminal)}`, {})
  return EXIT.DONE
}

interface Shown {
  /** Undefined where the file is stored, and not known to be damaged, or removed. */
  readonly found: FoundFile | undefined
  readonly report: FileReport
  /** undefined where the file is neither under way nor damaged. */
  readonly chunks: number | undefined
  readonly file: number
  /** Of a stored file, as far as is known. */
  readonly isDamaged: boolean
}

function stateText({ found, report, isDamaged }: Shown): string {
  // Which bytes these are the report tells once their repair has begun: it asks for them as for those that never came.
  if (isDamaged && report.state === 'stored') return `${DAMAGED}; put the same file again, and only what was lost is sent`
  if (found === undefined) return report.state
  if (isDamaged) return damageText(found, report)
  const gaps = report.state === 'receiving' ? `, ${countText(report.missing.length, 'gap')}` : ''
  return `${report.state}, ${amountText(found)}${gaps}`
}

/** Of a stored file: what is to come again until it is whole. */
function damageText({ sizeBytes }: FoundFile, { missing, chunkSizeBytes = 0 }: FileReport): string {
  if (missing.length === 0) return `${DAMAGED}: all that was lost is here again, and is being put in place`
  const ranges = missing.slice(0, RANGES_TOLD_MAX).map(([first, count]) => {
    return `${first * chunkSizeBytes}–${Math.min((first + count) * chunkSizeBytes, sizeBytes ?? Infinity) - 1}`
  })
  const bytes = `bytes ${ranges.join(', ')}${missing.length > ranges.length ? ' and more' : ''} of ${sizeBytes}`
  const chunks = countText(missing.reduce((sum, [, count]) => sum + count, 0), 'chunk')
  return `${DAMAGED}: it lacks ${chunks}, ${bytes}; put the same file again, and only these are sent`
}

function chunksOf(file: number, report: FileReport, found: FoundFile | undefined, isDamaged: boolean): Shown {
  const { chunkSizeBytes } = report
  const chunks = found === undefined || chunkSizeBytes === undefined ? undefined : chunksSoFar(found, report, chunkSizeBytes)
  return { found, report, file, chunks, isDamaged }
}

/** Of a stream those up to the highest that came: whole ones, and the gaps below it. */
function chunksSoFar({ sizeBytes, receivedBytes }: FoundFile, { missing }: FileReport, chunkSizeBytes: number): number {
  if (sizeBytes !== null) return Math.ceil(sizeBytes / chunkSizeBytes)
  return missing.reduce((sum, [, count]) => sum + count, receivedBytes / chunkSizeBytes)
}

function shownValue({ found, report, chunks, file, isDamaged }: Shown): object {
  const about = found === undefined ? {} : { name: found.name, size: found.sizeBytes, received: found.receivedBytes, tags: found.tags }
  const { missing, digest, chunkSizeBytes } = report
  const state = isDamaged ? { state: 'stored', damaged: true } : { state: report.state }
  return { file, ...state, ...about, digest, 'chunk-size': chunkSizeBytes, chunks, missing }
}

/** The transfer's files that are not stored yet, by number: a report tells neither names nor sizes. */
async function underWay(tally: Tally, fid: string, signal: AbortSignal): Promise<ReadonlyMap<number, FoundFile>> {
  const known = new Map<number, FoundFile>()
  for (const state of UNDER_WAY) {
    for await (const found of tally.find({ state }, { signal })) if (found.fid === fid) known.set(found.file, found)
  }
  return known
}

/** Of these files those that are stored, by number: FIND knows no fid, so the list is read until all of them have come. */
async function storedOf(
  tally: Tally, fid: string, numbers: readonly number[], signal: AbortSignal,
): Promise<ReadonlyMap<number, FoundFile>> {
  const stored = new Map<number, FoundFile>()
  if (numbers.length === 0) return stored
  for await (const found of tally.find({ state: 'stored' }, { signal })) {
    if (found.fid !== fid || !numbers.includes(found.file)) continue
    stored.set(found.file, found)
    if (stored.size === numbers.length) break
  }
  return stored
}

function amountText({ sizeBytes, receivedBytes }: FoundFile): string {
  if (sizeBytes === null) return `${sizeText(receivedBytes)} of a stream`
  const percent = sizeBytes === 0 ? 100 : Math.floor(100 * receivedBytes / sizeBytes)
  return `${percent} % of ${sizeText(sizeBytes)}`
}
