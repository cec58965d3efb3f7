/** `tally watch`: tells what happens to files as it happens, until it is interrupted. A break of the connection hides nothing. */
import type { TallyEvent } from '../index.ts'
import type { ClientEvent } from '../events.ts'
import type { FileState } from '../../protocol/index.ts'
import { UsageError, countOf } from './arguments.ts'
import { type Command, type Context, RETRY_FLAG, connectAs } from './command.ts'
import { EXIT, Interrupted } from './exit.ts'
import { tagsText } from './ls.ts'
import type { Output } from './output.ts'
import { FILE_STATES, QUERY_FLAGS, fileValue, queryOf } from './query.ts'
import { type Style, styled } from './terminal.ts'
import { escaped, sizeText } from './text.ts'

const STYLE_OF: Readonly<Partial<Record<TallyEvent['event'], Style>>> = {
  receiving: 'dim', stored: 'green', tagged: 'yellow', removed: 'red',
}

export const watch: Command = {
  name: 'watch',
  usage: '',
  summary: 'tell what happens to files, as it happens',
  examples: [
    ['tally watch --tag inbox', 'tell when files with a tag are received, stored, tagged, removed'],
    ['tally watch --state receiving', 'only of what is under way: also its tags, and when it is given up'],
    ['tally watch --json --since 1041 | ./handle', 'one JSON object a line, from where it stopped: each has its "sequence"'],
  ],
  flags: [
    ...QUERY_FLAGS,
    {
      name: 'state', value: 'STATE', kind: 'choice', choices: FILE_STATES,
      help: 'of files that are, or were before, receiving, finishing or stored (default: stored, and what arrives)',
    },
    { name: 'since', value: 'N', kind: 'count', help: 'tell first what happened after the event with this number (default: only what comes)' },
    RETRY_FLAG,
  ],
  async run(context) {
    const { given, output, signal } = context
    if (given.positionals.length > 0) throw new UsageError(`watch takes no arguments besides flags: ${JSON.stringify(given.positionals[0])}`)
    const sinceText = given.one('since')
    const since = sinceText === undefined ? {} : { since: countOf('since', sinceText, 0, Number.MAX_SAFE_INTEGER) }
    const state = given.one('state') as FileState | undefined
    const query = queryOf(given)
    await using tally = await connectAs(context, ['watch'])
    try {
      const events = tally.watch(
        { ...query, ...(state === undefined ? {} : { state }) }, { ...since, signal, onEvent: told => meanwhile(output, told) },
      )
      const arrivals = state === undefined ? [tally.watch({ ...query, state: 'receiving' }, { signal })] : []
      await Promise.all([tellAll(context, events), ...arrivals.map(each => tellAll(context, each, 'receiving'))])
    } catch (error) {
      // Who watches ends it so; there is nothing to say.
      if (!(error instanceof Interrupted)) throw error
    }
    return EXIT.INTERRUPTED
  },
}

/** Of several watches one tells what has numbers, so that these come in order and the last one is where to go on. */
async function tellAll({ output, signal }: Context, events: AsyncIterable<TallyEvent>, only?: TallyEvent['event']): Promise<void> {
  for await (const event of events) {
    if (only !== undefined && event.event !== only) continue
    tell(output, event)
    await output.room(signal)
  }
}

function meanwhile(output: Output, event: ClientEvent): void {
  if (event.type !== 'truncated') return output.event('', event)
  const { since, sequence } = event
  if (output.json) output.result('', { event: 'truncated', since, sequence })
  output.say(sequence !== undefined && sequence < since
    ? `tally: there is no event ${since}, the last one is ${sequence}: is it another store's number? What comes from now on is told`
    : `tally: what happened right after ${since} is not kept any more; some events are missing`)
}

function tell(output: Output, told: TallyEvent): void {
  const { event, sequence, ...file } = told
  const { sizeBytes, receivedBytes = 0 } = file
  const size = sizeBytes === null ? '?' : sizeText(sizeBytes)
  const text = [
    new Date().toTimeString().slice(0, 8), styled(output.results, STYLE_OF[event] ?? 'bold', event.padEnd(9)), `${file.fid}/${file.file}`,
    `${escaped(file.name)}${styled(output.results, 'dim', tagsText(file.tags, '  '))}`,
    event === 'receiving' ? `${sizeText(receivedBytes)} of ${size}` : size,
  ].join('  ')
  output.result(text, { event, ...(sequence === undefined ? {} : { sequence }), ...fileValue(file) })
}
