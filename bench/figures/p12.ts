/**
 * P12: how many durable answers of 1 KiB a second the daemon gives one client that may have 1, 64 or 1024 of them unanswered, against a
 * redis that syncs before each answer; and beside it what the disk itself does, by fio.
 */
import { Daemon } from '../support/daemon.ts'
import type { BenchContext, Figure, Row } from '../support/figure.ts'
import { Redis } from '../support/redis.ts'
import { inTurn } from '../support/statistics.ts'
import { hasProgram, runProgram } from '../support/tools.ts'
import { LeanUpload } from '../support/upload.ts'

const CHUNK_SIZE_BYTES = 1024
const INPUT_BYTES = 32 * 1024 * 1024
const FOR_MS = 1000
/** SETs of a run, by the window: about half a second each. */
const SETS = new Map([[1, 2000], [64, 32_000], [1024, 102_400]])
const WINDOWS = [...SETS.keys()]

export const p12: Figure = {
  id: 'P12',
  title: 'durable acknowledgements of 1 KiB, one connection',
  async run(context) {
    const { workspace, pairs, progress } = context
    const input = await workspace.makeInput(INPUT_BYTES)
    await using daemon = await Daemon.start(context, 'power')
    await using client = new LeanUpload(context)
    await using redis = hasProgram(context, 'redis-benchmark', 'redis-server') ? await Redis.start(workspace) : undefined
    const runs: Record<string, () => Promise<number>> = {}
    for (const window of WINDOWS) {
      if (redis !== undefined) runs[`redis, window ${window}`] = () => redis.setsPerSecond(window, SETS.get(window) ?? window)
      for (const acks of ['each', 'ranges'] as const) {
        runs[`${acks === 'each' ? 'an Ok each' : 'ranges'}, window ${window}`] = async () => {
          const flood = { forMs: FOR_MS }
          const { bytes, seconds } = await client.run({
            access: daemon.access, input, chunkSizeBytes: CHUNK_SIZE_BYTES, acks, windowMax: window, flood,
          })
          return bytes / CHUNK_SIZE_BYTES / seconds
        }
      }
    }
    if (hasProgram(context, 'fio')) runs['fio, 1 KiB and fdatasync'] = () => syncsPerSecond(context)
    const samples = await inTurn(pairs, runs, progress)
    await workspace.drop(input.path)
    return Object.entries(samples).map(([name, values]): Row => {
      const baseline = `redis, ${name.split(', ')[1]}`
      const hasGoal = redis !== undefined && !name.startsWith('redis') && name.includes('window')
      return { name, unit: '/s', samples: values, ...(hasGoal ? { goal: { baseline, direction: 'at least', ratio: 2 } } : {}) }
    })
  },
}

/** What fio, which is no Node, reaches with the same writes. */
async function syncsPerSecond({ workspace }: BenchContext): Promise<number> {
  const path = workspace.path('fio')
  const output = await runProgram(
    'fio', '--name=floor', `--filename=${path}`, '--rw=write', '--bs=1k', '--size=64m', '--fdatasync=1', '--ioengine=psync',
    '--time_based', '--runtime=1', '--output-format=json',
  )
  await workspace.drop(path)
  const { jobs: [job] } = JSON.parse(output) as { jobs: { write: { iops: number } }[] }
  if (job === undefined) throw new Error('fio ran no job')
  return job.write.iops
}
