/**
 * P10: the processor time that the daemon takes for a GiB that it receives, all of its threads, against the receiving side of the pipe and
 * SHA-256 together. As the kernel counts it, so a busy machine distorts it less than a rate.
 */
import { Daemon } from '../support/daemon.ts'
import type { Figure } from '../support/figure.ts'
import { Pipe } from '../support/pipe.ts'
import { baselines } from '../support/programs.ts'
import { processorSeconds } from '../support/resources.ts'
import { inTurn } from '../support/statistics.ts'
import { LeanUpload, LibraryClient } from '../support/upload.ts'

const GIB = 1024 * 1024 * 1024
/** The kernel counts in hundredths of a second, so one sample is at least so many bytes. */
const SAMPLE_BYTES = GIB

export const p10: Figure = {
  id: 'P10',
  title: 'processor time per GiB received, default chunk size, durability power',
  async run(context) {
    const { workspace, pairs, sizeBytes, progress } = context
    const input = await workspace.makeInput(sizeBytes)
    await using daemon = await Daemon.start(context, 'power')
    await using pipe = await Pipe.start(workspace)
    await using library = new LibraryClient(context)
    await using lean = new LeanUpload(context)
    await using sha256 = baselines.sha256()
    const { chunkSizeBytes } = await library.keep(daemon.access, await workspace.makeInput(1024))
    const times = Math.max(1, Math.round(SAMPLE_BYTES / sizeBytes))
    const perGib = async (pid: number, run: () => Promise<unknown>): Promise<number> => {
      const before = processorSeconds(pid)
      for (let time = 0; time < times; time++) await run()
      return (processorSeconds(pid) - before) / (times * sizeBytes / GIB)
    }
    const samples = await inTurn(pairs, {
      pipe: () => perGib(pipe.sinkPid, () => pipe.rate(input)),
      sha256: async () => await sha256.run({ sizeBytes: GIB }),
      lean: () => perGib(daemon.pid, () => lean.rate(daemon.access, input, chunkSizeBytes, 'ranges')),
      library: () => perGib(daemon.pid, () => library.rate(daemon.access, [input])),
    }, progress)
    await workspace.drop(input.path)
    const together = samples.pipe.map((seconds, pair) => seconds + (samples.sha256[pair] ?? 0))
    const goal = { baseline: 'both', direction: 'at most', ratio: 1.2 } as const
    return [
      { name: 'receiving side of pipe', unit: 's/GiB', samples: samples.pipe },
      { name: 'SHA-256', unit: 's/GiB', samples: samples.sha256 },
      { name: 'both', unit: 's/GiB', samples: together },
      { name: 'daemon, with the lean client', unit: 's/GiB', samples: samples.lean, goal },
      { name: 'daemon, with the library', unit: 's/GiB', samples: samples.library, goal },
    ]
  },
}
