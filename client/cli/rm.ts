/** `tally rm`: removes files, or abandons transfers that are not complete. */
import type { FileId } from '../file-id.ts'
import type { FoundFile, Tally } from '../index.ts'
import { UsageError } from './arguments.ts'
import { type Command, type Context, connectAs } from './command.ts'
import { EXIT, type ExitCode } from './exit.ts'
import { filesOfDigest, labelOf, parseId } from './ids.ts'
import { forEach } from './outcome.ts'
import { QUERY_FLAGS, hasQuery, queryOf } from './query.ts'
import { countText, sizeText } from './text.ts'

export const rm: Command = {
  name: 'rm',
  usage: 'ID… | --tag T [--yes]',
  argument: 'id',
  summary: 'remove files, or give up transfers',
  examples: [
    ['tally rm 0b6f…-9c1d', 'remove all files of a transfer, or what is there of an unfinished one'],
    ['tally rm 0b6f…-9c1d/2 sha256:…', 'remove one of its files, and every file with this content'],
    ['tally rm --tag draft --not keep', 'say how many files these are; with --yes they are removed'],
  ],
  flags: [
    ...QUERY_FLAGS,
    { name: 'yes', short: 'y', help: 'with --tag, --any, --not or --name: do it; without it only the number of files is told' },
  ],
  outlivesReader: () => true,
  async run(context) {
    const { given } = context
    const ids = given.positionals.map(parseId)
    const byQuery = hasQuery(given)
    if ((ids.length > 0) === byQuery) throw new UsageError('rm needs either ID… or a query (--tag, --any, --not, --name)')
    if (given.has('yes') && !byQuery) throw new UsageError('--yes belongs to --tag, --any, --not or --name')
    await using tally = await connectAs(context)
    return await (byQuery ? removeFound(context, tally) : removeEach(context, tally, ids))
  },
}

function removeEach(context: Context, tally: Tally, ids: readonly FileId[]): Promise<ExitCode> {
  const { output, signal } = context
  return forEach(context, ids, id => ({ id: labelOf(id) }), async id => {
    let removed = 0
    if ('fid' in id) removed = await tally.remove(id, { signal })
    else for (const file of await filesOfDigest(tally, id.digest, signal)) removed += await tally.remove(file, { signal })
    output.result(`${labelOf(id)}  ${removed} removed`, { id: labelOf(id), removed })
  })
}

/** All that matched are known before the first is removed: what comes meanwhile is left alone. */
async function removeFound(context: Context, tally: Tally): Promise<ExitCode> {
  const { given, output, signal } = context
  const found: FoundFile[] = []
  for await (const file of tally.find(queryOf(given), { signal })) found.push(file)
  if (given.has('yes')) return removeEach(context, tally, found.map(({ fid, file }) => ({ fid, file })))
  const size = sizeText(found.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0))
  output.result(`${countText(found.length, 'file')}, ${size}, would be removed; --yes removes them`, { files: found.length, removed: 0 })
  return EXIT.DONE
}
