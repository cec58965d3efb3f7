/** Tables of Markdown, so that they can stand in the README as they are; for a figure's rows, and for anything else. */
import type { FigureResult, Goal, RowResult } from './figure.ts'

const SIGN = { 'at least': '≥', 'at most': '≤', 'below': '<' } as const

/** A figure with its title, its table and what is to be said about it. */
export function formatFigure({ id, title, rows, notes, seconds }: FigureResult): string {
  const samples = Math.max(...rows.map(row => row.samples.length))
  const parts = [`**${id}**, ${title} (${samples} ${samples === 1 ? 'sample' : 'samples'}, ${seconds} s)`, formatRows(rows)]
  return [...parts, ...notes].join('\n\n')
}

function formatRows(rows: readonly RowResult[]): string {
  return formatTable(['', 'median', 'min … max', 'unit', 'ratio (min … max)', 'goal', ''], rows.map(row => [
    row.name,
    formatNumber(row.median),
    `${formatNumber(row.min)} … ${formatNumber(row.max)}`,
    row.unit,
    row.ratio === undefined ? '' : `${formatNumber(row.ratio.median)} (${formatNumber(row.ratio.min)} … ${formatNumber(row.ratio.max)})`,
    formatGoal(row.goal, row.unit),
    formatVerdict(row.reached),
  ]))
}

export function formatGoal(goal: Goal | undefined, unit: string): string {
  if (goal === undefined) return ''
  if ('limit' in goal) return `${SIGN[goal.direction]} ${goal.limit.toLocaleString('en-US')} ${unit}`
  return `${SIGN[goal.direction]} ${goal.ratio} × ${goal.baseline}`
}

export function formatVerdict(reached: boolean | undefined): string {
  return reached === undefined ? '' : reached ? 'reached' : 'missed'
}

export function formatTable(head: readonly string[], body: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(3, title.length, ...body.map(line => line[column]?.length ?? 0)))
  const format = (line: readonly string[]): string => `| ${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  return [format(head), format(widths.map(width => '-'.repeat(width))), ...body.map(format)].join('\n')
}

/** Three significant digits. */
export function formatNumber(value: number): string {
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en-US')
  if (Math.abs(value) >= 100) return value.toFixed(0)
  return Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2)
}
