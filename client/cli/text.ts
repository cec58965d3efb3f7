/**
 * Text for people: sizes, times, and names that anybody may have chosen, escaped and cut to the columns that a terminal has. Nothing here
 * writes.
 */
import { eastAsianWidth } from 'get-east-asian-width'

export { ageText, countText, sizeText } from '../../protocol/index.ts'

/** Control characters, and what reorders or hides text. */
const CONTROL = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu
/** Marks that sit on the character before them. */
const WIDTHLESS = /^[\p{Mn}\p{Me}\p{Cf}\p{Cc}]$/u
const EMOJI = /^\p{RGI_Emoji}$/v

/** Every control character as `\xNN` or `\u{…}`. */
export function escaped(text: string): string {
  return text.replace(CONTROL, character => {
    const code = character.codePointAt(0) ?? 0
    return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
  })
}

/** JSON in which control characters above U+001F are escaped, too: it may land on a terminal. */
export function jsonText(value: object): string {
  const asEscape = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  return JSON.stringify(value).replace(CONTROL, character => character.split('').map(asEscape).join(''))
}

/** As a clock shows it: `0:07`, `12:30`, `3:00:05`; from a hundred hours on `99h+`. */
export function clockText(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds))
  if (whole >= 360_000) return '99h+'
  const two = (value: number): string => String(value).padStart(2, '0')
  const hours = Math.floor(whole / 3600)
  const minutes = Math.floor(whole % 3600 / 60)
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`
}

/** `2026-11-21 08:14`, in local time. */
export function dateText(ms: number): string {
  const date = new Date(ms)
  const two = (value: number): string => String(value).padStart(2, '0')
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}`
}

/** The same of a time to come, with seconds where it is less than an hour away. */
export function untilText(ms: number, nowMs: number): string {
  const seconds = String(new Date(ms).getSeconds()).padStart(2, '0')
  return ms - nowMs < 3_600_000 ? `${dateText(ms)}:${seconds}` : dateText(ms)
}

/** How many columns escaped text takes on a terminal: wide characters and emoji take two, marks none. */
export function columnsOf(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length
  let columns = 0
  for (const { segment } of segments(text)) columns += segmentColumns(segment)
  return columns
}

/** Escaped text in at most so many columns; what is cut away in the middle shows as `…`. The end, often an extension, is kept. */
export function fitted(text: string, columns: number): string {
  if (columnsOf(text) <= columns) return text
  if (columns < 1) return ''
  const pieces = [...segments(text)].map(({ segment }) => ({ segment, columns: segmentColumns(segment) }))
  const tail = taken(pieces.toReversed(), Math.floor((columns - 1) / 3))
  const head = taken(pieces, columns - 1 - tail.columns)
  return `${head.segments.join('')}…${tail.segments.reverse().join('')}`
}

/** Escaped parts with gaps between them, in lines of at most so many columns where the parts allow it; all but the first are indented. */
export function wrapped(parts: readonly string[], columns: number): string {
  const lines: string[] = []
  for (const part of parts) {
    const longer = lines.length === 0 ? part : `${lines.at(-1)}  ${part}`
    if (lines.length === 0 || columnsOf(longer) > columns) lines.push(lines.length === 0 ? part : `    ${part}`)
    else lines[lines.length - 1] = longer
  }
  return lines.join('\n')
}

function taken(pieces: Iterable<{ segment: string; columns: number }>, columnsMax: number): { segments: string[]; columns: number } {
  const segments: string[] = []
  let columns = 0
  for (const piece of pieces) {
    if (columns + piece.columns > columnsMax) break
    segments.push(piece.segment)
    columns += piece.columns
  }
  return { segments, columns }
}

let segmenter: Intl.Segmenter | undefined

/** What people see as one character. */
function segments(text: string): Iterable<{ readonly segment: string }> {
  return (segmenter ??= new Intl.Segmenter()).segment(text)
}

function segmentColumns(segment: string): number {
  if (EMOJI.test(segment)) return 2
  for (const character of segment) if (!WIDTHLESS.test(character)) return eastAsianWidth(character.codePointAt(0) ?? 0)
  return 0
}
