/** `tally ls`: lists files by tags, name and state, newest first. */
import type { FileState } from '../../protocol/index.ts'
import { UsageError, countOf } from './arguments.ts'
import { type Command, connectAs } from './command.ts'
import { EXIT } from './exit.ts'
import { escaped, sizeText } from './output.ts'

const STATES: readonly FileState[] = ['receiving', 'finishing', 'stored', 'removed']

export const ls: Command = {
  name: 'ls',
  usage: '',
  summary: 'list files, newest first',
  examples: [
    ['tally ls --tag holiday --not blurred', 'files with one tag and without another'],
    ['tally ls --name \'*.jpg\' --limit 10', 'the ten newest whose name matches'],
  ],
  flags: [
    { name: 'tag', short: 't', value: 'T', repeatable: true, help: 'has this tag (all of them, when given more than once)' },
    { name: 'any', value: 'T', repeatable: true, help: 'has at least one of these' },
    { name: 'not', value: 'T', repeatable: true, help: 'has none of these' },
    { name: 'name', value: 'GLOB', help: 'the whole name matches: * ? […]' },
    { name: 'state', value: 'STATE', help: 'receiving, finishing, stored (default) or removed' },
    { name: 'limit', value: 'N', help: 'at most so many' },
  ],
  async run(context) {
    const { given, output, signal } = context
    if (given.positionals.length > 0) throw new UsageError(`ls takes no arguments besides flags: ${JSON.stringify(given.positionals[0])}`)
    const limitText = given.one('limit')
    const limit = limitText === undefined ? Infinity : countOf('limit', limitText, 1, Number.MAX_SAFE_INTEGER)
    const state = stateOf(given.one('state'))
    const name = given.one('name')
    const query = {
      tags: given.all('tag'),
      anyTags: given.all('any'),
      notTags: given.all('not'),
      ...(name === undefined ? {} : { name }),
      ...(state === undefined ? {} : { state }),
    }
    await using tally = await connectAs(context)
    for await (const file of tally.find(query, { signal, limit })) {
      const size = file.sizeBytes === null ? '?' : sizeText(file.sizeBytes)
      const received = file.state === 'stored' ? '' : `  ${file.state}, ${sizeText(file.receivedBytes)} here`
      const tags = file.tags.map(tag => `  #${escaped(tag)}`).join('')
      const { sizeBytes, receivedBytes, createdMs, storedMs, expiresMs, modifiedMs, mediaType, ...others } = file
      output.result(`${file.fid}/${file.file}  ${size.padStart(10)}  ${escaped(file.name)}${tags}${received}`, {
        ...others, size: sizeBytes, received: receivedBytes, created: createdMs, stored: storedMs, expires: expiresMs, modified: modifiedMs,
        'media-type': mediaType,
      })
    }
    return EXIT.DONE
  },
}

function stateOf(text: string | undefined): FileState | undefined {
  if (text === undefined) return undefined
  const state = STATES.find(each => each === text)
  if (state === undefined) throw new UsageError(`--state is one of ${STATES.join(', ')}, not ${JSON.stringify(text)}`)
  return state
}
