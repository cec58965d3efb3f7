/**
 * The daemon's log: leveled lines on stderr, as text or JSON. Never given a token or a payload. Our own fifty lines, because a logging
 * library would bring more packages than the whole daemon has.
 */

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = typeof LOG_LEVELS[number]
export const LOG_FORMATS = ['text', 'json'] as const
export type LogFormat = typeof LOG_FORMATS[number]
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>

export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

export interface LogOptions {
  /** Lines below this level are not written. Level and format are looked at for each line, so they may change. */
  readonly level: LogLevel
  readonly format: LogFormat
  /** Gets a line with its newline. */
  readonly write: (line: string) => void
  readonly nowMs: () => number
}

/** What a stranger's string may take of a line. */
const VALUE_CHARS_MAX = 2000
/** Everything that could break a line or steer a terminal, the C1 and line separators included. */
const UNSAFE = /[\p{Cc}\p{Cf}\u2028\u2029]/gu
/** Nearly every text. The tables of `UNSAFE` take 10 ms when they are first needed: just when clients ask a daemon that has started. */
const PLAIN = /^[\x20-\x7e]*$/

export function createLogger(options: LogOptions): Logger {
  const at = (name: LogLevel) => (message: string, fields: LogFields = {}) => {
    if (LOG_LEVELS.indexOf(name) < LOG_LEVELS.indexOf(options.level)) return
    const line = options.format === 'json' ? jsonLine : textLine
    options.write(line(new Date(options.nowMs()).toISOString(), name, message, fields))
  }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/** Writes to stderr; a reader of it that went away is no reason to stop. */
export function stderrWriter(): (line: string) => void {
  process.stderr.on('error', () => undefined)
  return line => void process.stderr.write(line)
}

function textLine(time: string, level: LogLevel, message: string, fields: LogFields): string {
  const parts = Object.entries(fields).flatMap(([name, value]) => value === undefined ? [] : [` ${name}=${textValue(value)}`])
  return `${time} ${level.padEnd(5)} ${escaped(message)}${parts.join('')}\n`
}

function textValue(value: string | number | boolean): string {
  if (typeof value !== 'string') return String(value)
  return /^[\w./:@+-]+$/.test(value) && value.length <= VALUE_CHARS_MAX ? value : `"${escaped(value.replaceAll(/["\\]/g, '\\$&'))}"`
}

function jsonLine(time: string, level: LogLevel, message: string, fields: LogFields): string {
  const cut = Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? shortened(value) : value] as const)
  return `${escapeUnsafe(JSON.stringify({ ...Object.fromEntries(cut), time, level, message }))}\n`
}

function escaped(text: string): string {
  return escapeUnsafe(shortened(text))
}

/** Text that may come from a stranger, harmless on one line of a terminal. */
export function escapeUnsafe(text: string): string {
  if (PLAIN.test(text)) return text
  return text.replaceAll(UNSAFE, character => [...Array(character.length).keys()]
    .map(index => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`).join(''))
}

function shortened(text: string): string {
  return text.length <= VALUE_CHARS_MAX ? text : `${text.slice(0, VALUE_CHARS_MAX)}…`
}
