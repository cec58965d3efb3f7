/**
 * `npm run bench`: runs the figures that were asked for and prints them, as a table or with `--json` as one object. Progress goes to
 * stderr. Nothing fails because a machine was slow; it fails when a run was wrong.
 */
import { mkdirSync } from 'node:fs'
import { cpus } from 'node:os'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { p1 } from './figures/p1.ts'
import { p11 } from './figures/p11.ts'
import { p2 } from './figures/p2.ts'
import { type BenchContext, type Figure, formatRows, type RowResult, summarizeRows } from './support/figure.ts'
import { Workspace } from './support/workspace.ts'

const FIGURES: readonly Figure[] = [p1, p2, p11]

const USAGE = `npm run bench -- [--only P1,P2] [--pairs 9] [--size BYTES] [--directory DIR] [--prof DIR] [--json]

  --only       the figures to run: ${FIGURES.map(({ id }) => id).join(', ')}; all of them by default
  --pairs      runs of each, in turn
  --size       of the file that is uploaded, in bytes
  --directory  where input and stores lie while it runs; its file system is what is measured
  --prof       every process writes a CPU profile into this directory (and is slower for it)
`

const DEFAULT_PAIRS = 9
const DEFAULT_SIZE_BYTES = 256 * 1024 * 1024

function wholeNumber(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`--${name} is not a whole number above 0: ${text}`)
  return value
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      pairs: { type: 'string', default: String(DEFAULT_PAIRS) },
      size: { type: 'string', default: String(DEFAULT_SIZE_BYTES) },
      directory: { type: 'string', default: fileURLToPath(new URL('.', import.meta.url)) },
      prof: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(USAGE)
    return
  }
  const wanted = values.only?.split(',').map(id => id.trim().toUpperCase()) ?? FIGURES.map(({ id }) => id)
  const figures = wanted.map(id => {
    const figure = FIGURES.find(candidate => candidate.id === id)
    if (figure === undefined) throw new RangeError(`no figure ${id}; there are ${FIGURES.map(known => known.id).join(', ')}`)
    return figure
  })
  if (values.prof !== undefined) mkdirSync(values.prof, { recursive: true })
  const workspace = new Workspace(resolve(values.directory))
  process.on('exit', () => workspace.remove())
  for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]] as const) process.once(signal, () => process.exit(code))

  const results: { id: string; title: string; seconds: number; rows: RowResult[] }[] = []
  for (const figure of figures) {
    const progress = (text: string): void => {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text === '' ? '' : `${figure.id} ${text}`}`)
    }
    const context: BenchContext = {
      workspace,
      pairs: wholeNumber('pairs', values.pairs),
      sizeBytes: wholeNumber('size', values.size),
      ...(values.prof === undefined ? {} : { profileDirectory: resolve(values.prof) }),
      progress,
    }
    const startMs = performance.now()
    const rows = summarizeRows(await figure.run(context))
    progress('')
    const seconds = Math.round((performance.now() - startMs) / 1000)
    results.push({ id: figure.id, title: figure.title, seconds, rows })
    if (!values.json) process.stdout.write(`${figure.id}: ${figure.title} (${values.pairs} pairs, ${seconds} s)\n\n${formatRows(rows)}\n\n`)
  }
  if (values.json) {
    const machine = { node: process.version, processors: cpus().length, model: cpus()[0]?.model }
    process.stdout.write(`${JSON.stringify({ date: new Date().toISOString(), machine, pairs: Number(values.pairs), figures: results })}\n`)
  }
}

main().catch((cause: unknown) => {
  process.stderr.write(`${cause instanceof Error ? cause.stack : String(cause)}\n`)
  process.exit(cause instanceof RangeError ? 2 : 1)
})
