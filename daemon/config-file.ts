/**
 * The configuration file: TOML whose keys are the names of flags, a table of the values that flags would have. It only reads; what a value
 * means, and which of the places that say something wins, is config.ts's matter.
 */
import { parse, TomlError, type TomlValue } from 'smol-toml'
import { CLIENT_SETTINGS } from '../protocol/set-up-names.ts'
import { type Flag, FLAGS, type FlagValues, nearest, TAG_SETTINGS } from './flags.ts'
import { type Mistakes, ofSetting, UsageError } from './mistakes.ts'
import { readNamedFile } from './named-file.ts'

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

type Table = Readonly<Record<string, TomlValue>>

export interface ConfigFile {
  readonly values: FlagValues
  readonly scoped: readonly ScopedValue[]
  /** What is right of `[client]`, which `tally` reads. */
  readonly client: Table
}

interface Kind {
  /** With an example that may stand in the file. */
  readonly is: string
  readonly isNumber?: boolean
}

/** By what stands for the value in the help. As a flag has it, a number may stand in quotes, too. */
const KINDS: Readonly<Record<string, Kind>> = {
  SIZE: { is: 'a number of bytes such as 1000000, "500M" or "10G"', isNumber: true },
  N: { is: 'a number such as 100000', isNumber: true },
  TIME: { is: 'a time such as "7d", "12h" or "30m"' },
  PATH: { is: 'a path such as "/run/tally/tally.sock"' },
  DIR: { is: 'a path such as "/var/lib/tally"' },
  FILE: { is: 'a path such as "/etc/tally/key"' },
  NAME: { is: 'a string such as "tally"' },
  GROUP: { is: 'a group such as "tally"', isNumber: true },
  // No number: 0o660 would come as 432, and be taken for octal digits.
  MODE: { is: 'three octal digits in quotes such as "0660"' },
  ADDRESS: { is: 'an address such as "127.0.0.1:9464" or "unix:/run/tallyd/metrics.sock"' },
}

const SETTINGS = FLAGS.filter(({ inFile }) => inFile === true)
const TABLES = ['users', 'tags', 'client']
const TABLE_EXAMPLES: Readonly<Record<string, string>> = { users: 'users.ann', tags: 'tags.scratch' }
const SCOPED: Readonly<Record<ScopeTable, readonly Flag[]>> = { users: FLAGS.filter(({ perUser }) => perUser === true), tags: TAG_SETTINGS }

/**
 * A mistake names the file, and the line or the key at fault; what is right is given all the same. `namedBy` is the flag or the variable
 * that names the file; absent: nobody does, it is the default one.
 */
export function readConfigFile(path: string, mistakes: Mistakes, namedBy?: string): ConfigFile {
  const { users, tags, client, ...top } = mistakes.attempt(() => parsed(textOf(path, namedBy), path)) ?? {}
  return {
    values: tableValues(top, SETTINGS, path, '', mistakes),
    scoped: [...scopedValues('users', users, path, mistakes), ...scopedValues('tags', tags, path, mistakes)],
    client: clientValues(client, path, mistakes),
  }
}

function textOf(path: string, namedBy: string | undefined): string {
  const place = `the configuration file ${path} cannot be read`
  const bytes = ofSetting(namedBy === undefined ? place : `${namedBy}: ${place}`, () => readNamedFile(path))
  if (bytes.length > FILE_BYTES_MAX) throw new UsageError(`${path} is longer than ${FILE_BYTES_MAX} bytes`)
  return bytes.toString()
}

function parsed(text: string, path: string): Table {
  try {
    return parse(text, { maxDepth: DEPTH_MAX, unsafeKeyBehaviour: 'throw' })
  } catch (cause) {
    const [reason = ''] = cause instanceof Error ? cause.message.split('\n') : []
    const line = cause instanceof TomlError ? `:${cause.line}:${cause.column}` : ''
    throw new UsageError(`${path}${line}: ${reason}`, { cause })
  }
}

