/**
 * P1: how fast a file goes in with 1 KiB chunks, an Ok each and in ranges, durable against power loss, against a pipe that does nothing.
 */
import type { PipeResult, PipeTask } from '../baselines/pipe.ts'
import type { UploadResult, UploadTask } from '../clients/upload.ts'
import { Child } from '../support/child.ts'
import { Daemon } from '../support/daemon.ts'
import type { BenchContext, Figure, Row } from '../support/figure.ts'
import { inTurn } from '../support/statistics.ts'
import { setTimeout } from 'node:timers/promises'

const CHUNK_SIZE_BYTES = 1024
/** After each run, for the deletion of what it wrote. */
const SETTLE_MS = 100

export const p1: Figure = {
  id: 'P1',
  title: 'upload with 1 KiB chunks, durability power',
  async run(context: BenchContext): Promise<readonly Row[]> {
    const { workspace, pairs, sizeBytes, profileDirectory, progress } = context
    const input = await workspace.makeInput(sizeBytes)
    const daemon = await Daemon.start(context, 'power')
    const sink = new Child<PipeTask, PipeResult>(new URL('../baselines/pipe.ts', import.meta.url))
    const source = new Child<PipeTask, PipeResult>(new URL('../baselines/pipe.ts', import.meta.url))
    const client = new Child<UploadTask, UploadResult>(new URL('../clients/upload.ts', import.meta.url), profileDirectory)
    try {
      const socketPath = workspace.socketPath('pipe')
      const outputPath = workspace.path('output')
      await sink.run({ role: 'sink', socketPath, path: outputPath })
      const pipe = async (): Promise<number> => {
        const seconds = await source.run({ role: 'source', socketPath, path: input.path })
        await workspace.drop(outputPath)
        await setTimeout(SETTLE_MS)
        return sizeBytes / seconds / 1e6
      }
      const upload = async (acks: 'each' | 'ranges'): Promise<number> => {
        const { seconds } = await client.run({ access: daemon.access, input, chunkSizeBytes: CHUNK_SIZE_BYTES, acks })
        await setTimeout(SETTLE_MS)
        return sizeBytes / seconds / 1e6
      }
      const runs = { pipe, each: () => upload('each'), ranges: () => upload('ranges') }
      const samples = await inTurn(pairs, runs, done => progress(`pair ${done} of ${pairs}`))
      return [
        { name: 'pipe', unit: 'MB/s', samples: samples.pipe },
        { name: 'an Ok each', unit: 'MB/s', samples: samples.each, goal: { baseline: 'pipe', direction: 'at least', ratio: 0.6 } },
        { name: 'ranges', unit: 'MB/s', samples: samples.ranges, goal: { baseline: 'pipe', direction: 'at least', ratio: 0.85 } },
      ]
    } finally {
      await Promise.all([sink.stop(), source.stop(), client.stop(), daemon.stop()])
      await workspace.drop(input.path)
    }
  },
}
