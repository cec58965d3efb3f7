/** What the terminal at the end of a stream can show, told by the stream and the environment. */
import type { Environment } from '../../protocol/index.ts'

/** What there is to know of `process.stdout` or `process.stderr`. */
export interface Stream {
  readonly isTTY?: boolean
  readonly columns?: number
}

export interface Terminal {
  /** False where a file, a pipe or a dumb terminal is. */
  readonly isLive: boolean
  /** Asked for each time: windows change. At least 1. */
  columns(): number
  /** https://no-color.org: any value but the empty one forbids it. */
  readonly hasColour: boolean
  /** Whether more than ASCII may be drawn. */
  readonly hasUnicode: boolean
}

const COLUMNS_DEFAULT = 80

export function terminalOf(stream: Stream, env: Environment): Terminal {
  const isLive = stream.isTTY === true && env['TERM'] !== 'dumb'
  const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || ''
  return {
    isLive,
    columns: () => Math.max(1, stream.columns ?? COLUMNS_DEFAULT) || COLUMNS_DEFAULT,
    hasColour: isLive && (env['NO_COLOR'] ?? '') === '',
    hasUnicode: /utf-?8/i.test(locale),
  }
}

const STYLES = { green: '32', yellow: '33', red: '31', dim: '2', bold: '1' } as const
export type Style = keyof typeof STYLES

/** The text in this style, or as it is where there is no colour. */
export function styled(terminal: Terminal, style: Style, text: string): string {
  return terminal.hasColour && text !== '' ? `\u001b[${STYLES[style]}m${text}\u001b[m` : text
}
