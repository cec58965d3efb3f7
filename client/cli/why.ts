/**
 * `tally why`: in sentences, what a transfer waits for and what of it is damaged. Asking needs a token with the scope admin; the same
 * user's is minted for it.
 */
import { TallyError } from '../../protocol/index.ts'
import { UsageError } from './arguments.ts'
import { type Command, connectAs } from './command.ts'
import { EXIT } from './exit.ts'
import { parseId } from './ids.ts'
import { escaped } from './text.ts'

export const why: Command = {
  name: 'why',
  usage: 'FID',
  argument: 'fid',
  summary: 'say why a transfer is not finished, or what of it is damaged',
  examples: [
    ['tally why 0b6f…-9c1d', 'what is missing, who has it open, when it expires'],
    ['tally why 0b6f…-9c1d --user ann', 'of another user\'s transfer'],
  ],
  flags: [{ name: 'user', value: 'USER', help: 'whose transfer it is (default: ours)' }],
  async run(context) {
    const { given, output, signal } = context
    const [text, extra] = given.positionals
    if (text === undefined || extra !== undefined) throw new UsageError('why takes one FID')
    const id = parseId(text)
    if (!('fid' in id) || id.file !== undefined) throw new UsageError('why takes a FID: a transfer is what finishes')
    await using tally = await connectAs(context, ['admin'])
    const user = given.one('user')
    const sentences = await tally.operator.why(user ?? tally.user, id.fid, { signal }).catch(error => { throw withHint(error, id.fid, user, tally.user) })
    output.result(sentences.map(escaped).join('\n'), { fid: id.fid, because: sentences })
    return EXIT.DONE
  },
}

/** The same error, and what may be asked instead. */
function withHint(error: unknown, fid: string, given: string | undefined, ours: string): unknown {
  if (!(error instanceof TallyError)) return error
  const told = (more: string): TallyError => new TallyError(error.code, `${error.message}${more}`, error.details, { cause: error })
  if (error.code === 'forbidden') return told(`; \`tally status ${fid}\` needs only "find", and shows what a transfer of one's own lacks`)
  if (error.code !== 'not-found') return error
  return told(` of user ${JSON.stringify(given ?? ours)}${given === undefined ? '; --user NAME asks for another\'s' : ''}`)
}
