/** `tally rm`: removes files, or abandons transfers that are not complete. */
import type { FileId } from '../file-id.ts'
import type { Tally } from '../index.ts'
import { UsageError } from './arguments.ts'
import { type Command, connectAs } from './command.ts'
import { filesOfDigest } from './digest.ts'
import { EXIT, type ExitCode, errorValue, exitCodeOf } from './exit.ts'
import { labelOf, parseId } from './get.ts'
import { escaped } from './output.ts'

export const rm: Command = {
  name: 'rm',
  usage: 'ID…',
  summary: 'remove files, or give up transfers',
  examples: [
    ['tally rm 0b6f…-9c1d', 'all files of a transfer'],
    ['tally rm 0b6f…-9c1d/2 sha256:…', 'one of its files, and every file with this content'],
  ],
  flags: [],
  async run(context) {
    const { given, output, signal } = context
    const ids = given.positionals.map(parseId)
    if (ids.length === 0) throw new UsageError('rm needs at least one ID')
    await using tally = await connectAs(context)
    let exit: ExitCode = EXIT.DONE
    for (const id of ids) {
      const label = labelOf(id)
      try {
        const removed = await remove(tally, id, signal)
        output.result(`${label}  ${removed} removed`, { id: label, removed })
      } catch (error) {
        if (signal.aborted) throw error
        if (exit === EXIT.DONE) exit = exitCodeOf(error)
        if (output.json) output.result('', { id: label, error: errorValue(error) })
        output.say(`tally: ${label}: ${escaped(errorValue(error).reason)}`)
      }
    }
    return exit
  },
}

async function remove(tally: Tally, id: FileId, signal: AbortSignal): Promise<number> {
  if ('fid' in id) return tally.remove(id, { signal })
  let removed = 0
  for (const file of await filesOfDigest(tally, id.digest, signal)) removed += await tally.remove(file, { signal })
  return removed
}