function tableValues(table: Table, settings: readonly Flag[], path: string, prefix: string, mistakes: Mistakes): FlagValues {
  const values = new Map<string, readonly string[]>()
  for (const [key, value] of Object.entries(table)) {
    const setting = settings.find(({ name }) => name === key)
    if (setting !== undefined) mistakes.attempt(() => values.set(key, valuesOf(setting, value, `${prefix}${key}`, path)))
    else mistakes.add(unknownKey(`${prefix}${key}`, key, [...settings.map(({ name }) => name), ...(prefix === '' ? TABLES : [])], path))
  }
  return values
}

function scopedValues(table: ScopeTable, tables: TomlValue | undefined, path: string, mistakes: Mistakes): ScopedValue[] {
  return entriesOf(tables, path, table, mistakes).flatMap(([of, settings]) => {
    const found = Object.fromEntries(entriesOf(settings, path, `${table}.${of}`, mistakes))
    const values = tableValues(found, SCOPED[table], path, `${table}.${of}.`, mistakes)
    return [...values].map(([name, said]) => ({ table, of, name, values: said }))
  })
}

/** What a value means is the matter of `tally`; what it looks like is ours, too: else a slip stays unnoticed until `tally` runs. */
function clientValues(table: TomlValue | undefined, path: string, mistakes: Mistakes): Table {
  return Object.fromEntries(entriesOf(table, path, 'client', mistakes).filter(([key, value]) => {
    const kind = CLIENT_SETTINGS[key]
    const isRight = kind === 'path' ? typeof value === 'string' && value !== '' : areUserIds(value)
    if (kind === undefined) mistakes.add(unknownKey(`client.${key}`, key, Object.keys(CLIENT_SETTINGS), path))
    else if (!isRight) mistakes.add(`${path}: client.${key} is ${kind === 'path' ? KINDS['PATH']?.is : 'a list of numbers such as [990]'}, not ${shownValue(value)}`)
    return kind !== undefined && isRight
  }))
}

/** A single one need not be in a list. */
function areUserIds(value: TomlValue): boolean {
  return (Array.isArray(value) ? value : [value]).every(uid => Number.isSafeInteger(uid) && (uid as number) >= 0)
}

function entriesOf(value: TomlValue | undefined, path: string, name: string, mistakes: Mistakes): [string, TomlValue][] {
  if (value === undefined || isTable(value)) return Object.entries((value ?? {}) as Table)
  mistakes.add(`${path}: ${name} is a table such as [${TABLE_EXAMPLES[name] ?? name}], not ${shownValue(value)}`)
  return []
}

function unknownKey(shown: string, key: string, known: readonly string[], path: string): string {
  const near = nearest(key, known)
  return `${path}: there is no setting ${JSON.stringify(shown)}${near === undefined ? '' : `; did you mean ${near}?`}`
}

/** Neither a list nor a date, which are objects as well. */
function isTable(value: TomlValue): boolean {
  return typeof value === 'object' && [Object.prototype, null].includes(Object.getPrototypeOf(value) as object | null)
}

/** As the command line would have them: texts. */
function valuesOf(setting: Flag, value: TomlValue, shown: string, path: string): readonly string[] {
  const values = setting.repeatable === true && Array.isArray(value) && value.length > 0 ? value : [value]
  const { is, isNumber } = kindOf(setting)
  return values.map(each => {
    const fits = setting.value === undefined ? typeof each === 'boolean' : (typeof each === 'string' && each !== '') || (isNumber === true && Number.isSafeInteger(each))
    if (!fits) throw new UsageError(`${path}: ${shown} is ${is}${setting.repeatable === true ? ', or a list of them' : ''}, not ${shownValue(each)}`)
    return String(each)
  })
}

function kindOf({ value, choices }: Flag): Kind {
  if (value === undefined) return { is: 'true or false' }
  if (choices !== undefined) return { is: choices.map(choice => JSON.stringify(choice)).join(' or ') }
  return KINDS[value] as Kind
}

/** Of what has parts only what it is. */
function shownValue(value: TomlValue | undefined): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (value instanceof Date) return 'a date'
  return typeof value === 'object' ? 'a table' : typeof value === 'string' ? JSON.stringify(value) : String(value)
}
