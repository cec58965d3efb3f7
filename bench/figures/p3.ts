/**
 * P3: how fast a file goes in with the default chunk size: through the library, as a user puts it, and with the lean client, which shows
 * the daemon alone. Against a pipe; and beside what else moves a file from here to there.
 */
import { setTimeout } from 'node:timers/promises'
import { Daemon } from '../support/daemon.ts'
import type { BenchContext, Figure } from '../support/figure.ts'
import { Pipe, SETTLE_MS } from '../support/pipe.ts'
import { baselines } from '../support/programs.ts'
import { inTurn } from '../support/statistics.ts'
import { hasProgram, hasTus, startProgram, timeProgram } from '../support/tools.ts'
import { LeanUpload, LibraryClient } from '../support/upload.ts'
import type { InputFile } from '../support/workspace.ts'

export const p3: Figure = {
  id: 'P3',
  title: 'upload with the default chunk size, durability power',
  async run(context) {
    const { workspace, pairs, sizeBytes, progress, note } = context
    const input = await workspace.makeInput(sizeBytes)
    await using daemon = await Daemon.start(context, 'power')
    await using pipe = await Pipe.start(workspace)
    await using library = new LibraryClient(context)
    await using lean = new LeanUpload(context)
    await using others = await startOthers(context, input)
    const { chunkSizeBytes } = await library.keep(daemon.access, await workspace.makeInput(1024))
    note(`The default chunk size is ${chunkSizeBytes} bytes. socat, cp and dd are timed with the start of their processes.`)
    const samples = await inTurn(pairs, {
      pipe: () => pipe.rate(input),
      library: () => library.rate(daemon.access, [input]),
      lean: () => lean.rate(daemon.access, input, chunkSizeBytes, 'ranges'),
      ...others.runs,
    }, progress)
    await workspace.drop(input.path)
    const goal = { baseline: 'pipe', direction: 'at least', ratio: 1.2 } as const
    return [
      { name: 'pipe', unit: 'MB/s', samples: samples.pipe },
      { name: 'library', unit: 'MB/s', samples: samples.library, goal },
      { name: 'lean client', unit: 'MB/s', samples: samples.lean, goal },
      ...Object.keys(others.runs).map(name => ({ name, unit: 'MB/s', samples: (samples as Record<string, number[]>)[name] ?? [] })),
    ]
  },
}

interface Others extends AsyncDisposable {
  /** MB/s, by the baseline's name. */
  readonly runs: Readonly<Record<string, () => Promise<number>>>
}

/** Those of the baselines that are there. */
async function startOthers(context: BenchContext, { path, sizeBytes }: InputFile): Promise<Others> {
  const { workspace } = context
  const output = workspace.path('copy')
  const runs: Record<string, () => Promise<number>> = {}
  const add = (name: string, seconds: () => Promise<number>): void => {
    runs[name] = async () => {
      const rate = sizeBytes / await seconds() / 1e6
      await workspace.drop(output)
      await setTimeout(SETTLE_MS)
      return rate
    }
  }
  if (hasProgram(context, 'socat')) add('socat', () => socat(path, output, workspace.socketPath('socat')))
  add('cp', () => timeProgram('cp', path, output))
  add('dd conv=fdatasync', () => timeProgram('dd', `if=${path}`, `of=${output}`, 'bs=1M', 'conv=fdatasync', 'status=none'))
  if (!await hasTus(context)) return { runs, [Symbol.asyncDispose]: async () => {} }
  const [server, client] = [baselines.tus(), baselines.tus()]
  const directory = await workspace.makeDirectory('tus')
  const port = await server.run({ role: 'server', path: directory, port: 0 })
  add('tus', async () => {
    const seconds = await client.run({ role: 'client', path, port })
    await workspace.empty(directory)
    return seconds
  })
  return { runs, [Symbol.asyncDispose]: async () => { await Promise.all([server.stop(), client.stop()]) } }
}

/** From the sender's start to the receiver's end, in seconds. */
async function socat(path: string, output: string, socketPath: string): Promise<number> {
  const receiver = startProgram('socat', '-u', '-b', '65536', `UNIX-LISTEN:${socketPath}`, `OPEN:${output},creat,trunc`)
  // For the receiver to listen; where that takes longer, the sender tries again.
  await setTimeout(50)
  const startMs = performance.now()
  await timeProgram('socat', '-u', '-b', '65536', `OPEN:${path}`, `UNIX-CONNECT:${socketPath},retry=20,interval=0.01`)
  await receiver.ended
  return (performance.now() - startMs) / 1000
}
