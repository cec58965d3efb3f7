/**
 * Reads a command line against a command's table of flags. What the table does not know is refused by name, with the nearest that it does;
 * so is a variable of the environment that means nothing.
 */
import { parseArgs } from 'node:util'
import { CLIENT_VARIABLES, DAEMON_VARIABLES, type Environment, VARIABLE_PREFIX, durationMs, unknownVariables } from '../../protocol/index.ts'

/** The user's mistake: exit code 2. */
export class UsageError extends Error {
  override name = 'UsageError'
  readonly code = 'usage'
}

/** What a value is, for whoever completes it or lists it. */
export type ValueKind = 'text' | 'path' | 'directory' | 'id' | 'fid' | 'tag' | 'glob' | 'size' | 'time' | 'count' | 'choice' | 'endpoint'

export interface Flag {
  readonly name: string
  readonly short?: string
  /** What stands for the value in the help; absent: the flag is on or off. */
  readonly value?: string
  /** Default: text. */
  readonly kind?: ValueKind
  /** With the kind `choice`: anything else is refused. */
  readonly choices?: readonly string[]
  /** Several choices may stand in one value, with commas or spaces between them. */
  readonly isList?: boolean
  readonly repeatable?: boolean
  readonly help: string
}

/** What was given. A flag that the table does not have is our own mistake. */
export class Arguments {
  readonly positionals: readonly string[]
  readonly #values: ReadonlyMap<string, readonly string[]>

  constructor(positionals: readonly string[], values: ReadonlyMap<string, readonly string[]>) {
    this.positionals = positionals
    this.#values = values
  }

  has(name: string): boolean {
    return this.#values.has(name)
  }

  one(name: string): string | undefined {
    return this.#values.get(name)?.at(-1)
  }

  all(name: string): readonly string[] {
    return this.#values.get(name) ?? []
  }
}

/** `help`: the command line that lists the flags. Throws UsageError. */
export function readArguments(args: readonly string[], flags: readonly Flag[], help = 'tally --help'): Arguments {
  const options = Object.fromEntries(flags.map(({ name, short, value }) =>
    [name, { type: value === undefined ? 'boolean' as const : 'string' as const, ...(short === undefined ? {} : { short }) }]))
  const { tokens } = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true })
  const values = new Map<string, string[]>()
  const positionals: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    const flag = flags.find(({ name }) => name === token.name)
    if (flag === undefined) {
      const { message } = unknown('flag', token.rawName, flags.map(({ name }) => `--${name}`))
      throw new UsageError(`${message} (${help} lists the flags)`)
    }
    const given = values.get(flag.name) ?? []
    if (flag.value === undefined && token.value !== undefined) throw new UsageError(`--${flag.name} takes no value`)
    if (flag.value !== undefined && (token.value === undefined || token.value === '' || (!token.inlineValue && isFlagLike(token.value)))) {
      throw new UsageError(`--${flag.name} needs a value: ${flag.value}`)
    }
    const { choices } = flag
    const wrong = choices === undefined ? undefined : partsOf(flag, token.value ?? '').find(part => !choices.includes(part))
    if (choices !== undefined && wrong !== undefined) {
      const { message } = unknown(flag.name, wrong, choices)
      throw new UsageError(`${message} (--${flag.name} is one of ${choices.join(', ')})`)
    }
    if (given.length > 0 && flag.repeatable !== true && flag.value !== undefined) throw new UsageError(`--${flag.name} is given twice`)
    values.set(flag.name, [...given, token.value ?? 'true'])
  }
  return new Arguments(positionals, values)
}

/** The same line with the command's name first: flags that every command takes may stand before it. */
export function commandFirst(args: readonly string[], flags: readonly Flag[]): readonly string[] {
  let at = 0
  for (let flag = flagOf(args[at], flags); flag !== undefined; flag = flagOf(args[at], flags)) {
    at += flag.value === undefined || args[at]?.includes('=') === true ? 1 : 2
  }
  const name = args[at]
  return name === undefined ? args : [name, ...args.slice(0, at), ...args.slice(at + 1)]
}

function flagOf(text: string | undefined, flags: readonly Flag[]): Flag | undefined {
  const [start] = text?.split('=') ?? []
  return flags.find(({ name, short }) => start === `--${name}` || (short !== undefined && text === `-${short}`))
}

/** Of a flag whose value may be a list. */
export function partsOf({ isList }: Flag, value: string): readonly string[] {
  return isList === true ? value.split(/[ ,]+/) : [value]
}

/** Says what is not known, and what may have been meant. */
export function unknown(what: string, given: string, known: readonly string[]): UsageError {
  const near = nearest(given, known)
  return new UsageError(`unknown ${what} ${JSON.stringify(given)}${near === undefined ? '' : `; did you mean ${near}?`}`)
}

/** A variable that is nearly one of either program's is a slip; others that begin so may be anybody's. Throws UsageError. */
export function checkVariables(env: Environment): void {
  // By what follows the beginning that all of them have: else any two would be near.
  const known = [...CLIENT_VARIABLES, ...DAEMON_VARIABLES].map(name => name.slice(VARIABLE_PREFIX.length))
  for (const strange of unknownVariables(env)) {
    const near = nearest(strange.slice(VARIABLE_PREFIX.length), known)
    if (near !== undefined) throw new UsageError(`unknown variable ${strange}; did you mean ${VARIABLE_PREFIX}${near}?`)
  }
}

function nearest(given: string, known: readonly string[]): string | undefined {
  const [best] = known.map(name => ({ name, distance: distance(given, name) })).sort((a, b) => a.distance - b.distance)
  return best !== undefined && best.distance <= Math.max(2, given.length / 3) ? best.name : undefined
}

const FACTORS: Readonly<Record<string, number>> = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 }

/** `1024`, `64K`, `10G`: powers of 1024, as bytes. Throws UsageError. */
export function sizeOf(name: string, text: string): number {
  const [, digits = '', unit = ''] = /^([0-9]{1,15})([KMGT]?)(?:i?B)?$/i.exec(text) ?? []
  const bytes = Number(digits) * (FACTORS[unit.toUpperCase()] ?? Number.NaN)
  if (digits !== '' && Number.isSafeInteger(bytes)) return bytes
  throw new UsageError(`--${name} is a size such as 1024, 64K or 10G, not ${JSON.stringify(text)}`)
}

/** `30s`, `10m`, `2h`, `7d`, as seconds. Throws UsageError. */
export function secondsOf(name: string, text: string): number {
  const ms = durationMs(text)
  if (ms === undefined) throw new UsageError(`--${name} is a time such as 30s, 10m, 2h or 7d, not ${JSON.stringify(text)}`)
  return ms / 1000
}

/** Throws UsageError. */
export function countOf(name: string, text: string, min: number, max: number): number {
  const count = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (count >= min && count <= max) return count
  throw new UsageError(`--${name} is a number from ${min} to ${max}, not ${JSON.stringify(text)}`)
}

/** A lone `-` is a value (standard input or output). */
function isFlagLike(text: string): boolean {
  return text.length > 1 && text.startsWith('-')
}

/** How many insertions, deletions and replacements lie between two texts. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
