/**
 * P1: how fast a file goes in with 1 KiB chunks, an Ok each and in ranges, durable against power loss, against a pipe that does nothing.
 */
import { Daemon } from '../support/daemon.ts'
import type { Figure } from '../support/figure.ts'
import { Pipe } from '../support/pipe.ts'
import { inTurn } from '../support/statistics.ts'
import { LeanUpload } from '../support/upload.ts'

const CHUNK_SIZE_BYTES = 1024

export const p1: Figure = {
  id: 'P1',
  title: 'upload with 1 KiB chunks, durability power',
  async run(context) {
    const { workspace, pairs, sizeBytes, progress } = context
    const input = await workspace.makeInput(sizeBytes)
    await using daemon = await Daemon.start(context, 'power')
    await using pipe = await Pipe.start(workspace)
    await using client = new LeanUpload(context)
    const samples = await inTurn(pairs, {
      pipe: () => pipe.rate(input),
      each: () => client.rate(daemon.access, input, CHUNK_SIZE_BYTES, 'each'),
      ranges: () => client.rate(daemon.access, input, CHUNK_SIZE_BYTES, 'ranges'),
    }, progress)
    await workspace.drop(input.path)
    return [
      { name: 'pipe', unit: 'MB/s', samples: samples.pipe },
      { name: 'an Ok each', unit: 'MB/s', samples: samples.each, goal: { baseline: 'pipe', direction: 'at least', ratio: 0.6 } },
      { name: 'ranges', unit: 'MB/s', samples: samples.ranges, goal: { baseline: 'pipe', direction: 'at least', ratio: 0.85 } },
    ]
  },
}
