/**
 * What a figure is and what comes out of it, and how that is printed: as a text table for people and as plain values for `--json`.
 */
import { ratios, type Summary, summarize } from './statistics.ts'
import type { Workspace } from './workspace.ts'

export interface BenchContext {
  readonly workspace: Workspace
  readonly pairs: number
  /** Of the file that is uploaded. */
  readonly sizeBytes: number
  /** Where daemons and clients write their profiles; absent: they are not profiled, as profiling slows them. */
  readonly profileDirectory?: string
  readonly progress: (text: string) => void
}

/** A goal on the ratio of a row to its baseline. */
export interface Goal {
  readonly baseline: string
  readonly direction: 'at least' | 'below'
  readonly ratio: number
}

/** One line: the samples of one thing, a sample per pair. */
export interface Row {
  readonly name: string
  readonly unit: string
  readonly samples: readonly number[]
  readonly goal?: Goal
}

export interface Figure {
  readonly id: string
  readonly title: string
  run(context: BenchContext): Promise<readonly Row[]>
}

export interface RowResult extends Summary {
  readonly name: string
  readonly unit: string
  readonly samples: readonly number[]
  readonly ratio?: Summary & Goal & { readonly reached: boolean }
}

/** The summary of each row, with its ratio to its baseline pair by pair. A row's baseline must be another row's name. */
export function summarizeRows(rows: readonly Row[]): RowResult[] {
  return rows.map(({ name, unit, samples, goal }) => {
    const result = { name, unit, ...summarize(samples), samples }
    if (goal === undefined) return result
    const baseline = rows.find(row => row.name === goal.baseline)
    if (baseline === undefined) throw new Error(`no baseline ${goal.baseline}`)
    const ratio = summarize(ratios(samples, baseline.samples))
    const reached = goal.direction === 'below' ? ratio.median < goal.ratio : ratio.median >= goal.ratio
    return { ...result, ratio: { ...ratio, baseline: goal.baseline, direction: goal.direction, ratio: goal.ratio, reached } }
  })
}

/** A table of Markdown, so that it can stand in the README as it is. */
export function formatRows(rows: readonly RowResult[]): string {
  const lines = [['', 'median', 'min … max', 'unit', 'ratio (min … max)', 'goal', '']]
  for (const { name, unit, median, min, max, ratio } of rows) {
    lines.push([
      name,
      number(median),
      `${number(min)} … ${number(max)}`,
      unit,
      ratio === undefined ? '' : `${number(ratio.median)} (${number(ratio.min)} … ${number(ratio.max)})`,
      ratio === undefined ? '' : `${ratio.direction === 'below' ? '<' : '≥'} ${ratio.ratio} × ${ratio.baseline}`,
      ratio === undefined ? '' : ratio.reached ? 'reached' : 'missed',
    ])
  }
  const widths = (lines[0] ?? []).map((_, column) => Math.max(3, ...lines.map(line => line[column]?.length ?? 0)))
  const format = (line: readonly string[]): string => `| ${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const [head = [], ...body] = lines
  return [format(head), format(widths.map(width => '-'.repeat(width))), ...body.map(format)].join('\n')
}

/** Three significant digits. */
function number(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString('en-US')
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}
