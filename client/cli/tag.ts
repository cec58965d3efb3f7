/** `tally tag`: adds tags to files and removes them. */
import type { FileId } from '../file-id.ts'
import type { Tally, TagChange } from '../index.ts'
import { UsageError } from './arguments.ts'
import { type Command, connectAs } from './command.ts'
import { filesOfDigest, labelOf, parseId } from './ids.ts'
import { tagsText } from './ls.ts'
import { forEach } from './outcome.ts'

export const tag: Command = {
  name: 'tag',
  usage: 'ID… [--add T] [--remove T]',
  argument: 'id',
  summary: 'add tags to files, and take tags away',
  examples: [
    ['tally tag 0b6f…-9c1d/2 --add best --remove new', 'change the tags of one file; those that it has then are printed'],
    ['tally tag 0b6f…-9c1d sha256:… --add holiday', 'the same of all files of a transfer, and of every file with this content'],
  ],
  flags: [
    { name: 'add', short: 'a', value: 'T', kind: 'tag', repeatable: true, help: 'a tag to add; one that is there stays' },
    { name: 'remove', short: 'r', value: 'T', kind: 'tag', repeatable: true, help: 'a tag to take away; one that is not there is no error' },
  ],
  outlivesReader: () => true,
  async run(context) {
    const { given, output, signal } = context
    const ids = given.positionals.map(parseId)
    if (ids.length === 0) throw new UsageError('tag needs at least one ID')
    const change = { add: given.all('add'), remove: given.all('remove') }
    if (change.add.length + change.remove.length === 0) throw new UsageError('tag needs --add T or --remove T')
    const both = change.add.find(each => change.remove.includes(each))
    if (both !== undefined) throw new UsageError(`${JSON.stringify(both)} is both added and removed`)
    await using tally = await connectAs(context)
    return await forEach(context, ids, id => ({ id: labelOf(id) }), async id => {
      const tags = await retag(tally, id, change, signal)
      output.result(`${labelOf(id)}${tagsText(tags, '  ')}`, { id: labelOf(id), tags })
    })
  },
}

/** The tags that the file has then; where the id means several files, what all of them have. */
async function retag(tally: Tally, id: FileId, change: TagChange, signal: AbortSignal): Promise<readonly string[]> {
  if ('fid' in id) return tally.tag(id, change, { signal })
  let common: readonly string[] | undefined
  for (const file of await filesOfDigest(tally, id.digest, signal)) {
    const tags = await tally.tag(file, change, { signal })
    common = common?.filter(each => tags.includes(each)) ?? tags
  }
  return common ?? []
}
