/** What `config.toml` says to `tally`, and which place wins. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { readArguments } from '../../../client/cli/arguments.ts'
import { COMMON_FLAGS } from '../../../client/cli/command.ts'
import { type Settings, settingsOf } from '../../../client/cli/settings.ts'

function settings(text: string | undefined, args: readonly string[] = [], env: Record<string, string> = {}): Settings {
  const home = mkdtempSync(join(tmpdir(), 'tally-client-config-'))
  mkdirSync(join(home, '.config', 'tally'), { recursive: true })
  if (text !== undefined) writeFileSync(join(home, '.config', 'tally', 'config.toml'), text)
  return settingsOf(readArguments(args, COMMON_FLAGS), env, home)
}

t.test('without a file everything has its default', async t => {
  const { socket, token, trustedUids } = settings(undefined)
  t.match(socket, { value: /\/\.local\/state\/tally\/tally\.sock$/, by: 'the default' })
  t.match(token, { kind: 'secret-file', value: /\/\.config\/tally\/secret$/, by: 'the default' })
  t.strictSame(trustedUids, [])
})

t.test('[client] is heard, and where it is silent the daemon\'s own settings', async t => {
  const own = settings('socket = ["/d", "/e"]\nsecret-file = "/ds"\n[client]\nsocket = "/c"\ntoken-file = "/t"\ntrusted-uids = [990, 7]')
  t.match(own, { socket: { value: '/c', by: /config\.toml$/ }, token: { kind: 'token-file', value: '/t' }, trustedUids: [990, 7] })
  const daemons = settings('socket = ["/d", "/e"]\nsecret-file = "/ds"\nnonsense = 1')
  t.match(daemons, { socket: { value: '/d' }, token: { kind: 'secret-file', value: '/ds' } })
})

t.test('flags win over variables, variables over the file', async t => {
  const text = '[client]\nsocket = "/c"\ntoken-file = "/t"'
  t.match(settings(text, [], { TALLY_SOCKET: '/v', TALLY_TOKEN: 'x' }), { socket: { value: '/v' }, token: { kind: 'token', value: 'x', by: 'TALLY_TOKEN' } })
  t.match(settings(text, ['--socket', '/f', '--secret-file', '/s'], { TALLY_SOCKET: '/v', TALLY_TOKEN: 'x' }), {
    socket: { value: '/f', by: '--socket' }, token: { kind: 'secret-file', value: '/s', by: '--secret-file' },
  })
  t.match(settings(text, [], { TALLY_SECRET_FILE: '/v' }), { token: { kind: 'secret-file', value: '/v' } })
})

t.test('what is wrong is named', async t => {
  for (const [text, named] of [
    ['[client]\nsokcet = "/a"', /"sokcet"; did you mean socket\?/],
    ['[client]\nsocket = 1', /client\.socket is a string/],
    ['[client]\ntrusted-uids = ["ann"]', /trusted-uids/],
    ['client = 1', /\[client\]/],
    ['socket = ', /config\.toml/],
  ] as const) t.throws(() => settings(text), { name: 'UsageError', message: named }, text)
  t.throws(() => settings(undefined, [], { TALLY_CONFIG: '/nonexistent/file' }), { name: 'UsageError', message: /nonexistent/ })
})
