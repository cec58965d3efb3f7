/**
 * Which of the places that may say something about a setting wins: a flag over a variable of the environment over the configuration file
 * over the default; and where each value came from.
 */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { stringify, type TomlValue } from 'smol-toml'
import { configPath, type Environment } from '../protocol/defaults.ts'
import { type ConfigFile, readConfigFile, type ScopedValue } from './config-file.ts'
import { FLAGS, type FlagValues, readEnvironment, variableOf } from './flags.ts'
import type { Mistakes } from './mistakes.ts'

/** The origin of a value that nobody said. */
export const DEFAULT = 'default'

export interface Setting {
  readonly values: readonly string[]
  /** `--flag`, `TALLY_VARIABLE`, the file's absolute path, or `DEFAULT`. */
  readonly origin: string
  /** It holds for one user or one tag. */
  readonly scoped?: ScopedValue
}

/** By the flag's name, or `users.NAME.FLAG`; what nobody says and what has no default is absent. */
export type Settings = ReadonlyMap<string, Setting>

/** What `[client]` says to `tally`, and in which file. */
export interface ClientTable {
  readonly path: string
  readonly values: Readonly<Record<string, TomlValue>>
}

/** One of those that may say something, and what it calls a setting. */
interface Place {
  readonly values: FlagValues
  readonly origin: (name: string) => string
}

/** Of these one place may say one: the highest place that says any of them decides for all of them. */
export const KEY_SETTINGS: readonly string[] = ['secret-file', 'public-key', 'jwks']

/**
 * Every setting, from `flags` (as given), the environment and the configuration file: the one that `--config` or `TALLY_CONFIG` names,
 * which must be there, else the default one, which need not.
 */
export function readSettings(
  flags: FlagValues, env: Environment, home: string, mistakes: Mistakes,
): { readonly settings: Settings; readonly client: ClientTable } {
  const variables = readEnvironment(env, mistakes)
  const typed: readonly Place[] = [
    { values: flags, origin: name => `--${name}` },
    { values: variables, origin: name => variableOf({ name }) },
  ]
  const naming = typed.find(({ values }) => values.has('config'))
  const path = resolve(naming?.values.get('config')?.[0] ?? configPath(env, home))
  const isThere = naming !== undefined || existsSync(path)
  const file: ConfigFile = isThere ? readConfigFile(path, mistakes, naming?.origin('config')) : { values: new Map(), scoped: [], client: {} }
  const places: readonly Place[] = [...typed, { values: file.values, origin: () => path }]
  const keyPlace = places.find(({ values }) => KEY_SETTINGS.some(name => values.has(name)))
  const settings = new Map<string, Setting>()
  for (const { name, inFile, fallback } of FLAGS) {
    if (inFile !== true) continue
    const isKey = KEY_SETTINGS.includes(name)
    const place = isKey ? keyPlace : places.find(({ values }) => values.has(name))
    const said = place?.values.get(name)
    if (place !== undefined && said !== undefined) settings.set(name, { values: said, origin: place.origin(name) })
    else if (fallback !== undefined && !(isKey && keyPlace !== undefined)) {
      settings.set(name, { values: [fallback(env, home, each => settings.has(each))], origin: DEFAULT })
    }
  }
  for (const scoped of file.scoped) settings.set(`${scoped.table}.${scoped.of}.${scoped.name}`, { values: scoped.values, origin: path, scoped })
  return { settings, client: { path, values: file.client } }
}

/**
 * As a configuration file that would say the same, each line with where its value came from. What holds where there is no value to speak
 * of, such as no limit, is said in a comment.
 */
export function settingsText(settings: Settings, client: ClientTable): string {
  const lines = FLAGS.filter(({ inFile }) => inFile === true).map(({ name, value, repeatable, otherwise }) => {
    const setting = settings.get(name)
    if (setting === undefined) return [`# ${name} is not set: ${otherwise}`, DEFAULT] as const
    const { values: [first = ''], values, origin } = setting
    const typed = value === undefined ? first === 'true' : repeatable === true ? [...values] : first
    return [stringify({ [name]: typed }).trim(), origin] as const
  })
  const width = Math.max(...lines.map(([line]) => line.length)) + 2
  const text = lines.map(([line, origin]) => `${line.padEnd(width)}# ${origin}`).join('\n')
  return `${text}\n${scopedText(settings)}${clientText(client)}`
}

function clientText({ path, values }: ClientTable): string {
  const lines = Object.entries(values).map(([name, value]) => `${stringify({ [name]: value }).trim()}  # ${path}\n`)
  return lines.length === 0 ? '' : `\n[client]\n${lines.join('')}`
}

/** The tables of users and tags, each with what was said of it. */
function scopedText(settings: Settings): string {
  const tables = new Map<string, string[]>()
  for (const { scoped, values: [value = ''], origin } of settings.values()) {
    if (scoped === undefined) continue
    const [head = '', line = ''] = stringify({ [scoped.table]: { [scoped.of]: { [scoped.name]: value } } }).split('\n').filter(each => each !== '')
    tables.set(head, [...tables.get(head) ?? [], `${line}  # ${origin}`])
  }
  return [...tables].map(([head, lines]) => `\n${head}\n${lines.join('\n')}\n`).join('')
}
