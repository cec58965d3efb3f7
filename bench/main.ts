/**
 * `npm run bench`: runs the figures that were asked for, prints them as tables or with `--json` as one object, and writes their curves as
 * SVG. Progress goes to stderr. Nothing fails because a machine was slow; it fails when a run was wrong.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { FIGURES, GROWTH } from './figures/index.ts'
import { type BenchContext, type Figure, type FigureResult, summarizeRows } from './support/figure.ts'
import { drawPlot, type Plot } from './support/plot.ts'
import { formatFigure } from './support/table.ts'
import { Workspace } from './support/workspace.ts'

const ids = (figures: readonly Figure[]): string => figures.map(({ id }) => id).join(', ')

const USAGE = `npm run bench -- [--only P1,P2] [--growth] [--pairs 9] [--size BYTES] [--directory DIR] [--plots DIR] [--prof DIR] [--json]

  --only       the figures to run: ${ids(FIGURES)}; all of these by default;
               ${ids(GROWTH)}
  --growth     the last ones instead: the figures with ten times the files, transfers and connections
  --pairs      runs of each, in turn with what it is compared to
  --size       of the file that is uploaded, in bytes
  --directory  where input and stores lie while it runs; its file system is what is measured
  --plots      where curves are written (default: docs/plots)
  --prof       every process writes a CPU profile into this directory (and is slower for it)
  --json       one object instead of tables; bench/tables.ts makes tables of one or several of them
`

const DEFAULT_PAIRS = 9
const DEFAULT_SIZE_BYTES = 256 * 1024 * 1024
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      growth: { type: 'boolean', default: false },
      pairs: { type: 'string', default: String(DEFAULT_PAIRS) },
      size: { type: 'string', default: String(DEFAULT_SIZE_BYTES) },
      directory: { type: 'string', default: here('.') },
      plots: { type: 'string', default: here('../docs/plots') },
      prof: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(USAGE)
    return
  }
  const figures = values.only === undefined ? (values.growth ? GROWTH : FIGURES) : values.only.split(',').map(figureOf)
  const pairs = wholeNumber('pairs', values.pairs)
  const sizeBytes = wholeNumber('size', values.size)
  if (values.prof !== undefined) mkdirSync(values.prof, { recursive: true })
  const workspace = new Workspace(resolve(values.directory))
  process.on('exit', () => workspace.remove())
  for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]] as const) process.once(signal, () => process.exit(code))
  const common = { workspace, pairs, sizeBytes, ...(values.prof === undefined ? {} : { profileDirectory: resolve(values.prof) }) }

  const [loadBefore] = loadavg()
  const results: FigureResult[] = []
  for (const figure of figures) {
    // One that went wrong must not cost what the others took a quarter of an hour to measure.
    const result = await runFigure(figure, common, plot => writePlot(resolve(values.plots), plot)).catch((cause: unknown) => failed(figure, cause))
    if (result === undefined) continue
    results.push(result)
    if (!process.stderr.isTTY) process.stderr.write(`${result.id} ${result.seconds} s\n`)
    if (!values.json) process.stdout.write(`${formatFigure(result)}\n\n`)
  }
  if (!values.json) return
  const machine = { node: process.version, processors: cpus().length, model: cpus()[0]?.model, load: loadBefore }
  process.stdout.write(`${JSON.stringify({ date: new Date().toISOString(), machine, pairs, sizeBytes, figures: results })}\n`)
}

async function runFigure(
  figure: Figure, common: Omit<BenchContext, 'progress' | 'note' | 'plot'>, plot: (plot: Plot) => void,
): Promise<FigureResult> {
  const progress = (text: string): void => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text === '' ? '' : `${figure.id} ${text}`}`)
  }
  const notes: string[] = []
  const startMs = performance.now()
  const rows = await figure.run({ ...common, progress, plot, note: text => notes.push(text) })
  progress('')
  const seconds = Math.round((performance.now() - startMs) / 1000)
  return { id: figure.id, title: figure.title, seconds, notes, rows: summarizeRows(rows) }
}

function failed({ id }: Figure, cause: unknown): undefined {
  process.stderr.write(`${id} went wrong: ${cause instanceof Error ? cause.stack : String(cause)}\n`)
  process.exitCode = 1
}

function writePlot(directory: string, plot: Plot): void {
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, `${plot.name}.svg`), drawPlot(plot))
}

function figureOf(text: string): Figure {
  const id = text.trim().toUpperCase()
  const figure = [...FIGURES, ...GROWTH].find(candidate => candidate.id === id)
  if (figure === undefined) throw new RangeError(`no figure ${id}; there are ${ids([...FIGURES, ...GROWTH])}`)
  return figure
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`--${name} is not a whole number above 0: ${text}`)
  return value
}

main().catch((cause: unknown) => {
  process.stderr.write(`${cause instanceof Error ? cause.stack : String(cause)}\n`)
  process.exit(cause instanceof RangeError ? 2 : 1)
})
