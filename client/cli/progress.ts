/**
 * How far a put or a get is: what was acknowledged and what was sent beyond that, the rate and the time that is left, as one line that fits
 * the terminal. Nothing here writes, and the clock is passed in.
 */
import { clockText, columnsOf, countText, escaped, fitted, sizeText } from './text.ts'
import { type Terminal, styled } from './terminal.ts'

/** A rate is that of the last few seconds. */
const RATE_OVER_MS = 5000
const SAMPLE_EVERY_MS = 250
/** Narrower bars say nothing that the percentage does not. */
const BAR_COLUMNS_MIN = 5
const BAR_COLUMNS_MAX = 30
const LABEL_COLUMNS_MIN = 8

export interface Amounts {
  readonly acknowledgedBytes: number
  /** At least what was acknowledged; absent: nothing else is told. */
  readonly sentBytes?: number
  /** null: not known (yet). */
  readonly totalBytes: number | null
  /** Where several files are moved: how many are done, and of how many, if that is known. */
  readonly files?: { readonly done: number; readonly total: number | null }
}

/** Bytes a second over the last seconds, from figures that come at any time. */
export class Rate {
  readonly #samples: { readonly atMs: number; readonly bytes: number }[] = []

  /** What was there when it began does not count as speed. */
  add(bytes: number, nowMs: number): void {
    const last = this.#samples.at(-1)
    if (last !== undefined && nowMs - last.atMs < SAMPLE_EVERY_MS) return
    this.#samples.push({ atMs: nowMs, bytes })
    while (this.#samples.length > 2 && nowMs - (this.#samples[1]?.atMs ?? nowMs) > RATE_OVER_MS) this.#samples.shift()
  }

  /** undefined before there is anything to tell. */
  bytesPerSecond(bytes: number, nowMs: number): number | undefined {
    const [first] = this.#samples
    if (first === undefined || nowMs - first.atMs < SAMPLE_EVERY_MS) return undefined
    return Math.max(0, (bytes - first.bytes) * 1000 / (nowMs - first.atMs))
  }
}

/** One line of at most `columns` columns; what matters least goes first where there is no room. */
export function progressLine(terminal: Terminal, columns: number, label: string, amounts: Amounts, bytesPerSecond?: number): string {
  const { acknowledgedBytes, totalBytes } = amounts
  const name = escaped(label)
  const isSized = totalBytes !== null && totalBytes > 0
  const percent = isSized ? `${Math.floor(100 * Math.min(1, acknowledgedBytes / totalBytes))} %`.padStart(5) : sizeText(acknowledgedBytes)
  const seconds = isSized && bytesPerSecond ? (totalBytes - acknowledgedBytes) / bytesPerSecond : undefined
  // From what matters most to what matters least.
  const wanted = [
    percent,
    seconds === undefined ? '' : clockText(seconds),
    bytesPerSecond === undefined ? '' : `${sizeText(bytesPerSecond)}/s`,
    filesText(amounts.files),
    isSized ? `of ${sizeText(totalBytes)}` : '',
  ]
  const hasBar = isSized && columns >= BAR_COLUMNS_MIN + 3 + percent.length
  let left = columns - (hasBar ? BAR_COLUMNS_MIN + 2 : 0)
  const shown = wanted.map((text, index) => {
    const needed = columnsOf(text) + (index === 0 && !hasBar ? 0 : 1)
    if (text === '' || needed > left) return ''
    left -= needed
    return text
  })
  const labelRoom = left > LABEL_COLUMNS_MIN ? Math.min(columnsOf(name), Math.max(LABEL_COLUMNS_MIN, Math.floor(left * 2 / 3))) : 0
  if (labelRoom > 0) left -= labelRoom + 1
  const drawn = hasBar ? bar(terminal, amounts, Math.min(BAR_COLUMNS_MAX, BAR_COLUMNS_MIN + Math.max(0, left))) : ''
  const [first, eta, rate, files, total] = shown
  return [fitted(name, labelRoom), drawn, first, total, files, rate, eta].filter(text => text !== undefined && text !== '').join(' ')
}

/** Acknowledged, sent, and what is left. */
function bar(terminal: Terminal, { acknowledgedBytes, sentBytes = acknowledgedBytes, totalBytes }: Amounts, columns: number): string {
  const cells = (bytes: number): number => Math.floor(columns * Math.min(1, bytes / (totalBytes ?? 1)))
  const safe = cells(acknowledgedBytes)
  const sent = Math.max(safe, cells(sentBytes))
  const [full, half, none] = terminal.hasUnicode ? ['█', '▒', '·'] : ['#', '=', '.']
  const rest = styled(terminal, 'dim', `${half?.repeat(sent - safe)}${none?.repeat(columns - sent)}`)
  return `[${styled(terminal, 'green', `${full?.repeat(safe)}`)}${rest}]`
}

function filesText(files: Amounts['files']): string {
  if (files === undefined) return ''
  return files.total === null ? countText(files.done, 'file') : `${files.done}/${countText(files.total, 'file')}`
}
