/**
 * A file's chunks drawn as torrent clients draw them: each cell stands for a run of chunks, shaded by how many of them are there. A cell
 * is full only when all of its chunks are there, and empty only when none is.
 */
import type { Run } from '../../protocol/index.ts'
import { type Style, type Terminal, styled } from './terminal.ts'

const UNICODE = ['·', '░', '▒', '▓', '█'] as const
const ASCII = ['.', '-', '+', '*', '#'] as const
const FULL = UNICODE.length - 1

/** For each of at most `cells` cells, which share the chunks evenly: the part of them that is there, 0 … 1. */
export function cellParts(chunks: number, missing: readonly Run[], cells: number): readonly number[] {
  const count = Math.min(chunks, cells)
  // Exact for up to 2^31 chunks and any terminal: products stay below 2^53.
  const begins = (cell: number): number => Math.floor(cell * chunks / count)
  const parts: number[] = []
  let run = 0
  for (let cell = 0; cell < count; cell++) {
    const [from, to] = [begins(cell), begins(cell + 1)]
    let absent = 0
    for (; run < missing.length; run++) {
      const [first, length] = missing[run] as Run
      absent += Math.max(0, Math.min(to, first + length) - Math.max(from, first))
      if (first + length > to) break
    }
    parts.push((to - from - absent) / (to - from))
  }
  return parts
}

/** Rows of at most `columns` cells. */
export function chunkMap(terminal: Terminal, chunks: number, missing: readonly Run[], columns: number, rowsMax: number): readonly string[] {
  const rows = Math.min(rowsMax, Math.ceil(chunks / columns))
  const parts = cellParts(chunks, missing, rows * columns)
  return Array.from({ length: rows }, (_, row) => drawn(terminal, parts.slice(row * columns, (row + 1) * columns)))
}

/** What the shades mean, for the line below. */
export function legend(terminal: Terminal): string {
  const cells = terminal.hasUnicode ? UNICODE : ASCII
  const partly = [1, 2, 3].map(level => cell(terminal, cells, level)).join('')
  return `${cell(terminal, cells, FULL)} here   ${partly} partly   ${cell(terminal, cells, 0)} missing`
}

function drawn(terminal: Terminal, parts: readonly number[]): string {
  const cells = terminal.hasUnicode ? UNICODE : ASCII
  let text = ''
  // Neighbours of one shade share their escape sequence.
  for (let from = 0; from < parts.length;) {
    const level = levelOf(parts[from] ?? 0)
    let to = from + 1
    while (to < parts.length && levelOf(parts[to] ?? 0) === level) to++
    text += cell(terminal, cells, level, to - from)
    from = to
  }
  return text
}

function cell(terminal: Terminal, cells: readonly string[], level: number, times = 1): string {
  const style: Style = level === FULL ? 'green' : level === 0 ? 'dim' : 'yellow'
  return styled(terminal, style, (cells[level] ?? '').repeat(times))
}

function levelOf(part: number): number {
  if (part >= 1) return FULL
  return part <= 0 ? 0 : 1 + Math.min(FULL - 2, Math.floor(part * (FULL - 1)))
}
