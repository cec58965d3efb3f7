/**
 * P6: how long a daemon that was killed with 10,000 unfinished transfers takes from its start until it reports what one of them lacks; and
 * how long one with an empty store takes, which is the start of the process itself.
 */
import { Daemon } from '../support/daemon.ts'
import type { Figure } from '../support/figure.ts'
import { Link, logIn } from '../support/link.ts'
import { announceMany, CHUNKS_PER_FILE } from '../support/population.ts'
import { inTurn } from '../support/statistics.ts'

const TRANSFERS = 10_000

export const p6: Figure = {
  id: 'P6',
  title: `a start with ${TRANSFERS.toLocaleString('en-US')} unfinished transfers, until the report of one`,
  async run(context) {
    const { pairs, progress } = context
    await using empty = await Daemon.start(context, 'power')
    await using full = await Daemon.start(context, 'power')
    progress(`announcing ${TRANSFERS} transfers`)
    const fids = await announceMany(full.access, TRANSFERS)
    const samples = await inTurn(pairs, {
      empty: () => timeRestart(empty, undefined),
      full: () => timeRestart(full, fids[Math.floor(Math.random() * fids.length)]),
    }, progress)
    return [
      { name: 'empty store', unit: 'ms', samples: samples.empty },
      { name: 'killed with unfinished transfers', unit: 'ms', samples: samples.full, goal: { direction: 'below', limit: 1000 } },
    ]
  },
}

/** From the start of the process until a log-in is answered, and a report of the transfer where one is named; milliseconds. */
export async function timeRestart(daemon: Daemon, fid: string | undefined): Promise<number> {
  const startMs = await daemon.restart()
  const link = await Link.open(daemon.access, 'msgpack')
  try {
    const { files = [] } = await logIn(link, daemon.access, fid === undefined ? {} : { fid })
    const timeMs = performance.now() - startMs
    const [file] = files
    if (fid !== undefined && (file === undefined || !('missing' in file) || file.missing[0]?.[1] !== CHUNKS_PER_FILE - 1)) {
      throw new Error(`the report is not that of the transfer: ${JSON.stringify(files)}`)
    }
    return timeMs
  } finally {
    link.close()
  }
}
