/** `tally token`: mints a token with the daemon's secret, which is read from its file and never given on the command line. */
import { homedir } from 'node:os'
import { secretPath } from '../../protocol/index.ts'
import { mintToken } from '../token.ts'
import { type Flag, UsageError, partsOf, secondsOf, sizeOf } from './arguments.ts'
import type { Command } from './command.ts'
import { EXIT } from './exit.ts'

const SCOPES = ['put', 'get', 'find', 'tag', 'remove', 'watch', 'admin']
const TTL_DEFAULT = '1h'
const SCOPE_FLAG: Flag = {
  name: 'scope', value: 'WORD', kind: 'choice', choices: SCOPES, isList: true, repeatable: true,
  help: `what it may: ${SCOPES.join(', ')} (default: all but admin)`,
}

export const token: Command = {
  name: 'token',
  usage: '--user U',
  summary: 'mint a token with the daemon\'s secret',
  examples: [
    ['(umask 077; tally token --user ada --ttl 7d > ada.token)', 'mint a token for a user, for a week, into a file that nobody else reads'],
    ['tally token --user backup --scope put --quota 10G', 'one with which only may be stored, and so many bytes in all'],
  ],
  flags: [
    { name: 'user', value: 'U', help: 'whose token it is' },
    { name: 'ttl', value: 'TIME', kind: 'time', help: `how long it holds: 30s, 10m, 2h, 7d (default ${TTL_DEFAULT})` },
    SCOPE_FLAG,
    { name: 'quota', value: 'SIZE', kind: 'size', help: 'what its bearer may have, such as 500M or 10G: the smaller of this and the daemon\'s own --quota holds' },
  ],
  async run({ given, output }) {
    const [extra] = given.positionals
    if (extra !== undefined) throw new UsageError(`token takes no arguments besides flags: ${JSON.stringify(extra)}`)
    const user = given.one('user')
    if (user === undefined || user === '') throw new UsageError('token needs --user')
    const scope = given.all('scope').flatMap(words => partsOf(SCOPE_FLAG, words))
    const quota = given.one('quota')
    const ttlSeconds = secondsOf('ttl', given.one('ttl') ?? TTL_DEFAULT)
    const minted = await mintToken(given.one('secret-file') ?? process.env['TALLY_SECRET_FILE'] ?? secretPath(process.env, homedir()), {
      user,
      ttlSeconds,
      ...(scope.length === 0 ? {} : { scope }),
      ...(quota === undefined ? {} : { quotaBytes: sizeOf('quota', quota) }),
    })
    output.result(minted, { user, token: minted, ttl: ttlSeconds })
    return EXIT.DONE
  },
}
