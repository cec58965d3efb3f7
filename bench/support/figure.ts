/**
 * What a figure is and what comes out of it: rows of samples with their goals, and curves. How they are printed is table.ts's and
 * plot.ts's matter.
 */
import type { Plot } from './plot.ts'
import { ratios, type Summary, summarize } from './statistics.ts'
import type { Workspace } from './workspace.ts'

export interface BenchContext {
  readonly workspace: Workspace
  /** How often each thing is measured, in turn with what it is compared to. */
  readonly pairs: number
  /** Of the file that is uploaded. */
  readonly sizeBytes: number
  /** Where daemons and clients write their profiles; absent: they are not profiled, as profiling slows them. */
  readonly profileDirectory?: string
  readonly progress: (text: string) => void
  /** A sentence that belongs under the table: what could not be measured, and why. */
  readonly note: (text: string) => void
  /** A curve that belongs to the figure. */
  readonly plot: (plot: Plot) => void
}

export type Direction = 'at least' | 'at most' | 'below'

/** A goal on the ratio of a row to its baseline, which is another row of the figure; or on the figure itself, in its unit. */
export type Goal =
  | { readonly direction: Direction; readonly ratio: number; readonly baseline: string }
  | { readonly direction: Direction; readonly limit: number }

/** One line: the samples of one thing, a sample per pair where it has a baseline. */
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
  readonly ratio?: Summary
  readonly goal?: Goal
  readonly reached?: boolean
}

export interface FigureResult {
  readonly id: string
  readonly title: string
  readonly seconds: number
  readonly notes: readonly string[]
  readonly rows: readonly RowResult[]
}

/** The summary of each row, with its ratio to its baseline pair by pair. A row's baseline must be another row's name. */
export function summarizeRows(rows: readonly Row[]): RowResult[] {
  return rows.map(({ name, unit, samples, goal }) => {
    const result = { name, unit, ...summarize(samples), samples }
    if (goal === undefined) return result
    if ('limit' in goal) return { ...result, goal, reached: meets(result.median, goal.direction, goal.limit) }
    const baseline = rows.find(row => row.name === goal.baseline)
    if (baseline === undefined) throw new Error(`no baseline ${goal.baseline}`)
    const ratio = summarize(ratios(samples, baseline.samples))
    return { ...result, ratio, goal, reached: meets(ratio.median, goal.direction, goal.ratio) }
  })
}

function meets(value: number, direction: Direction, bound: number): boolean {
  if (direction === 'at least') return value >= bound
  return direction === 'at most' ? value <= bound : value < bound
}
