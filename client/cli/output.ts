/**
 * What a command says: results on standard output, as text or JSON lines; what happens meanwhile on standard error, and a progress line
 * there only on a terminal. Nothing that a server or a file name brought reaches a terminal unescaped.
 */
import { once } from 'node:events'
import type { ClientEvent } from '../events.ts'

/** Control characters, and what reorders or hides text. */
const CONTROL = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu
const PROGRESS_EVERY_MS = 100
const BAR_CHARACTERS = 24
/** Where nobody watches a terminal, only pauses that somebody may wonder about are told. */
const QUIET_PAUSE_MS = 1000

export class Output {
  readonly json: boolean
  readonly #onTerminal = process.stderr.isTTY === true
  #line = ''
  #drawnMs = 0

  constructor(json: boolean) {
    this.json = json
  }

  /** One result: `text` for people, escaped already where that is needed, or `value` as a line of JSON. */
  result(text: string, value: object): void {
    this.#clear()
    process.stdout.write(this.json ? `${jsonText(value)}\n` : `${text}\n`)
  }

  /** Raw bytes; resolves when more may come. */
  async bytes(bytes: Uint8Array): Promise<void> {
    if (!process.stdout.write(bytes)) await once(process.stdout, 'drain')
  }

  /** To people, on standard error, whatever the form of the results. */
  say(text: string): void {
    this.#clear()
    process.stderr.write(`${text}\n`)
  }

  /** What a client tells, as a line that is drawn over, or as lines where they matter. */
  event(label: string, event: ClientEvent): void {
    if (event.type === 'retry') {
      if (this.#onTerminal || event.afterMs >= QUIET_PAUSE_MS) {
        this.say(`tally: ${escaped(event.cause.message)}; trying again in ${(event.afterMs / 1000).toFixed(1)} s`)
      }
    } else if (event.type === 'progress' && this.#onTerminal && performance.now() - this.#drawnMs >= PROGRESS_EVERY_MS) {
      this.#drawnMs = performance.now()
      this.#draw(`${escaped(label)}  ${bar(event.acknowledgedBytes, event.totalBytes)}`)
    }
  }

  /** Takes the progress line away. */
  done(): void {
    this.#clear()
  }

  #draw(line: string): void {
    const width = process.stderr.columns ?? 80
    this.#clear()
    this.#line = line.slice(0, width - 1)
    process.stderr.write(this.#line)
  }

  #clear(): void {
    if (this.#line !== '') process.stderr.write('\r\u001b[K')
    this.#line = ''
  }
}

/** Every control character as `\xNN` or `\u{…}`. */
export function escaped(text: string): string {
  return text.replace(CONTROL, character => {
    const code = character.codePointAt(0) ?? 0
    return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
  })
}

/** JSON in which control characters above U+001F are escaped, too: it may land on a terminal. */
export function jsonText(value: object): string {
  const asEscape = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  return JSON.stringify(value).replace(CONTROL, character => character.split('').map(asEscape).join(''))
}

export function sizeText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let unit = 0
  let value = bytes
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}

function bar(bytes: number, totalBytes: number | null): string {
  if (totalBytes === null || totalBytes === 0) return sizeText(bytes)
  const part = Math.min(1, bytes / totalBytes)
  const filled = Math.floor(part * BAR_CHARACTERS)
  return `[${'#'.repeat(filled)}${'.'.repeat(BAR_CHARACTERS - filled)}] ${Math.floor(part * 100)} % of ${sizeText(totalBytes)}`
}
