/**
 * tallyd's flags as one table: their names, what they take, what they do, where else they may be said. `--help` is printed from it;
 * arguments, environment and configuration file are read by it. What the values mean is config.ts's matter.
 */
import { parseArgs } from 'node:util'
import { type Environment, secretPath, socketPath, storePath } from '../protocol/defaults.ts'
import { CLIENT_VARIABLES, DAEMON_VARIABLES, unknownVariables, VARIABLE_PREFIX } from '../protocol/set-up-names.ts'
import { CONNECTIONS_MAX } from './limits.ts'
import { LOG_FORMATS, LOG_LEVELS } from './log.ts'
import { type Mistakes, UsageError } from './mistakes.ts'

export const DURABILITIES = ['power', 'process'] as const

export interface Flag {
  readonly name: string
  /** What stands for the value in the help; absent: the flag takes none. */
  readonly value?: string
  readonly short?: string
  /** What the value is one of; config.ts refuses anything else. */
  readonly choices?: readonly string[]
  readonly repeatable?: boolean
  /** Whether `TALLY_NAME` in the environment does the same. */
  readonly env: boolean
  /** Whether a key of the same name in the configuration file does the same: a *setting*. What is one has `env`, too. */
  readonly inFile?: boolean
  /** Whether a new value holds at HUP; else at the next start. */
  readonly live?: boolean
  /** Whether the configuration file may say it for one user, too. */
  readonly perUser?: boolean
  /** What holds where nobody says anything. `isSaid` knows of the settings before this one. */
  readonly fallback?: (env: Environment, home: string, isSaid: (name: string) => boolean) => string
  /** The same in words, where no value would say it. A setting has one of the two, at least. */
  readonly otherwise?: string
  readonly help: string
}

const NO_LIMIT = 'no limit'
/** Of the three ways to check tokens one holds. */
const ANOTHER_KEY = 'tokens are checked in another way'

