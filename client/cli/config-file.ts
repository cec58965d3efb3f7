/**
 * What `config.toml` says to `tally`: the table `[client]`, and where that is silent the daemon's own socket and secret, which stand in the
 * same file where a user runs both. Whatever else stands there is the daemon's matter.
 */
import { readFileSync } from 'node:fs'
import { parse, type TomlValue } from 'smol-toml'
import { CLIENT_SETTINGS, type Environment, configPath } from '../../protocol/index.ts'
import { UsageError, unknown } from './arguments.ts'
import { reasonOf } from './exit.ts'

export interface ClientConfig {
  readonly path: string
  readonly socket?: string
  readonly tokenFile?: string
  readonly secretFile?: string
  /** Who besides ourselves and root may own the socket. */
  readonly trustedUids: readonly number[]
}

const KEYS = Object.keys(CLIENT_SETTINGS)
const FILE_BYTES_MAX = 1_048_576
const DEPTH_MAX = 4

/** The file that `TALLY_CONFIG` names, else the default one, which need not be there. Throws UsageError. */
export function readClientConfig(env: Environment, home: string): ClientConfig {
  const named = env['TALLY_CONFIG']
  const path = named === undefined || named === '' ? configPath(env, home) : named
  const table = tableAt(path, path === named)
  const client = table['client'] ?? {}
  if (!isTable(client)) throw new UsageError(`${path}: client is a table: [client]`)
  const strange = Object.keys(client).find(key => !KEYS.includes(key))
  if (strange !== undefined) throw new UsageError(`${path}: ${unknown('setting', strange, KEYS).message} in [client]`)
  const text = (key: string): string | undefined => textOf(client, key, path)
  const socket = text('socket') ?? first(table['socket'])
  const secretFile = text('secret-file') ?? first(table['secret-file'])
  const tokenFile = text('token-file')
  return {
    path,
    trustedUids: uidsOf(client['trusted-uids'], path),
    ...(socket === undefined ? {} : { socket }),
    ...(tokenFile === undefined ? {} : { tokenFile }),
    ...(secretFile === undefined ? {} : { secretFile }),
  }
}

function tableAt(path: string, mustBeThere: boolean): Readonly<Record<string, TomlValue>> {
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (cause) {
    // One that we may not read is somebody else's.
    if (!mustBeThere) return {}
    throw new UsageError(`TALLY_CONFIG: the configuration file ${path} cannot be read: ${reasonOf(cause)}`)
  }
  if (bytes.length > FILE_BYTES_MAX) throw new UsageError(`${path} is longer than ${FILE_BYTES_MAX} bytes`)
  try {
    return parse(bytes.toString(), { maxDepth: DEPTH_MAX, unsafeKeyBehaviour: 'throw' })
  } catch (cause) {
    throw new UsageError(`${path}: ${cause instanceof Error ? cause.message.split('\n')[0] : String(cause)}`)
  }
}

function textOf(table: Readonly<Record<string, TomlValue>>, key: string, path: string): string | undefined {
  const value = table[key]
  if (value !== undefined && (typeof value !== 'string' || value === '')) throw new UsageError(`${path}: client.${key} is a string`)
  return value as string | undefined
}

/** The daemon's keys are checked by the daemon. */
function first(value: TomlValue | undefined): string | undefined {
  const one = Array.isArray(value) ? value[0] : value
  return typeof one === 'string' && one !== '' ? one : undefined
}

function uidsOf(value: TomlValue | undefined, path: string): readonly number[] {
  const list = value === undefined ? [] : Array.isArray(value) ? value : [value]
  return list.map(uid => {
    if (Number.isSafeInteger(uid) && (uid as number) >= 0) return uid as number
    throw new UsageError(`${path}: client.trusted-uids is a list of numbers`)
  })
}

function isTable(value: TomlValue): value is { [key: string]: TomlValue } {
  return typeof value === 'object' && [Object.prototype, null].includes(Object.getPrototypeOf(value) as object | null)
}
