/** What is on the manual pages of `tally` and `tallyd` besides their tables. */
import type { Flag as ClientFlag, ValueKind } from '../../client/cli/arguments.ts'
import { tallyProgram } from '../../client/cli/commands.ts'
import type { Program } from '../../client/cli/manual/program.ts'
import { COMMON_FLAGS } from '../../daemon/commands/command.ts'
import { COMMANDS } from '../../daemon/commands/index.ts'
import { FLAGS, type Flag, TAG_SETTINGS, variableOf } from '../../daemon/flags.ts'
import { configPath, secretPath, socketPath, storePath } from '../../protocol/defaults.ts'
import { CLIENT_SETTINGS } from '../../protocol/set-up-names.ts'
import type { Page } from './roff.ts'

const KIND_OF: Readonly<Record<string, ValueKind>> = {
  PATH: 'path', FILE: 'path', DIR: 'directory', SIZE: 'size', TIME: 'time', N: 'count',
}

/** Where things are for somebody who says nothing; with `XDG_…` they are elsewhere. */
const CONFIG_FILE = configPath({}, '~')
const SECRET_FILE = secretPath({}, '~')

export const PAGES: readonly Omit<Page, 'version' | 'date'>[] = [
  {
    program: tallyProgram(),
    description: [
      'tally stores files with the daemon tallyd, finds them by their tags and fetches them. Whatever breaks on the way, the same command again ' +
      'continues with what is missing.',
      'An ID is FID (all files of a transfer), FID/N (its file number N) or sha256:… (a content). Flags hold over the environment, and ' +
      'that over ~/.config/tally/config.toml.',
    ],
    sections: [
      {
        title: 'EXIT STATUS',
        rows: [
          ['0', 'done'], ['1', 'failed'], ['2', 'usage'], ['3', 'not found'], ['4', 'denied'],
          ['5', 'incomplete; the same command again continues (a stream begins anew)'], ['130', 'interrupted'],
        ],
      },
      {
        title: 'ENVIRONMENT',
        rows: [
          ['TALLY_SOCKET', 'the daemon\'s socket'], ['TALLY_TOKEN', 'a token'], ['TALLY_SECRET_FILE', 'the secret that mints tokens'],
          ['TALLY_CONFIG', 'the configuration file'], ['NO_COLOR', 'no colours'],
        ],
      },
      {
        title: 'FILES',
        rows: [
          [CONFIG_FILE, `settings: in the table [client] ${listed(Object.keys(CLIENT_SETTINGS))}; what that does not say of socket and secret-file is read as tallyd reads it`],
          [SECRET_FILE, 'the secret that mints tokens, which tallyd made'],
          ['$XDG_RUNTIME_DIR/tally/tally.sock', `the socket; without that variable ${socketPath({}, '~')}`],
        ],
      },
    ],
    seeAlso: ['tallyd'],
  },
  {
    program: tallydProgram(),
    description: [
      'tallyd takes files over Unix sockets, chunk by chunk, and acknowledges each chunk once it is safe. It runs in the foreground, logs to ' +
      'standard error, and needs no configuration. Its commands work on a store that no tallyd serves; export works beside one, too. They are run by the user whose store it is ' +
      '(export also by root); anybody else is refused, and told how.',
      'Settings come from flags, else from the environment, else from the configuration file. HUP reads them again; INT and TERM end it in ' +
      'order.',
    ],
    sections: [
      {
        title: 'EXIT STATUS',
        rows: [
          ['0', 'ended in order; of a command: done and well'], ['1', 'failed; of a command: the store is not as it should be'],
          ['2', 'usage; of a command: also where it could not be done'],
        ],
      },
      { title: 'ENVIRONMENT', rows: FLAGS.filter(({ env }) => env).map(flag => [variableOf(flag), `as --${flag.name}`]) },
      {
        title: 'CONFIGURATION FILE',
        rows: [
          ['NAME = VALUE', `TOML, with the flags' names: ${listed(FLAGS.filter(({ inFile }) => inFile).map(({ name }) => name))}; tallyd --print-config prints all of them`],
          ['[users.NAME]', `for this user only: ${listed(FLAGS.filter(({ perUser }) => perUser).map(({ name }) => name))}`],
          ['[tags.TAG]', listed(TAG_SETTINGS.map(({ name, help }) => `${name}: ${help}`))],
          ['[client]', 'what tally reads, see its page'],
        ],
      },
      {
        title: 'FILES',
        rows: [
          [CONFIG_FILE, 'settings, if it is there'],
          [SECRET_FILE, 'checks tokens; made at the first start'],
          ['$XDG_RUNTIME_DIR/tally/tally.sock', `the socket; without that variable ${socketPath({}, '~')}`],
          [storePath({}, '~'), 'the store: catalog.db, blobs/ and what they need'],
        ],
      },
    ],
    seeAlso: ['tally'],
  },
]

function listed(names: readonly string[]): string {
  return names.join(', ')
}

function tallydProgram(): Program {
  return {
    name: 'tallyd',
    summary: 'receive files over a local socket, and acknowledge every chunk once it is safe',
    commands: COMMANDS.map(({ flags, ...command }) => ({ ...command, usage: '', flags: flags.map(clientFlag) })),
    commonFlags: COMMON_FLAGS.map(clientFlag),
    flags: FLAGS.map(clientFlag),
  }
}

/** The daemon's table says by the word for a value what it is. */
function clientFlag({ name, short, value, choices, repeatable, help }: Flag): ClientFlag {
  const kind = value === undefined ? undefined : KIND_OF[value]
  return {
    name, help,
    ...(short === undefined ? {} : { short }), ...(value === undefined ? {} : { value }), ...(kind === undefined ? {} : { kind }),
    ...(choices === undefined ? {} : { choices }), ...(repeatable === undefined ? {} : { repeatable }),
  }
}