export const FLAGS: readonly Flag[] = [
  {
    name: 'socket', value: 'PATH', repeatable: true, env: true, inFile: true, fallback: socketPath,
    help: 'listen here; may be given more than once (default: $XDG_RUNTIME_DIR/tally/tally.sock, else ~/.local/state/tally/tally.sock)',
  },
  {
    name: 'socket-group', value: 'GROUP', env: true, inFile: true, otherwise: 'nobody',
    help: 'who may connect besides the owner: a group by name or number (default: nobody)',
  },
  {
    name: 'socket-mode', value: 'MODE', env: true, inFile: true,
    fallback: (_env, _home, isSaid) => (isSaid('socket-group') ? '0660' : '0600'),
    help: 'permissions of the sockets, such as 0660 (default: 0600, with a group 0660)',
  },
  { name: 'store', value: 'DIR', env: true, inFile: true, fallback: storePath, help: 'keep everything here (default: ~/.local/share/tally)' },
  {
    name: 'secret-file', value: 'FILE', env: true, inFile: true, live: true, fallback: secretPath, otherwise: ANOTHER_KEY,
    help: 'check tokens with this secret (default: ~/.config/tally/secret, made at the first start)',
  },
  {
    name: 'public-key', value: 'FILE', env: true, inFile: true, live: true, otherwise: ANOTHER_KEY,
    help: 'check tokens with this public key (PEM)',
  },
  {
    name: 'jwks', value: 'FILE', env: true, inFile: true, live: true, otherwise: ANOTHER_KEY,
    help: 'check tokens with these public keys (a JSON Web Key Set)',
  },
  { name: 'issuer', value: 'NAME', env: true, inFile: true, live: true, otherwise: 'any', help: 'accept only tokens with this "iss"' },
  { name: 'audience', value: 'NAME', env: true, inFile: true, live: true, otherwise: 'any', help: 'accept only tokens with this "aud"' },
  { name: 'require-exp', env: true, inFile: true, live: true, fallback: () => 'false', help: 'refuse tokens without "exp"' },
  {
    name: 'user-claim', value: 'NAME', env: true, inFile: true, live: true, otherwise: '"sub", else "uid"',
    help: 'the claim that names the user (default: "sub", else "uid")',
  },
  {
    name: 'durability', value: 'KIND', choices: DURABILITIES, env: true, inFile: true, fallback: () => 'power',
    help: 'what an Ok survives: power (default) or process (the daemon\'s death only; faster)',
  },
  {
    name: 'max-file-size', value: 'SIZE', env: true, inFile: true, live: true, otherwise: NO_LIMIT,
    help: 'refuse larger files: bytes, or 500M, 10G (default: no limit)',
  },
  {
    name: 'quota', value: 'SIZE', env: true, inFile: true, live: true, perUser: true, otherwise: NO_LIMIT,
    help: 'what each user may have: bytes of stored contents and announced sizes (default: no limit)',
  },
  {
    name: 'quota-files', value: 'N', env: true, inFile: true, live: true, perUser: true, otherwise: NO_LIMIT,
    help: 'how many files each user may have (default: no limit)',
  },
  {
    name: 'connections', value: 'N', env: true, inFile: true, fallback: () => String(CONNECTIONS_MAX),
    help: `serve so many connections at once, answer one more with busy (default: ${CONNECTIONS_MAX})`,
  },
  {
    name: 'user-connections', value: 'N', env: true, inFile: true, live: true, perUser: true, otherwise: NO_LIMIT,
    help: 'the same for each user (default: no limit)',
  },
  {
    name: 'user-transfers', value: 'N', env: true, inFile: true, live: true, perUser: true, otherwise: NO_LIMIT,
    help: 'how many unfinished transfers a user may have open at once (default: no limit)',
  },
  {
    name: 'limit-rate', value: 'SIZE', env: true, inFile: true, live: true, otherwise: NO_LIMIT,
    help: 'take in so many bytes a second, by reading no faster (default: no limit)',
  },
  {
    name: 'user-limit-rate', value: 'SIZE', env: true, inFile: true, live: true, perUser: true, otherwise: NO_LIMIT,
    help: 'the same for each user (default: no limit)',
  },
  {
    name: 'min-free', value: 'SIZE', env: true, inFile: true, fallback: () => '0',
    help: 'take nothing in when the disk has less than this free (default: 0)',
  },
  {
    name: 'scrub-rate', value: 'SIZE', env: true, inFile: true, live: true, fallback: () => '4M',
    help: 'read stored files again to notice damage, so many bytes a second while there is nothing else to do (default: 4M; 0: never)',
  },
  {
    name: 'metrics', value: 'ADDRESS', env: true, inFile: true, otherwise: 'nowhere',
    help: 'answer /metrics, /healthz and /readyz at unix:PATH or a loopback address such as 127.0.0.1:9464 (default: nowhere)',
  },
  {
    name: 'expire-unfinished', value: 'TIME', env: true, inFile: true, live: true, fallback: () => '7d',
    help: 'remove unfinished transfers that got no chunk for so long: 7d (default), 12h, 30m',
  },
  { name: 'log-format', value: 'KIND', choices: LOG_FORMATS, env: true, inFile: true, live: true, fallback: () => 'text', help: 'text (default) or json' },
  {
    name: 'log-level', value: 'LEVEL', choices: LOG_LEVELS, env: true, inFile: true, live: true, fallback: () => 'info',
    help: 'debug, info (default), warn or error',
  },
  { name: 'config', value: 'FILE', env: true, help: 'read settings from here (default: ~/.config/tally/config.toml, if it is there)' },
  { name: 'check-config', env: false, help: 'say whether the settings are right, and exit' },
  { name: 'print-config', env: false, help: 'print each setting with where it comes from, and exit' },
  { name: 'migrate', env: false, help: 'bring the store of an older tallyd to this one\'s format, and exit' },
  { name: 'help', short: 'h', env: false, help: 'print this and exit' },
  { name: 'version', env: false, help: 'print the version and exit' },
]

/** What the configuration file may say of a tag, in `[tags.NAME]`. */
export const TAG_SETTINGS: readonly Flag[] = [
  { name: 'expires', value: 'TIME', env: false, help: 'files that are put with this tag, and do not say when they expire, are removed so long after' },
]

/** Values by flag name; a flag without a value has the value 'true' (or 'false', where environment or file say so). */
export type FlagValues = ReadonlyMap<string, readonly string[]>

/** Reads the arguments. A mistake is what the table does not know, a value too many or too few. */
export function readArguments(args: readonly string[], mistakes: Mistakes, flags: readonly Flag[] = FLAGS, program = 'tallyd'): FlagValues {
  const options = Object.fromEntries(flags.map(({ name, value, short }) =>
    [name, { type: value === undefined ? 'boolean' as const : 'string' as const, ...(short === undefined ? {} : { short }) }]))
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true })
  const values = new Map<string, string[]>()
  let isAfterUnknown = false
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue
    if (token.kind === 'positional') {
      // What follows an unknown flag was meant as its value.
      if (!isAfterUnknown) mistakes.add(`${program} takes no arguments besides flags: ${JSON.stringify(token.value)}`)
      isAfterUnknown = false
      continue
    }
    const flag = flags.find(({ name }) => name === token.name)
    isAfterUnknown = flag === undefined
    if (flag === undefined) {
      mistakes.add(unknownFlag(token.rawName, flags, program))
      continue
    }
    const given = values.get(flag.name) ?? []
    if (given.length > 0 && flag.repeatable !== true) mistakes.add(`--${flag.name} is given twice`)
    else mistakes.attempt(() => values.set(flag.name, [...given, valueOf(flag, token.value, token.inlineValue === true)]))
  }
  return values
}

