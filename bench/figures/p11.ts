/**
 * P11: how long a client waits for the Ok of one chunk, alone, and trickling beside one that floods; against a sync of the disk, and
 * against itself alone.
 */
import { Daemon } from '../support/daemon.ts'
import type { Figure, Row } from '../support/figure.ts'
import { baselines, clients } from '../support/programs.ts'
import { inTurn, percentile } from '../support/statistics.ts'

const COUNT = 1000
/** The first ones of a run are not counted: the daemon has just opened the transfer, the flood has just begun. */
const SKIP = { alone: 50, beside: 5 }
const TRICKLE_PAUSE_MS = 1
/** Of the file that is sent again and again. */
const FLOOD_FILE_BYTES = 32 * 1024 * 1024
const FLOOD_MS = 2700
/** The trickling client begins with the flood and ends before it. */
const TRICKLE_MS = 2300

export const p11: Figure = {
  id: 'P11',
  title: 'from a chunk of 1 KiB to its Ok, durability power',
  async run(context) {
    const { workspace, pairs, progress } = context
    const input = await workspace.makeInput(FLOOD_FILE_BYTES)
    await using daemon = await Daemon.start(context, 'power')
    await using disk = baselines.sync()
    await using client = clients.stopAndWait(context)
    await using flooder = clients.upload(context)
    const { access } = daemon
    const samples = await inTurn(pairs, {
      sync: async () => ({ timesMs: await disk.run({ path: workspace.path('sync'), count: COUNT }), floodRate: 0 }),
      alone: async () => {
        const { timesMs } = await client.run({ access, form: 'msgpack', ids: 'numbered', count: COUNT + SKIP.alone, skip: SKIP.alone })
        return { timesMs, floodRate: 0 }
      },
      beside: async () => {
        const flooded = flooder.run({ access, input, chunkSizeBytes: 1024, acks: 'ranges', flood: { forMs: FLOOD_MS } })
        const trickled = client.run({
          access, form: 'msgpack', ids: 'numbered', count: TRICKLE_MS, forMs: TRICKLE_MS, skip: SKIP.beside, pauseMs: TRICKLE_PAUSE_MS,
        })
        const [{ seconds, bytes }, { timesMs }] = await Promise.all([flooded, trickled])
        return { timesMs, floodRate: bytes / seconds / 1e6 }
      },
    }, progress)
    const row = (name: string, of: 'sync' | 'alone' | 'beside', share: number, baseline?: string, ratio = 0): Row => ({
      name,
      unit: 'ms',
      samples: samples[of].map(({ timesMs }) => percentile(timesMs, share)),
      ...(baseline === undefined ? {} : { goal: { baseline, direction: 'below', ratio } }),
    })
    return [
      row('append and sync, p50', 'sync', 0.5),
      row('append and sync, p99', 'sync', 0.99),
      row('alone, p50', 'alone', 0.5),
      row('alone, p99', 'alone', 0.99, 'append and sync, p50', 3),
      row('beside a flood, p50', 'beside', 0.5),
      row('beside a flood, p99', 'beside', 0.99, 'alone, p99', 5),
      { name: 'the flood meanwhile', unit: 'MB/s', samples: samples.beside.map(({ floodRate }) => floodRate) },
    ]
  },
}
