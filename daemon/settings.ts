/**
 * Which of the places that may say something about a setting wins: a flag over a variable of the environment over the configuration file
 * over the default; and where each value came from.
 */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { stringify } from 'smol-toml'
import { configPath, type Environment } from '../protocol/defaults.ts'
import { readConfigFile, type ScopedValue } from './config-file.ts'
import { FLAGS, type FlagValues, readEnvironment, variableOf } from './flags.ts'

export interface Setting {
  readonly values: readonly string[]
  /** `--flag`, `TALLY_VARIABLE`, the file's path, or `default`. */
  readonly origin: string
  /** It holds for one user or one tag. */
  readonly scoped?: ScopedValue
}

/** By the flag's name, or `users.NAME.FLAG`; what nobody says and what has no default is absent. */
export type Settings = ReadonlyMap<string, Setting>

/** Of these one place may say one: the highest place that says any of them decides for all of them. */
export const KEY_SETTINGS: readonly string[] = ['secret-file', 'public-key', 'jwks']

/**
 * Every setting, from `flags` (as given), the environment and the configuration file: the one that `--config` or `TALLY_CONFIG` names,
 * which must be there, else the default one, which need not. Throws a UsageError.
 */
export function readSettings(flags: FlagValues, env: Environment, home: string): Settings {
  const variables = readEnvironment(env)
  const named = flags.get('config')?.[0] ?? variables.get('config')?.[0]
  const path = resolve(named ?? configPath(env, home))
  const isThere = named !== undefined || existsSync(path)
  const file = isThere ? readConfigFile(path) : { values: new Map(), scoped: [] }
  const places: readonly { values: FlagValues; origin: (name: string) => string }[] = [
    { values: flags, origin: name => `--${name}` },
    { values: variables, origin: name => variableOf({ name }) },
    { values: file.values, origin: () => path },
  ]
  const keyPlace = places.find(({ values }) => KEY_SETTINGS.some(name => values.has(name)))
  const settings = new Map<string, Setting>()
  for (const { name, inFile, fallback } of FLAGS) {
    if (inFile !== true) continue
    const isKey = KEY_SETTINGS.includes(name)
    const place = isKey ? keyPlace : places.find(({ values }) => values.has(name))
    const said = place?.values.get(name)
    if (place !== undefined && said !== undefined) settings.set(name, { values: said, origin: place.origin(name) })
    else if (fallback !== undefined && !(isKey && keyPlace !== undefined)) settings.set(name, { values: [fallback(env, home)], origin: 'default' })
  }
  for (const scoped of file.scoped) settings.set(`${scoped.table}.${scoped.of}.${scoped.name}`, { values: scoped.values, origin: path, scoped })
  return settings
}

/** As a configuration file that would say the same, each line with where its value came from. */
export function settingsText(settings: Settings): string {
  const lines = FLAGS.filter(({ inFile }) => inFile === true).map(({ name, value, repeatable }) => {
    const setting = settings.get(name)
    if (setting === undefined) return [`# ${name} is not set`, ''] as const
    const { values: [first = ''], values } = setting
    const typed = value === undefined ? first === 'true' : repeatable === true ? [...values] : first
    return [stringify({ [name]: typed }).trim(), `# ${setting.origin}`] as const
  })
  const width = Math.max(...lines.map(([line, origin]) => origin === '' ? 0 : line.length)) + 2
  const text = lines.map(([line, origin]) => origin === '' ? line : `${line.padEnd(width)}${origin}`).join('\n')
  return `${text}\n${scopedText(settings)}`
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
