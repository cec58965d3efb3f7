/**
 * P7: how much memory the built daemon takes: idle, with 1,000 transfers at once, and whether a larger file takes more of it. Each sample
 * is that of a daemon of its own, because memory once taken is seldom given back.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import type { UploadTask } from '../clients/upload.ts'
import { buildDaemon } from '../support/build.ts'
import { Daemon } from '../support/daemon.ts'
import type { BenchContext, Figure, Row } from '../support/figure.ts'
import { clients } from '../support/programs.ts'
import { peakResidentBytes, residentBytes } from '../support/resources.ts'
import { LeanUpload } from '../support/upload.ts'
import type { InputFile } from '../support/workspace.ts'

const MIB = 1024 * 1024
const SAMPLES_MAX = 3
const REST_MS = 2000
const TRANSFERS = 1000
const CHUNKS_EACH = 256
/** Sent again and again as one file. */
const INPUT_BYTES = 32 * MIB
/** How many times, for a file of a usual size and for a large one. */
const TIMES = { numbered: [32, 128], opaque: [8, 32] } as const
/** Room for what the collector has not got to: "flat" is no more than this over the usual file. */
const FLAT = 1.2

export const p7: Figure = {
  id: 'P7',
  title: 'resident memory, from dist/, durability power',
  async run(context) {
    const { workspace, pairs, progress, note } = context
    const samplesMax = Math.min(pairs, SAMPLES_MAX)
    progress('building')
    const main = await buildDaemon(workspace)
    const input = await workspace.makeInput(INPUT_BYTES)
    const rows = new Map<string, number[]>()
    const add = (name: string, value: number): void => { rows.set(name, [...rows.get(name) ?? [], value]) }
    for (let sample = 0; sample < samplesMax; sample++) {
      progress(`sample ${sample + 1} of ${samplesMax}: ${TRANSFERS} transfers`)
      const { idle, perTransfer, atRest } = await crowdMemory(context, main, TRANSFERS)
      add('idle', idle)
      add('each of 1,000 transfers, while all send', perTransfer)
      add('each of 1,000 transfers, at rest', atRest)
      for (const ids of ['numbered', 'opaque'] as const) {
        for (const times of TIMES[ids]) {
          progress(`sample ${sample + 1} of ${samplesMax}: ${ids} chunks, ${times * INPUT_BYTES / MIB} MiB`)
          add(fileName(ids, times), await fileMemory(context, main, input, ids, times))
        }
      }
    }
    await workspace.drop(input.path)
    note('A file of 50 GiB is not sent: a file of 4 GiB must not take more than one of 1 GiB. The samples of this figure are daemons of their own.')
    const row = (name: string, unit: string, goal?: Row['goal']): Row =>
      ({ name, unit, samples: rows.get(name) ?? [], ...(goal === undefined ? {} : { goal }) })
    const file = (ids: 'numbered' | 'opaque'): Row[] => {
      const [usual, large] = TIMES[ids].map(times => fileName(ids, times)) as [string, string]
      return [row(usual, 'MiB'), row(large, 'MiB', { baseline: usual, direction: 'at most', ratio: FLAT })]
    }
    return [
      row('idle', 'MiB', { direction: 'below', limit: 110 }),
      row('each of 1,000 transfers, while all send', 'KiB', { direction: 'at most', limit: 64 }),
      row('each of 1,000 transfers, at rest', 'KiB', { direction: 'at most', limit: 64 }),
      ...file('numbered'),
      ...file('opaque'),
    ]
  },
}

function fileName(ids: string, times: number): string {
  return `peak with a file of ${times * INPUT_BYTES / MIB / 1024} GiB, ${ids}`
}

/** Idle in MiB; what a transfer adds in KiB, at the peak while all of them send and when none does. A connection each. */
export async function crowdMemory(
  context: BenchContext, main: string | undefined, count: number,
): Promise<{ readonly idle: number; readonly perTransfer: number; readonly atRest: number }> {
  await using daemon = await Daemon.start(context, 'power', main === undefined ? {} : { main })
  await using crowd = clients.crowd(context)
  await setTimeout(REST_MS)
  const idleBytes = residentBytes(daemon.pid)
  const peakBytes = await peakResidentBytes(daemon.pid, (async () => {
    await crowd.run({ do: 'arrive', access: daemon.access, count })
    await crowd.run({ do: 'send', chunks: CHUNKS_EACH })
  })())
  await setTimeout(REST_MS)
  const restBytes = residentBytes(daemon.pid)
  await crowd.run({ do: 'leave' })
  return { idle: idleBytes / MIB, perTransfer: (peakBytes - idleBytes) / 1024 / count, atRest: (restBytes - idleBytes) / 1024 / count }
}

/** The peak in MiB while one file comes in. */
async function fileMemory(
  context: BenchContext, main: string, input: InputFile, ids: 'numbered' | 'opaque', times: number,
): Promise<number> {
  await using daemon = await Daemon.start(context, 'power', { main })
  await using client = new LeanUpload(context)
  const bytes = await readFile(input.path)
  const hash = createHash('sha256')
  for (let time = 0; time < times; time++) hash.update(bytes)
  const chunkSizeBytes = ids === 'opaque' ? 1024 : 65_536
  const task: UploadTask = {
    access: daemon.access, input: { ...input, digest: `sha256:${hash.digest('hex')}` }, chunkSizeBytes, acks: 'ranges', ids, times,
  }
  return await peakResidentBytes(daemon.pid, client.run(task)) / MIB
}
