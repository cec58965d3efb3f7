/**
 * How this daemon is to run: the settings, checked and typed; what is wrong with them, all of it at once. Where they come from is
 * settings.ts's matter, the secret that the first start makes first-secret.ts's, and reading the keys auth/keys.ts's.
 */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Environment, secretPath } from '../protocol/defaults.ts'
import { durationMs } from '../protocol/duration.ts'
import { SIZE_BYTES_MAX } from '../protocol/limits.ts'
import { type Keys, type KeySource, loadKeys } from './auth/keys.ts'
import type { ScopeTable } from './config-file.ts'
import { DURABILITIES, readArguments } from './flags.ts'
import { smallest, type UserLimits } from './limits.ts'
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from './log.ts'
import type { MetricsAddress } from './metrics/server.ts'
import { Mistakes, ofSetting, UsageError } from './mistakes.ts'
import { readNamedFile } from './named-file.ts'
import { type ClientTable, DEFAULT, KEY_SETTINGS, readSettings, type Settings, settingsText } from './settings.ts'
import type { Durability } from './storage/storage.ts'
import { groupIdOf, SOCKET_PATH_BYTES_MAX } from './unix-socket.ts'

export { UsageError } from './mistakes.ts'

export interface Config {
  /** Absolute paths, at least one, each at most 107 bytes. */
  readonly sockets: readonly string[]
  /** No socket was named: a service manager's take their place. */
  readonly areSocketsDefault: boolean
  /** A group's name or number. */
  readonly socketGroup?: string
  readonly socketMode: number
  readonly storePath: string
  readonly keySource: KeySource
  /** No key was configured, or none but the default secret: `keySource` is that, to be made if it is not there. */
  readonly makeSecret: boolean
  readonly issuer?: string
  readonly audience?: string
  readonly requireExp: boolean
  readonly userClaim?: string
  readonly durability: Durability
  readonly fileBytesMax: number
  /** Without a chunk. */
  readonly unfinishedKeptMs: number
  /** Of each user. */
  readonly userLimits: UserLimits
  /** Of users that the file names. */
  readonly limitsByUser: ReadonlyMap<string, UserLimits>
  /** How long files with a tag are kept, where they do not say it themselves; in ms. */
  readonly keptMsByTag: ReadonlyMap<string, number>
  /** 0: no scrub. */
  readonly scrubBytesPerSecond: number
  /** Absent: no metrics. */
  readonly metrics?: MetricsAddress
  /** Of all that comes in; Infinity: no limit. */
  readonly bytesPerSecond: number
  readonly connectionsMax: number
  /** 0: nothing is kept free. */
  readonly minFreeBytes: number
  readonly logFormat: LogFormat
  readonly logLevel: LogLevel
}

/** What the command line asks for. */
export type Command =
  | { readonly run: 'help' }
  | { readonly run: 'version' }
  | { readonly run: 'migrate'; readonly storePath: string }
  | { readonly run: 'print-config'; readonly text: string }
  | { readonly run: 'check-config' | 'daemon'; readonly config: Config; readonly settings: Settings }

/** What `--check-config` found wrong, beside what could be read all the same: whoever tells it may have more to say of that. */
export class WrongConfigError extends UsageError {
  /** Where something is wrong, what depends on it is undefined. */
  readonly config: Partial<Config>
  readonly settings: Settings

  constructor({ mistakes }: UsageError, config: Partial<Config>, settings: Settings) {
    super(mistakes)
    this.config = config
    this.settings = settings
  }
}

/** What a value means. Throws a UsageError that calls the setting by the label. */
type Reader<T> = (label: string, value: string | undefined) => T
/** Reads the setting of this name; a mistake is noted. */
type Read = <T>(name: string, reader: Reader<T>) => T

const PORT_MAX = 65_535
const KEY_KINDS: Readonly<Record<string, KeySource['kind']>> = { 'secret-file': 'secret', 'public-key': 'public-key', 'jwks': 'jwks' }
/** The time of the last chunk is known to the minute. */
const UNFINISHED_MS_MIN = 60_000
const SIZE_UNITS: Readonly<Record<string, number>> = { '': 1, 'K': 2 ** 10, 'M': 2 ** 20, 'G': 2 ** 30, 'T': 2 ** 40 }

/** Throws a UsageError (exit code 2) with all mistakes, each of which names the flag, the variable or the file at fault. */
export function readConfig(args: readonly string[], env: Environment, home: string): Command {
  const mistakes = new Mistakes()
  const flags = readArguments(args, mistakes)
  if (flags.has('help')) return { run: 'help' }
  if (flags.has('version')) return { run: 'version' }
  const { settings, client } = readSettings(flags, env, home, mistakes)
  if (flags.has('migrate')) {
    mistakes.refuse()
    return { run: 'migrate', storePath: storePathOf(settings) }
  }
  // A setting that is wrong is refused here, too: what is printed could be used.
  const config = configOf(settings, secretPath(env, home), mistakes)
  const isCheck = flags.has('check-config')
  if (isCheck) checkNamed(config, settings, client, mistakes)
  mistakes.refuse(found => (isCheck ? new WrongConfigError(found, config, settings) : found))
  if (flags.has('print-config')) return { run: 'print-config', text: settingsText(settings, client) }
  return { run: isCheck ? 'check-config' : 'daemon', config, settings }
}

