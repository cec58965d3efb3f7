/**
 * Tables out of what `npm run bench -- --json` wrote. Of one run: each figure as the bench prints it. Of several, on different occasions:
 * one table, with a column for each run, in which a goal is reached only where every run reached it.
 *
 *     node bench/tables.ts run1.json run2.json run3.json
 */
import { readFileSync } from 'node:fs'
import type { FigureResult, RowResult } from './support/figure.ts'
import { formatFigure, formatGoal, formatNumber, formatTable, formatVerdict } from './support/table.ts'

interface Run {
  readonly date: string
  readonly machine: { readonly node: string; readonly processors: number; readonly model?: string; readonly load?: number }
  readonly figures: readonly FigureResult[]
}

const runs = process.argv.slice(2).map(path => JSON.parse(readFileSync(path, 'utf8')) as Run)
const [first] = runs
if (first === undefined) {
  process.stderr.write('usage: node bench/tables.ts RUN.json …\n')
  process.exit(2)
}
for (const { date, machine } of runs) {
  const load = machine.load === undefined ? '' : `, load ${machine.load.toFixed(1)} before it`
  process.stdout.write(`* ${date}: ${machine.processors} × ${machine.model ?? 'processor'}, Node ${machine.node}${load}\n`)
}
process.stdout.write(runs.length === 1 ? `\n${first.figures.map(formatFigure).join('\n\n')}\n` : `\n${sideBySide(runs)}\n`)

/** The rows of all figures, in the order of the first run that has them. */
function sideBySide(runs: readonly Run[]): string {
  const figureIds = [...new Set(runs.flatMap(({ figures }) => figures.map(({ id }) => id)))]
  const body = figureIds.flatMap(id => {
    const rowsOf = ({ figures }: Run): readonly RowResult[] => figures.find(figure => figure.id === id)?.rows ?? []
    const names = [...new Set(runs.flatMap(run => rowsOf(run).map(({ name }) => name)))]
    return names.map(name => line(id, runs.map(run => rowsOf(run).find(row => row.name === name))))
  })
  return formatTable(['', '', ...runs.map(({ date }) => date.slice(0, 16)), 'unit', 'goal', ''], body)
}

function line(id: string, rows: readonly (RowResult | undefined)[]): string[] {
  const measured = rows.filter(row => row !== undefined)
  const [row] = measured
  if (row === undefined) return []
  const cells = rows.map(one => one === undefined ? '' : formatNumber(one.median) + (one.ratio === undefined ? '' : ` (${formatNumber(one.ratio.median)})`))
  const reached = row.goal === undefined ? undefined : measured.every(one => one.reached === true)
  return [id, row.name, ...cells, row.unit, formatGoal(row.goal, row.unit), formatVerdict(reached)]
}
