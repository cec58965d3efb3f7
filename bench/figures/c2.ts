/**
 * C2, a curve: how long one client waits for the Ok of a chunk of 1 KiB while another uploads at a given rate, from none to all that the
 * daemon takes.
 */
import { Daemon } from '../support/daemon.ts'
import type { Figure } from '../support/figure.ts'
import { clients } from '../support/programs.ts'
import { inTurn, percentile, summarize } from '../support/statistics.ts'

/** Of the other client, in MB/s; Infinity: as fast as it can. */
const LOADS = [0, 25, 50, 100, 200, Number.POSITIVE_INFINITY] as const
const PAIRS_MAX = 5
const INPUT_BYTES = 32 * 1024 * 1024
const FOR_MS = 2000
/** The flood lasts longer than what is measured beside it. */
const FLOOD_MS = 2400
const PAUSE_MS = 1
const SKIP = 5

export const c2: Figure = {
  id: 'C2',
  title: 'from a chunk of 1 KiB to its Ok, over the load of another client, durability power',
  async run(context) {
    const { workspace, progress, plot } = context
    const input = await workspace.makeInput(INPUT_BYTES)
    await using daemon = await Daemon.start(context, 'power')
    await using client = clients.stopAndWait(context)
    await using flooder = clients.upload(context)
    const { access } = daemon
    const runs = Object.fromEntries(LOADS.map(load => [load, async () => {
      const flood = { forMs: FLOOD_MS, ...(Number.isFinite(load) ? { bytesPerSecond: load * 1e6 } : {}) }
      const flooded = load === 0 ? undefined : flooder.run({ access, input, chunkSizeBytes: 1024, acks: 'ranges', flood })
      const trickled = client.run({ access, form: 'msgpack', ids: 'numbered', count: FOR_MS, forMs: FOR_MS, skip: SKIP, pauseMs: PAUSE_MS })
      const [flow, { timesMs }] = await Promise.all([flooded, trickled])
      return { timesMs, rate: flow === undefined ? 0 : flow.bytes / flow.seconds / 1e6 }
    }]))
    const samples = await inTurn(Math.min(context.pairs, PAIRS_MAX), runs, progress)
    await workspace.drop(input.path)
    const of = (load: number, value: (sample: { readonly timesMs: readonly number[]; readonly rate: number }) => number): number[] =>
      (samples[load] ?? []).map(value)
    const curve = (share: number) => LOADS.map(load => {
      const timeMs = summarize(of(load, ({ timesMs }) => percentile(timesMs, share))).median
      return [summarize(of(load, ({ rate }) => rate)).median, timeMs] as const
    })
    plot({
      name: 'latency-over-load',
      title: 'From a chunk of 1 KiB to its Ok, beside another upload',
      x: { label: 'the other upload, MB/s', scale: 'linear' },
      y: { label: 'ms', scale: 'log' },
      lines: [{ name: 'p50', points: curve(0.5) }, { name: 'p99', points: curve(0.99) }],
    })
    return LOADS.flatMap(load => {
      const name = load === 0 ? 'alone' : Number.isFinite(load) ? `beside ${load} MB/s` : 'beside a flood'
      return [
        { name: `${name}, p50`, unit: 'ms', samples: of(load, ({ timesMs }) => percentile(timesMs, 0.5)) },
        { name: `${name}, p99`, unit: 'ms', samples: of(load, ({ timesMs }) => percentile(timesMs, 0.99)) },
        ...(load === 0 ? [] : [{ name: `${name}, its rate`, unit: 'MB/s', samples: of(load, ({ rate }) => rate) }]),
      ]
    })
  },
}
