/**
 * G6 to G9: P6, P7, P8 and P9 over numbers that grow to ten times those of the figure, as curves.
 */
import { Daemon } from '../support/daemon.ts'
import type { Figure, Row } from '../support/figure.ts'
import { QUESTIONS, timeFinds } from '../support/find.ts'
import { announceMany, storeMany } from '../support/population.ts'
import { percentile, summarize } from '../support/statistics.ts'
import { timeRestart } from './p6.ts'
import { crowdMemory } from './p7.ts'
import { crowdRates } from './p8.ts'

const TRANSFERS = [100, 1000, 10_000, 100_000] as const
const CROWDS = [100, 300, 1000, 3000, 9000] as const
const CONNECTIONS = [1, 4, 16, 64, 256, 1024, 2560] as const
const FILES = [1000, 10_000, 100_000, 1_000_000, 10_000_000] as const
const ASKED = 300
const RESTARTS_MAX = 3
const median = (samples: readonly number[]): number => summarize(samples).median

const g6: Figure = {
  id: 'G6',
  title: 'a start with unfinished transfers, until the report of one',
  async run(context) {
    const { pairs, progress, plot } = context
    await using daemon = await Daemon.start(context, 'power')
    const rows: Row[] = []
    let announced = 0
    for (const transfers of TRANSFERS) {
      progress(`announcing ${transfers} transfers`)
      const [fid] = await announceMany(daemon.access, transfers - announced)
      announced = transfers
      const samples: number[] = []
      for (let turn = 0; turn < Math.min(pairs, RESTARTS_MAX); turn++) samples.push(await timeRestart(daemon, fid))
      rows.push({ name: `${transfers.toLocaleString('en-US')} transfers`, unit: 'ms', samples })
    }
    plot({
      name: 'growth-restart',
      title: 'Start after a kill, until a report, over unfinished transfers',
      x: { label: 'unfinished transfers', scale: 'log' },
      y: { label: 'ms', scale: 'linear' },
      lines: [{ name: 'until the report of one', points: rows.map(({ samples }, i) => [TRANSFERS[i] as number, median(samples)] as const) }],
    })
    return rows
  },
}

const g7: Figure = {
  id: 'G7',
  title: 'resident memory over transfers at once, a connection each',
  async run(context) {
    const { progress, plot } = context
    const curves = { sending: [] as [number, number][], atRest: [] as [number, number][] }
    for (const count of CROWDS) {
      progress(`${count} transfers`)
      const { idle, perTransfer, atRest } = await crowdMemory(context, undefined, count)
      curves.sending.push([count, idle + perTransfer * count / 1024])
      curves.atRest.push([count, idle + atRest * count / 1024])
    }
    plot({
      name: 'growth-memory',
      title: 'Resident memory of the daemon over transfers at once',
      x: { label: 'transfers, a connection each', scale: 'log' },
      y: { label: 'MiB', scale: 'linear' },
      lines: [{ name: 'peak while all send', points: curves.sending }, { name: 'at rest', points: curves.atRest }],
    })
    const rowsOf = (what: string, points: readonly (readonly [number, number])[]): Row[] =>
      points.map(([count, mib]) => ({ name: `${count.toLocaleString('en-US')} transfers, ${what}`, unit: 'MiB', samples: [mib] }))
    return [...rowsOf('while all send', curves.sending), ...rowsOf('at rest', curves.atRest)]
  },
}

const g8: Figure = {
  id: 'G8',
  title: 'upload over many connections, a file each, through the library',
  async run(context) {
    const rows = await crowdRates({ ...context, pairs: Math.min(context.pairs, RESTARTS_MAX) }, CONNECTIONS)
    context.plot({
      name: 'growth-connections',
      title: 'Upload through the library over connections, the same bytes in all',
      x: { label: 'connections, a file each', scale: 'log' },
      y: { label: 'MB/s of all together', scale: 'linear' },
      lines: [{ name: 'library', points: rows.map(({ samples }, i) => [CONNECTIONS[i] as number, median(samples)] as const) }],
    })
    return rows
  },
}

const g9: Figure = {
  id: 'G9',
  title: 'FIND over a user\'s files, 2 required tags and 1 forbidden, p99 of 300',
  async run(context) {
    const { progress, plot, note } = context
    await using daemon = await Daemon.start(context, 'process')
    const rows: Row[] = []
    const lines = QUESTIONS.map(([first, second, forbidden]) => ({ name: `${first} and ${second}, not ${forbidden}`, points: [] as [number, number][] }))
    let stored = 0
    for (const files of FILES) {
      const startMs = performance.now()
      await storeMany(daemon, daemon.access.token, files - stored, done => progress(`storing ${stored + done} of ${files} files`))
      note(`From ${stored.toLocaleString('en-US')} to ${files.toLocaleString('en-US')} files: ${((performance.now() - startMs) / 1000).toFixed(1)} s.`)
      stored = files
      for (const [i, question] of QUESTIONS.entries()) {
        await timeFinds(daemon.access, question, ASKED)
        const p99 = percentile(await timeFinds(daemon.access, question, ASKED), 0.99)
        lines[i]?.points.push([files, p99])
        rows.push({ name: `${files.toLocaleString('en-US')} files: ${lines[i]?.name}`, unit: 'ms', samples: [p99] })
      }
    }
    plot({
      name: 'growth-find',
      title: 'FIND, p99, over the files of the user',
      x: { label: 'files', scale: 'log' },
      y: { label: 'ms', scale: 'log' },
      lines,
    })
    return rows
  },
}

export const growth: readonly Figure[] = [g6, g7, g8, g9]
