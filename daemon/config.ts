/**
 * How this daemon is to run: the settings, checked and typed. Where they come from is settings.ts's matter, the secret that the first start
 * makes first-secret.ts's, and reading the keys auth/keys.ts's.
 */
import { resolve } from 'node:path'
import type { Environment } from '../protocol/defaults.ts'
import { SIZE_BYTES_MAX } from '../protocol/limits.ts'
import type { KeySource } from './auth/keys.ts'
import type { ScopeTable } from './config-file.ts'
import { DURABILITIES, readArguments, UsageError } from './flags.ts'
import { smallest, type UserLimits } from './limits.ts'
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from './log.ts'
import type { MetricsAddress } from './metrics/server.ts'
import { KEY_SETTINGS, readSettings, type Settings, settingsText } from './settings.ts'
import type { Durability } from './storage/storage.ts'
import { SOCKET_PATH_BYTES_MAX } from './unix-socket.ts'

export { UsageError } from './flags.ts'

export interface Config {
  /** Absolute paths, at least one, each at most 107 bytes. */
  readonly sockets: readonly string[]
  /** No socket was named: a service manager's take their place. */
  readonly areSocketsDefault: boolean
  /** A group's name or number. */
  readonly socketGroup?: string
  readonly socketMode?: number
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
  readonly connectionsMax?: number
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

const PORT_MAX = 65_535
const KEY_KINDS: Readonly<Record<string, KeySource['kind']>> = { 'secret-file': 'secret', 'public-key': 'public-key', 'jwks': 'jwks' }
/** The time of the last chunk is known to the minute. */
const TIME_UNITS_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }
const SIZE_UNITS: Readonly<Record<string, number>> = { '': 1, 'K': 2 ** 10, 'M': 2 ** 20, 'G': 2 ** 30, 'T': 2 ** 40 }

/** Throws a UsageError (exit code 2) that names the flag, the variable or the file at fault. */
export function readConfig(args: readonly string[], env: Environment, home: string): Command {
  const flags = readArguments(args)
  if (flags.has('help')) return { run: 'help' }
  if (flags.has('version')) return { run: 'version' }
  const settings = readSettings(flags, env, home)
  if (flags.has('migrate')) return { run: 'migrate', storePath: storePathOf(settings) }
  // A setting that is wrong is refused here, too: what is printed could be used.
  const config = configOf(settings)
  if (flags.has('print-config')) return { run: 'print-config', text: settingsText(settings) }
  return { run: flags.has('check-config') ? 'check-config' : 'daemon', config, settings }
}

/** Where the store is; absolute. */
export function storePathOf(settings: Settings): string {
  return resolve(settings.get('store')?.values[0] ?? '')
}

/** How long an unfinished transfer is kept without a chunk, in ms. */
export function unfinishedKeptOf(settings: Settings): number {
  return durationMs('expire-unfinished', settings.get('expire-unfinished')?.values[0] ?? '')
}

function durationMs(name: string, value: string): number {
  const [, digits = '', unit = ''] = /^([1-9]\d{0,5})([mhd])$/.exec(value) ?? []
  const unitMs = TIME_UNITS_MS[unit]
  if (unitMs === undefined) throw new UsageError(`${shown(name)} is a time such as 7d, 12h or 30m, not ${JSON.stringify(value)}`)
  return Number(digits) * unitMs
}

function configOf(settings: Settings): Config {
  const one = (name: string) => settings.get(name)?.values[0]
  const issuer = one('issuer')
  const audience = one('audience')
  const userClaim = one('user-claim')
  const metrics = one('metrics')
  const connectionsMax = count('connections', one('connections'))
  const userLimits = userLimitsOf('', one)
  const socketGroup = one('socket-group')
  const socketMode = one('socket-mode')
  return {
    sockets: (settings.get('socket')?.values ?? []).map(checkedSocket),
    areSocketsDefault: settings.get('socket')?.origin === 'default',
    ...(socketGroup === undefined ? {} : { socketGroup }),
    ...(socketMode === undefined ? {} : { socketMode: fileMode('socket-mode', socketMode) }),
    storePath: storePathOf(settings),
    ...keysOf(settings),
    ...(issuer === undefined ? {} : { issuer }),
    ...(audience === undefined ? {} : { audience }),
    requireExp: one('require-exp') === 'true',
    ...(userClaim === undefined ? {} : { userClaim }),
    durability: choice('durability', one('durability'), DURABILITIES),
    fileBytesMax: sizeBytes('max-file-size', one('max-file-size')),
    unfinishedKeptMs: unfinishedKeptOf(settings),
    userLimits,
    limitsByUser: limitsByUser(settings, userLimits),
    keptMsByTag: new Map(scopedTo(settings, 'tags').map(([tag, said]) => [tag, durationMs(`tags.${tag}.expires`, said('expires') ?? '')])),
    bytesPerSecond: rate('limit-rate', one('limit-rate')),
    scrubBytesPerSecond: one('scrub-rate') === '0' ? 0 : sizeBytes('scrub-rate', one('scrub-rate')),
    ...(connectionsMax === undefined ? {} : { connectionsMax }),
    minFreeBytes: one('min-free') === undefined ? 0 : sizeBytes('min-free', one('min-free')),
    ...(metrics === undefined ? {} : { metrics: metricsAddress(metrics) }),
    logFormat: choice('log-format', one('log-format'), LOG_FORMATS),
    logLevel: choice('log-level', one('log-level'), LOG_LEVELS),
  }
}

