/** C1, a curve: how fast a file goes in over the size of its chunks, an Ok each and in ranges, with the pipe beside it. */
import { Daemon } from '../support/daemon.ts'
import type { Figure } from '../support/figure.ts'
import { Pipe } from '../support/pipe.ts'
import { inTurn, summarize } from '../support/statistics.ts'
import { LeanUpload } from '../support/upload.ts'

const SIZES_KIB = [1, 4, 16, 64, 256, 1024] as const
const PAIRS_MAX = 5
const KINDS = [['an Ok each', 'each'], ['ranges', 'ranges']] as const

export const c1: Figure = {
  id: 'C1',
  title: 'upload over the chunk size, lean client, durability power',
  async run(context) {
    const { workspace, sizeBytes, progress, plot } = context
    const input = await workspace.makeInput(sizeBytes)
    await using daemon = await Daemon.start(context, 'power')
    await using pipe = await Pipe.start(workspace)
    await using client = new LeanUpload(context)
    const runs: Record<string, () => Promise<number>> = { pipe: () => pipe.rate(input) }
    for (const sizeKib of SIZES_KIB) {
      for (const [name, acks] of KINDS) {
        runs[`${name}, ${sizeKib} KiB`] = () => client.rate(daemon.access, input, sizeKib * 1024, acks)
      }
    }
    const samples = await inTurn(Math.min(context.pairs, PAIRS_MAX), runs, progress)
    await workspace.drop(input.path)
    const median = (name: string): number => summarize(samples[name] ?? []).median
    plot({
      name: 'throughput-over-chunk-size',
      title: 'Upload over the size of a chunk, durability power',
      x: { label: 'chunk size', scale: 'log', format: kib => kib >= 1024 ? `${kib / 1024} MiB` : `${kib} KiB` },
      y: { label: 'MB/s', scale: 'linear' },
      lines: [
        ...KINDS.map(([name]) => ({ name, points: SIZES_KIB.map(sizeKib => [sizeKib, median(`${name}, ${sizeKib} KiB`)] as const) })),
        { name: 'pipe (no protocol, no sync, no hash)', points: SIZES_KIB.map(sizeKib => [sizeKib, median('pipe')] as const) },
      ],
    })
    return Object.entries(samples).map(([name, values]) => ({ name, unit: 'MB/s', samples: values }))
  },
}