/** What settings name is there, as far as can be told without starting: keys and tokens, unless the first start is to make them, and the group. */
function checkNamed(config: Config, settings: Settings, client: ClientTable, mistakes: Mistakes): void {
  const { keySource, makeSecret } = config as Partial<Config>
  const toBeMade = makeSecret === true && keySource !== undefined && !existsSync(keySource.path) ? keySource.path : undefined
  if (keySource !== undefined && toBeMade === undefined) mistakes.attempt(() => keysOf(config, settings))
  mistakes.attempt(() => groupOf(config, settings))
  for (const name of ['token-file', 'secret-file']) {
    const path = client.values[name]
    if (typeof path !== 'string' || resolve(path) === toBeMade) continue
    mistakes.attempt(() => ofSetting(`${client.path}: client.${name}: ${path} cannot be read`, () => readNamedFile(path)))
  }
}

/** Reads the keys. Throws a UsageError that calls the setting by where it stands, and says what is wrong with the file. */
export function keysOf({ keySource }: Pick<Config, 'keySource'>, settings: Settings): Keys {
  const name = KEY_SETTINGS.find(each => KEY_KINDS[each] === keySource.kind) ?? ''
  return ofSetting(labelOf(name, settings), () => loadKeys(keySource))
}

/** The number of the sockets' group; undefined where there is to be none. Throws a UsageError as `keysOf` does. */
export function groupOf({ socketGroup }: Pick<Config, 'socketGroup'>, settings: Settings): number | undefined {
  return socketGroup === undefined ? undefined : ofSetting(labelOf('socket-group', settings), () => groupIdOf(socketGroup))
}

/** Where the store is; absolute. */
export function storePathOf(settings: Settings): string {
  return resolve(settings.get('store')?.values[0] ?? '')
}

/** How long an unfinished transfer is kept without a chunk, in ms. */
export function unfinishedKeptOf(settings: Settings): number {
  const label = labelOf('expire-unfinished', settings)
  const value = settings.get('expire-unfinished')?.values[0]
  const keptMs = time(label, value)
  if (keptMs < UNFINISHED_MS_MIN) throw new UsageError(`${label} is a minute (1m) or more, not ${JSON.stringify(value)}`)
  return keptMs
}

/** In ms. */
function time(label: string, value = ''): number {
  const ms = durationMs(value) ?? 0
  if (ms === 0) throw new UsageError(`${label} is a time such as 7d, 12h, 30m or 30s, not ${JSON.stringify(value)}`)
  return ms
}

/** Where there are mistakes, what depends on them is undefined, whatever the type says. */
function configOf(settings: Settings, defaultSecret: string, mistakes: Mistakes): Config {
  const one = (name: string) => settings.get(name)?.values[0]
  const read: Read = (name, reader) => mistakes.attempt(() => reader(labelOf(name, settings), one(name)))
  const issuer = one('issuer')
  const audience = one('audience')
  const userClaim = one('user-claim')
  const userLimits = userLimitsOf('', read)
  const socketGroup = one('socket-group')
  return {
    sockets: (settings.get('socket')?.values ?? []).map(path => mistakes.attempt(() => checkedSocket(path))),
    areSocketsDefault: settings.get('socket')?.origin === DEFAULT,
    ...(socketGroup === undefined ? {} : { socketGroup }),
    socketMode: read('socket-mode', fileMode),
    storePath: storePathOf(settings),
    ...mistakes.attempt(() => keySourceOf(settings, defaultSecret)),
    ...(issuer === undefined ? {} : { issuer }),
    ...(audience === undefined ? {} : { audience }),
    requireExp: one('require-exp') === 'true',
    ...(userClaim === undefined ? {} : { userClaim }),
    durability: read('durability', choiceOf(DURABILITIES)),
    fileBytesMax: read('max-file-size', sizeBytes),
    unfinishedKeptMs: mistakes.attempt(() => unfinishedKeptOf(settings)),
    userLimits,
    limitsByUser: new Map(namedIn('users', settings).map(user => [user, smallest(userLimitsOf(`users.${user}.`, read), userLimits)])),
    keptMsByTag: new Map(namedIn('tags', settings).map(tag => [tag, read(`tags.${tag}.expires`, time)])),
    bytesPerSecond: read('limit-rate', rate),
    scrubBytesPerSecond: read('scrub-rate', sizeOrNone),
    connectionsMax: read('connections', count) as number,
    minFreeBytes: read('min-free', sizeOrNone),
    ...(settings.has('metrics') ? { metrics: read('metrics', metricsAddress) } : {}),
    logFormat: read('log-format', choiceOf(LOG_FORMATS)),
    logLevel: read('log-level', choiceOf(LOG_LEVELS)),
  }
}