/** `prefix` is what stands before the settings' names: nothing, or `users.NAME.` */
function userLimitsOf(prefix: string, said: (name: string) => string | undefined): UserLimits {
  const named = <T>(name: string, read: (name: string, value: string | undefined) => T): T => read(`${prefix}${name}`, said(name))
  return {
    quota: { bytesMax: named('quota', sizeBytes), filesMax: named('quota-files', count) ?? SIZE_BYTES_MAX },
    connectionsMax: named('user-connections', count) ?? Infinity,
    transfersMax: named('user-transfers', count) ?? Infinity,
    bytesPerSecond: named('user-limit-rate', rate),
  }
}

/** The smallest holds: a user's own limits cannot be wider than everybody's. */
function limitsByUser(settings: Settings, everybody: UserLimits): ReadonlyMap<string, UserLimits> {
  return new Map(scopedTo(settings, 'users').map(([user, said]) => [user, smallest(userLimitsOf(`users.${user}.`, said), everybody)]))
}

/** What was said of each user or tag. */
function scopedTo(settings: Settings, table: ScopeTable): readonly (readonly [of: string, said: (name: string) => string | undefined])[] {
  const named = new Set([...settings.values()].flatMap(({ scoped }) => (scoped?.table === table ? [scoped.of] : [])))
  return [...named].map(of => [of, name => settings.get(`${table}.${of}.${name}`)?.values[0]])
}

function keysOf(settings: Settings): Pick<Config, 'keySource' | 'makeSecret'> {
  const given = KEY_SETTINGS.filter(name => settings.has(name))
  if (given.length > 1) throw new UsageError(`tokens are checked in one way: ${given.map(name => `--${name}`).join(' or ')}`)
  const [name = 'secret-file'] = given
  const { values: [path = ''], origin } = settings.get(name) ?? { values: [], origin: '' }
  return { keySource: { kind: KEY_KINDS[name] ?? 'secret', path: resolve(path) }, makeSecret: origin === 'default' }
}

/** Loopback only: whoever wants it farther away puts a proxy in front, which can ask who is there. */
function metricsAddress(text: string): MetricsAddress {
  if (/^unix:./.test(text)) return { path: checkedSocket(text.slice('unix:'.length)) }
  const [, host = '', digits = ''] = /^(127\.\d{1,3}\.\d{1,3}\.\d{1,3}|localhost|\[::1\]):(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (host !== '' && port <= PORT_MAX) return { host: host.replaceAll(/[[\]]/g, ''), port }
  throw new UsageError(`--metrics is unix:PATH or a loopback address such as 127.0.0.1:9464, not ${JSON.stringify(text)}`)
}

function checkedSocket(path: string): string {
  const absolute = resolve(path)
  if (Buffer.byteLength(absolute) <= SOCKET_PATH_BYTES_MAX) return absolute
  throw new UsageError(`a socket's path has at most ${SOCKET_PATH_BYTES_MAX} bytes, which ${absolute} exceeds`)
}

function fileMode(name: string, value: string): number {
  if (/^0?[0-7]{3}$/.test(value)) return Number.parseInt(value, 8)
  throw new UsageError(`${shown(name)} is three octal digits such as 0660, not ${JSON.stringify(value)}`)
}

function choice<T extends string>(name: string, value: string | undefined, known: readonly T[]): T {
  const found = known.find(one => one === value)
  if (found === undefined) throw new UsageError(`${shown(name)} is ${known.join(' or ')}, not ${JSON.stringify(value)}`)
  return found
}

function sizeBytes(name: string, value: string | undefined): number {
  if (value === undefined) return SIZE_BYTES_MAX
  const [, digits = '', unit = ''] = /^(\d{1,16})([KMGT]?)$/i.exec(value) ?? []
  const size = digits === '' ? Number.NaN : Number(digits) * (SIZE_UNITS[unit.toUpperCase()] ?? Number.NaN)
  if (!(size >= 1 && size <= SIZE_BYTES_MAX)) throw new UsageError(`${shown(name)} is a number of bytes such as 1000000, 500M or 10G, not ${JSON.stringify(value)}`)
  return size
}

function rate(name: string, value: string | undefined): number {
  return value === undefined ? Infinity : sizeBytes(name, value)
}

function count(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  if (/^[1-9]\d{0,14}$/.test(value)) return Number(value)
  throw new UsageError(`${shown(name)} is a number such as 100000, not ${JSON.stringify(value)}`)
}

/** As the operator wrote it: a flag, or what holds for one user or tag. */
function shown(name: string): string {
  return name.includes('.') ? name : `--${name}`
}
