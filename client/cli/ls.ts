/** `tally ls`: lists files by tags, name and state, newest first: in columns for people, with tabs between them for programs. */
import type { FileState, FoundFile } from '../../protocol/index.ts'
import { UsageError, countOf } from './arguments.ts'
import { type Command, connectAs } from './command.ts'
import { EXIT } from './exit.ts'
import { FILE_STATES, QUERY_FLAGS, fileValue, queryOf } from './query.ts'
import { type Terminal, styled } from './terminal.ts'
import { dateText, escaped, sizeText } from './text.ts'

/** Narrower terminals have the size and the name, without the date. */
const DATE_COLUMNS_MIN = 90

export const ls: Command = {
  name: 'ls',
  usage: '',
  summary: 'list files, newest first',
  examples: [
    ['tally ls --tag holiday --not blurred', 'list files with one tag and without another'],
    ['tally ls --name \'*.jpg\' --limit 10', 'list the ten newest whose name matches'],
    ['tally ls | cut -f 4', 'in a pipe: id, bytes, time, name and tags with tabs between them'],
  ],
  flags: [
    ...QUERY_FLAGS,
    { name: 'state', value: 'STATE', kind: 'choice', choices: FILE_STATES, help: 'receiving, finishing or stored (default)' },
    { name: 'limit', value: 'N', kind: 'count', help: 'at most so many' },
  ],
  async run(context) {
    const { given, output, signal } = context
    if (given.positionals.length > 0) throw new UsageError(`ls takes no arguments besides flags: ${JSON.stringify(given.positionals[0])}`)
    const limitText = given.one('limit')
    const limit = limitText === undefined ? Infinity : countOf('limit', limitText, 1, Number.MAX_SAFE_INTEGER)
    const state = given.one('state') as FileState | undefined
    await using tally = await connectAs(context, ['find'])
    for await (const file of tally.find({ ...queryOf(given), ...(state === undefined ? {} : { state }) }, { signal, limit })) {
      output.result(output.results.isLive ? columns(output.results, file) : tabbed(file), fileValue(file))
      await output.room(signal)
    }
    return EXIT.DONE
  },
}

function columns(terminal: Terminal, file: FoundFile): string {
  const size = file.sizeBytes === null ? '?' : sizeText(file.sizeBytes)
  const state = file.state === 'stored' ? '' : `  ${file.state}${file.state === 'receiving' ? `, ${sizeText(file.receivedBytes)} here` : ''}`
  return [
    `${file.fid}/${file.file}`.padEnd(terminal.columns() < DATE_COLUMNS_MIN ? 0 : 39),
    size.padStart(10),
    ...(terminal.columns() < DATE_COLUMNS_MIN ? [] : [dateText(file.storedMs ?? file.createdMs)]),
    `${styled(terminal, 'bold', escaped(file.name))}${styled(terminal, 'dim', tagsText(file.tags, '  '))}${styled(terminal, 'yellow', state)}`,
  ].join('  ')
}

/** `escaped` leaves no tab in a name or a tag. */
function tabbed(file: FoundFile): string {
  const time = new Date(file.storedMs ?? file.createdMs).toISOString()
  const state = file.state === 'stored' ? [] : [file.state, file.receivedBytes]
  const tags = tagsText(file.tags, ' ').trimStart()
  return [`${file.fid}/${file.file}`, file.sizeBytes ?? '?', time, escaped(file.name), tags, ...state].join('\t')
}

/** `#a #b`, with the gap before each. */
export function tagsText(tags: readonly string[], gap: string): string {
  return tags.map(tag => `${gap}#${escaped(tag)}`).join('')
}
