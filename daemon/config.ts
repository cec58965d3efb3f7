/**
 * How this daemon is to run: flags over environment over defaults, checked and typed. Pure but for the paths' resolution; the secret that
 * the first start makes is first-secret.ts's matter, and reading the keys auth/keys.ts's.
 */
import { resolve } from 'node:path'
import { type Environment, secretPath, socketPath, storePath } from '../protocol/defaults.ts'
import { SIZE_BYTES_MAX } from '../protocol/limits.ts'
import type { KeySource } from './auth/keys.ts'
import { FLAGS, type FlagValues, readArguments, readEnvironment, UsageError } from './flags.ts'
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from './log.ts'
import type { Durability } from './storage/storage.ts'

export { UsageError } from './flags.ts'

export interface Config {
  /** Absolute paths, at least one, each at most 107 bytes. */
  readonly sockets: readonly string[]
  readonly storePath: string
  readonly keySource: KeySource
  /** No key was configured: `keySource` is the default secret, to be made if it is not there. */
  readonly makeSecret: boolean
  readonly issuer?: string
  readonly audience?: string
  readonly requireExp: boolean
  readonly userClaim?: string
  readonly durability: Durability
  readonly fileBytesMax: number
  readonly logFormat: LogFormat
  readonly logLevel: LogLevel
}

/** What the command line asks for. */
export type Command =
  | { readonly run: 'help' }
  | { readonly run: 'version' }
  | { readonly run: 'migrate'; readonly storePath: string }
  | { readonly run: 'daemon'; readonly config: Config }

/** `sun_path` has 108 bytes on Linux, the last of which is a NUL. */
const SOCKET_PATH_BYTES_MAX = 107
const KEY_FLAGS = [['secret-file', 'secret'], ['public-key', 'public-key'], ['jwks', 'jwks']] as const
const SIZE_UNITS: Readonly<Record<string, number>> = { '': 1, 'K': 2 ** 10, 'M': 2 ** 20, 'G': 2 ** 30, 'T': 2 ** 40 }

/** Throws a UsageError (exit code 2) that names the flag or variable at fault. */
export function readConfig(args: readonly string[], env: Environment, home: string): Command {
  const flags = readArguments(args)
  if (flags.has('help')) return { run: 'help' }
  if (flags.has('version')) return { run: 'version' }
  const variables = readEnvironment(env)
  const values: FlagValues = new Map(FLAGS.flatMap(({ name }) => {
    const value = flags.get(name) ?? variables.get(name)
    return value === undefined ? [] : [[name, value] as const]
  }))
  const one = (name: string) => values.get(name)?.[0]
  const store = resolve(one('store') ?? storePath(env, home))
  if (flags.has('migrate')) return { run: 'migrate', storePath: store }
  const keySource = keySourceOf(flags) ?? keySourceOf(variables)
  const issuer = one('issuer')
  const audience = one('audience')
  const userClaim = one('user-claim')
  return {
    run: 'daemon',
    config: {
      sockets: (values.get('socket') ?? [socketPath(env, home)]).map(checkedSocket),
      storePath: store,
      keySource: keySource ?? { kind: 'secret', path: secretPath(env, home) },
      makeSecret: keySource === undefined,
      ...(issuer === undefined ? {} : { issuer }),
      ...(audience === undefined ? {} : { audience }),
      requireExp: values.has('require-exp'),
      ...(userClaim === undefined ? {} : { userClaim }),
      durability: choice('durability', one('durability'), ['power', 'process']),
      fileBytesMax: sizeBytes('max-file-size', one('max-file-size')),
      logFormat: choice('log-format', one('log-format'), LOG_FORMATS),
      logLevel: choice('log-level', one('log-level') ?? 'info', LOG_LEVELS),
    },
  }
}

function keySourceOf(values: FlagValues): KeySource | undefined {
  const given = KEY_FLAGS.filter(([name]) => values.has(name))
  if (given.length > 1) throw new UsageError(`tokens are checked in one way: ${given.map(([name]) => `--${name}`).join(' or ')}`)
  const [name, kind] = given[0] ?? []
  const path = name === undefined ? undefined : values.get(name)?.[0]
  return kind === undefined || path === undefined ? undefined : { kind, path: resolve(path) }
}

function checkedSocket(path: string): string {
  const absolute = resolve(path)
  if (Buffer.byteLength(absolute) <= SOCKET_PATH_BYTES_MAX) return absolute
  throw new UsageError(`a socket's path has at most ${SOCKET_PATH_BYTES_MAX} bytes, which ${absolute} exceeds`)
}

/** Without a value: the first. */
function choice<T extends string>(name: string, value: string | undefined, known: readonly [T, ...T[]]): T {
  const found = value === undefined ? known[0] : known.find(one => one === value)
  if (found === undefined) throw new UsageError(`--${name} is ${known.join(' or ')}, not ${JSON.stringify(value)}`)
  return found
}

function sizeBytes(name: string, value: string | undefined): number {
  if (value === undefined) return SIZE_BYTES_MAX
  const [, digits = '', unit = ''] = /^(\d{1,16})([KMGT]?)$/i.exec(value) ?? []
  const size = digits === '' ? Number.NaN : Number(digits) * (SIZE_UNITS[unit.toUpperCase()] ?? Number.NaN)
  if (!(size >= 1 && size <= SIZE_BYTES_MAX)) throw new UsageError(`--${name} is a number of bytes such as 1000000, 500M or 10G, not ${JSON.stringify(value)}`)
  return size
}
