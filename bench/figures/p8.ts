/**
 * P8: how fast files go in over 1, 16 and 256 connections of one app, a file each, through the library with its default chunk size. The sum
 * of the files is the same, so what differs is the crowd.
 */
import { Daemon } from '../support/daemon.ts'
import type { BenchContext, Figure, Row } from '../support/figure.ts'
import { inTurn } from '../support/statistics.ts'
import { LibraryClient } from '../support/upload.ts'
import type { InputFile, Workspace } from '../support/workspace.ts'

export const p8: Figure = {
  id: 'P8',
  title: 'upload over many connections, a file each, through the library',
  async run(context) {
    context.note('Both ratios are to one connection: it falls by less than 15 %, then by less than 40 %.')
    const rows = await crowdRates(context, [1, 16, 256])
    const goals = [undefined, 0.85, 0.6]
    return rows.map((row, i) => {
      const ratio = goals[i]
      return ratio === undefined ? row : { ...row, goal: { baseline: '1 connection', direction: 'at least', ratio } }
    })
  },
}

/** A row for each number of connections: MB/s of all together. */
export async function crowdRates(context: BenchContext, counts: readonly number[]): Promise<readonly Row[]> {
  const { workspace, pairs, sizeBytes, progress } = context
  await using daemon = await Daemon.start(context, 'power')
  await using library = new LibraryClient(context)
  const inputs = new Map<number, readonly InputFile[]>()
  for (const count of counts) inputs.set(count, await makeInputs(workspace, count, Math.ceil(sizeBytes / count)))
  const runs = Object.fromEntries(counts.map(count => [count, () => library.rate(daemon.access, inputs.get(count) ?? [])]))
  const samples = await inTurn(pairs, runs, progress)
  for (const files of inputs.values()) for (const { path } of files) await workspace.drop(path)
  return counts.map(count => {
    return { name: count === 1 ? '1 connection' : `${count} connections`, unit: 'MB/s', samples: samples[count] ?? [] }
  })
}

async function makeInputs(workspace: Workspace, count: number, sizeBytes: number): Promise<readonly InputFile[]> {
  const files: InputFile[] = []
  for (let file = 0; file < count; file++) files.push(await workspace.makeInput(sizeBytes))
  return files
}