/**
 * What the environment says: `TALLY_` and the flag's name in capitals. An empty variable is as unset; `false` is said, too. A variable
 * that is nearly one of either program's is a mistake; others that begin so may be anybody's.
 */
export function readEnvironment(env: Environment, mistakes: Mistakes, flags: readonly Flag[] = FLAGS): FlagValues {
  const values = new Map<string, string[]>()
  for (const flag of flags) {
    const value = flag.env ? env[variableOf(flag)] : undefined
    if (value === undefined || value === '') continue
    if (flag.value !== undefined) values.set(flag.name, [value])
    else if (value === 'true' || value === '1') values.set(flag.name, ['true'])
    else if (value === 'false' || value === '0') values.set(flag.name, ['false'])
    else mistakes.add(`${variableOf(flag)} is true or false, not ${JSON.stringify(value)}`)
  }
  for (const name of unknownVariables(env)) {
    const near = nearVariable(name)
    if (near !== undefined) mistakes.add(`there is no variable ${name}; did you mean ${near}?`)
  }
  return values
}

/** One line for each: what to type, and what it does. */
export function table(rows: readonly (readonly [typed: string, help: string])[]): string {
  const width = Math.max(...rows.map(([typed]) => typed.length)) + 2
  return rows.map(([typed, help]) => `  ${typed.padEnd(width)}${help}`).join('\n')
}

export function flagRow({ name, value, short, help }: Flag): [string, string] {
  return [`${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`, help]
}

/** Examples first. `commands` are the rows of what works on a store without serving it. */
export function helpText(commands: readonly (readonly [typed: string, help: string])[] = []): string {
  return `tallyd receives files over a local socket, and acknowledges every chunk once it is safe.

  tallyd                                          listen on the default socket, store under ~/.local/share/tally
  tallyd --socket /run/tally/tally.sock --store /var/lib/tally --secret-file /etc/tally/secret
  tallyd --socket /run/ipc/filestorage            serve clients of libipc as well
  tallyd --jwks /etc/tally/keys.json --issuer https://id.example --require-exp
${commands.length === 0 ? '' : `\nCommands on a store, run by its owner; all but export need its tallyd stopped (tallyd COMMAND --help says more):\n\n${table(commands)}\n`}
Settings come from flags, else from the environment (--secret-file is TALLY_SECRET_FILE), else from the configuration file
(secret-file = "/etc/tally/secret"). HUP reads them again.

${table(FLAGS.map(flagRow))}
`
}

function valueOf(flag: Flag, value: string | undefined, isInline: boolean): string {
  if (flag.value === undefined) {
    if (value !== undefined) throw new UsageError(`--${flag.name} takes no value`)
    return 'true'
  }
  if (value === undefined || value === '') throw new UsageError(`--${flag.name} needs a value: ${flag.value}`)
  if (value.startsWith('-') && !isInline) throw new UsageError(`--${flag.name} needs a value; for one that begins with a dash write --${flag.name}=${value}`)
  return value
}

/** The variable that does the same. */
export function variableOf({ name }: Pick<Flag, 'name'>): string {
  return `${VARIABLE_PREFIX}${name.toUpperCase().replaceAll('-', '_')}`
}

/** By what follows the beginning that all of them have: else any two would be near. */
function nearVariable(name: string): string | undefined {
  const known = [...DAEMON_VARIABLES, ...CLIENT_VARIABLES].map(each => each.slice(VARIABLE_PREFIX.length))
  const near = nearest(name.slice(VARIABLE_PREFIX.length), known)
  return near === undefined ? undefined : `${VARIABLE_PREFIX}${near}`
}

function unknownFlag(rawName: string, flags: readonly Flag[], program: string): string {
  const near = nearest(rawName.replace(/^-+/, ''), flags.map(({ name }) => name))
  return `there is no flag ${rawName}${near === undefined ? '' : `; did you mean --${near}?`} (${program} --help lists them)`
}

/** What was probably meant; undefined where nothing is close. */
export function nearest(typed: string, known: readonly string[]): string | undefined {
  const [best] = known.map(name => ({ name, edits: edits(typed, name) })).sort((a, b) => a.edits - b.edits)
  return best !== undefined && best.edits <= Math.max(2, typed.length / 3) ? best.name : undefined
}

/** Levenshtein's distance, bounded work: both are names that a person typed. */
function edits(from: string, to: string): number {
  const a = from.slice(0, 64)
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === to[j - 1] ? 0 : 1)
      next.push(Math.min((row[j] as number) + 1, (next[j - 1] as number) + 1, replaced))
    }
    row = next
  }
  return row[to.length] as number
}
