/**
 * The configuration file: TOML whose keys are the names of flags, a table of the values that flags would have. It only reads; what a value
 * means, and which of the places that say something wins, is config.ts's matter.
 */
import { readFileSync } from 'node:fs'
import { parse, TomlError, type TomlValue } from 'smol-toml'
import { type Flag, FLAGS, type FlagValues, nearest, TAG_SETTINGS, UsageError } from './flags.ts'

/** A file that is longer is not ours. */
const FILE_BYTES_MAX = 1_048_576
const DEPTH_MAX = 4

/** The settings that hold for one user or one tag only: `[users.NAME]`, `[tags.NAME]`. */
export type ScopeTable = 'users' | 'tags'

export interface ScopedValue {
  readonly table: ScopeTable
  /** The user's or the tag's name. */
  readonly of: string
  readonly name: string
  readonly values: readonly string[]
}

export interface ConfigFile {
  readonly values: FlagValues
  readonly scoped: readonly ScopedValue[]
}

const SETTINGS = FLAGS.filter(({ inFile }) => inFile === true)
const SCOPED: Readonly<Record<ScopeTable, readonly Flag[]>> = { users: FLAGS.filter(({ perUser }) => perUser === true), tags: TAG_SETTINGS }

/** Throws a UsageError that names the file, and the line or the key at fault. */
export function readConfigFile(path: string): ConfigFile {
  // What `tally` reads there is its own matter.
  const { users, tags, client: _client, ...top } = parsed(textOf(path), path)
  return {
    values: tableValues(top, SETTINGS, path, ''),
    scoped: [...scopedValues('users', users, path), ...scopedValues('tags', tags, path)],
  }
}

function textOf(path: string): string {
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (cause) {
    throw new UsageError(`the configuration file cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
  if (bytes.length > FILE_BYTES_MAX) throw new UsageError(`${path} is longer than ${FILE_BYTES_MAX} bytes`)
  return bytes.toString()
}

function parsed(text: string, path: string): Readonly<Record<string, TomlValue>> {
  try {
    return parse(text, { maxDepth: DEPTH_MAX, unsafeKeyBehaviour: 'throw' })
  } catch (cause) {
    const [reason = ''] = cause instanceof Error ? cause.message.split('\n') : []
    const line = cause instanceof TomlError ? `:${cause.line}:${cause.column}` : ''
    throw new UsageError(`${path}${line}: ${reason}`, { cause })
  }
}

function tableValues(table: Readonly<Record<string, TomlValue>>, settings: readonly Flag[], path: string, prefix: string): FlagValues {
  return new Map(Object.entries(table).map(([key, value]) => {
    const setting = settings.find(({ name }) => name === key)
    if (setting !== undefined) return [key, valuesOf(setting, value, path)] as const
    const near = nearest(key, [...settings.map(({ name }) => name), ...(prefix === '' ? Object.keys(SCOPED) : [])])
    throw new UsageError(`${path}: there is no setting ${JSON.stringify(`${prefix}${key}`)}${near === undefined ? '' : `; did you mean ${near}?`}`)
  }))
}

function scopedValues(table: ScopeTable, tables: TomlValue | undefined, path: string): ScopedValue[] {
  return Object.entries(tableOf(tables ?? {}, path, table)).flatMap(([of, settings]) => {
    const prefix = `${table}.${of}.`
    return [...tableValues(tableOf(settings, path, `${table}.${of}`), SCOPED[table], path, prefix)].map(([name, values]) => ({ table, of, name, values }))
  })
}

function tableOf(value: TomlValue, path: string, name: string): Readonly<Record<string, TomlValue>> {
  if (!isTable(value)) throw new UsageError(`${path}: ${name} is a table, such as [users.ann]`)
  return value as Readonly<Record<string, TomlValue>>
}

/** Neither a list nor a date, which are objects as well. */
function isTable(value: TomlValue): boolean {
  return typeof value === 'object' && [Object.prototype, null].includes(Object.getPrototypeOf(value) as object | null)
}

/** As the command line would have them: texts. */
function valuesOf(setting: Flag, value: TomlValue, path: string): readonly string[] {
  const values = setting.repeatable === true && Array.isArray(value) ? value : [value]
  const wanted = setting.value === undefined ? 'true or false' : setting.repeatable === true ? 'a string or a list of them' : 'a string or a number'
  return values.map(each => {
    const fits = setting.value === undefined ? typeof each === 'boolean' : typeof each === 'string' || Number.isSafeInteger(each)
    if (!fits || each === '') throw new UsageError(`${path}: ${setting.name} is ${wanted}`)
    return String(each)
  })
}
