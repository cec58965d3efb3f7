/** What is on the manual pages of `tally` and `tallyd` besides their tables. */
import type { Flag as ClientFlag, ValueKind } from '../../client/cli/arguments.ts'
import { tallyProgram } from '../../client/cli/commands.ts'
import type { Program } from '../../client/cli/manual/program.ts'
import { COMMON_FLAGS } from '../../daemon/commands/command.ts'
import { COMMANDS } from '../../daemon/commands/index.ts'
import { FLAGS, type Flag, variableOf } from '../../daemon/flags.ts'
import type { Page } from './roff.ts'

const KIND_OF: Readonly<Record<string, ValueKind>> = {
  PATH: 'path', FILE: 'path', DIR: 'directory', SIZE: 'size', TIME: 'time', N: 'count',
}

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
    ],
    seeAlso: ['tally'],
  },
]

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
