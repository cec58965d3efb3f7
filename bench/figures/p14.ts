/**
 * P14: what is left of P1 and P3 where each sync takes 5 ms longer (strace holds back the return of fdatasync and fsync), and where
 * `tally relay` and a line of 50 ms stand before the daemon.
 */
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Access, Daemon } from '../support/daemon.ts'
import type { BenchContext, Figure } from '../support/figure.ts'
import { baselines } from '../support/programs.ts'
import { inTurn } from '../support/statistics.ts'
import { accepts, hasProgram, startProgram } from '../support/tools.ts'
import { LeanUpload, LibraryClient } from '../support/upload.ts'

const CLI = fileURLToPath(new URL('../../client/cli/main.ts', import.meta.url))
const START_TIMEOUT_MS = 30_000
const SYNC_DELAY_MS = 5
const ROUND_TRIP_MS = 50
const SLOW_SYNCS = [
  'strace', '-f', '-qq', '--seccomp-bpf', '-o', '/dev/null', '-e', 'trace=fdatasync,fsync', '-e',
  `inject=fdatasync,fsync:delay_exit=${SYNC_DELAY_MS * 1000}`,
]
const OWN = 'as it is'

export const p14: Figure = {
  id: 'P14',
  title: `P1 and P3 with syncs slowed by ${SYNC_DELAY_MS} ms, and through tally relay with a round trip of ${ROUND_TRIP_MS} ms`,
  async run(context) {
    const { workspace, pairs, sizeBytes, progress } = context
    const input = await workspace.makeInput(sizeBytes)
    await using daemon = await Daemon.start(context, 'power')
    await using slow = await startSlow(context)
    await using line = baselines.delayLine()
    await using lean = new LeanUpload(context)
    await using library = new LibraryClient(context)
    await using libraryFar = new LibraryClient(context)
    await using librarySlow = new LibraryClient(context)
    const farPath = workspace.socketPath('far')
    await line.run({ listenPath: farPath, toPath: daemon.access.socketPath, delayMs: ROUND_TRIP_MS / 2 })
    const relayed: Access = { ...daemon.access, socketPath: workspace.socketPath('relay') }
    await using _relay = await startRelay(relayed.socketPath, farPath)
    const places = [
      { where: OWN, access: daemon.access, client: library },
      ...(slow === undefined ? [] : [{ where: `syncs + ${SYNC_DELAY_MS} ms`, access: slow.access, client: librarySlow }]),
      { where: `relay and ${ROUND_TRIP_MS} ms`, access: relayed, client: libraryFar },
    ]
    const runs: Record<string, () => Promise<number>> = {}
    for (const { where, access, client } of places) {
      runs[`P1, an Ok each, ${where}`] = () => lean.rate(access, input, 1024, 'each')
      runs[`P1, ranges, ${where}`] = () => lean.rate(access, input, 1024, 'ranges')
      runs[`P3, library, ${where}`] = () => client.rate(access, [input])
    }
    const samples = await inTurn(pairs, runs, progress)
    await workspace.drop(input.path)
    return Object.entries(samples).map(([name, values]) => {
      const baseline = `${name.slice(0, name.lastIndexOf(', '))}, ${OWN}`
      return { name, unit: 'MB/s', samples: values, ...(name === baseline ? {} : { goal: { baseline, direction: 'at least', ratio: 0.5 } }) }
    })
  },
}

/** `tally relay` between two sockets. */
async function startRelay(listenPath: string, toPath: string): Promise<AsyncDisposable> {
  const relay = startProgram(process.execPath, CLI, 'relay', '--listen', listenPath, '--to', toPath)
  for (const deadlineMs = performance.now() + START_TIMEOUT_MS; !(await accepts(listenPath)); await setTimeout(20)) {
    if (performance.now() > deadlineMs) throw new Error('the relay did not start')
  }
  return { [Symbol.asyncDispose]: () => relay.stop() }
}

/** Undefined, with a note, where the daemon cannot be traced. */
async function startSlow(context: BenchContext): Promise<Daemon | undefined> {
  if (!hasProgram(context, 'strace')) return undefined
  try {
    return await Daemon.start(context, 'power', { under: SLOW_SYNCS })
  } catch {
    context.note('Without slow syncs: strace may not trace here.')
    return undefined
  }
}