/**
 * `prefix` is what stands before the settings' names: nothing, or `users.NAME.` Of a user's own limits and everybody's the smallest holds,
 * so that a user cannot have wider ones.
 */
function userLimitsOf(prefix: string, read: Read): UserLimits {
  return {
    quota: { bytesMax: read(`${prefix}quota`, sizeBytes), filesMax: read(`${prefix}quota-files`, count) ?? SIZE_BYTES_MAX },
    connectionsMax: read(`${prefix}user-connections`, count) ?? Infinity,
    transfersMax: read(`${prefix}user-transfers`, count) ?? Infinity,
    bytesPerSecond: read(`${prefix}user-limit-rate`, rate),
  }
}

/** The users or tags of which something was said. */
function namedIn(table: ScopeTable, settings: Settings): readonly string[] {
  return [...new Set([...settings.values()].flatMap(({ scoped }) => (scoped?.table === table ? [scoped.of] : [])))]
}

function keySourceOf(settings: Settings, defaultSecret: string): Pick<Config, 'keySource' | 'makeSecret'> {
  const given = KEY_SETTINGS.filter(name => settings.has(name))
  if (given.length > 1) throw new UsageError(`tokens are checked in one way: ${given.map(name => labelOf(name, settings)).join(' or ')}`)
  const [name = 'secret-file'] = given
  const path = resolve(settings.get(name)?.values[0] ?? '')
  // Whoever names the default, as `--print-config` does, means it.
  return { keySource: { kind: KEY_KINDS[name] ?? 'secret', path }, makeSecret: name === 'secret-file' && path === resolve(defaultSecret) }
}

/** Loopback only: whoever wants it farther away puts a proxy in front, which can ask who is there. */
function metricsAddress(label: string, text = ''): MetricsAddress {
  if (/^unix:./.test(text)) return { path: checkedSocket(text.slice('unix:'.length)) }
  const [, host = '', digits = ''] = /^(127\.\d{1,3}\.\d{1,3}\.\d{1,3}|localhost|\[::1\]):(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (host !== '' && port <= PORT_MAX) return { host: host.replaceAll(/[[\]]/g, ''), port }
  throw new UsageError(`${label} is unix:PATH or a loopback address such as 127.0.0.1:9464, not ${JSON.stringify(text)}`)
}

function checkedSocket(path: string): string {
  const absolute = resolve(path)
  if (Buffer.byteLength(absolute) <= SOCKET_PATH_BYTES_MAX) return absolute
  throw new UsageError(`a socket's path has at most ${SOCKET_PATH_BYTES_MAX} bytes, which ${absolute} exceeds`)
}

function fileMode(label: string, value = ''): number {
  if (/^0?[0-7]{3}$/.test(value)) return Number.parseInt(value, 8)
  throw new UsageError(`${label} is three octal digits such as 0660, not ${JSON.stringify(value)}`)
}

function choiceOf<T extends string>(known: readonly T[]): Reader<T> {
  return (label, value) => {
    const found = known.find(one => one === value)
    if (found === undefined) throw new UsageError(`${label} is ${known.join(' or ')}, not ${JSON.stringify(value)}`)
    return found
  }
}

/** A size, or a plain number. Throws a UsageError that calls the setting by the label. */
export function sizeBytes(label: string, value: string | undefined): number {
  if (value === undefined) return SIZE_BYTES_MAX
  const [, digits = '', unit = ''] = /^(\d{1,16})([KMGT]?)$/i.exec(value) ?? []
  const size = digits === '' ? Number.NaN : Number(digits) * (SIZE_UNITS[unit.toUpperCase()] ?? Number.NaN)
  if (!(size >= 1 && size <= SIZE_BYTES_MAX)) throw new UsageError(`${label} is a number of bytes such as 1000000, 500M or 10G, not ${JSON.stringify(value)}`)
  return size
}

/** 0 is said, too. */
function sizeOrNone(label: string, value: string | undefined): number {
  return value === '0' ? 0 : sizeBytes(label, value)
}

function rate(label: string, value: string | undefined): number {
  return value === undefined ? Infinity : sizeBytes(label, value)
}

function count(label: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  if (/^[1-9]\d{0,14}$/.test(value)) return Number(value)
  throw new UsageError(`${label} is a number such as 100000, not ${JSON.stringify(value)}`)
}

/** As the operator wrote it: a flag, a variable, or a key with its file. */
export function labelOf(name: string, settings: Settings): string {
  const origin = settings.get(name)?.origin ?? DEFAULT
  if (origin === DEFAULT) return `--${name}`
  return origin.startsWith('/') ? `${origin}: ${name}` : origin
}
