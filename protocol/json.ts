/**
 * JSON payloads to plain values. One pass over the bytes checks what JSON.parse does not (depth, number of values, duplicate and
 * `__proto__` keys, lone surrogates, UTF-8) before any value is built; the grammar itself is left to JSON.parse. The `data` of a TRANSFER
 * is turned straight into bytes, so that an array of a million numbers never exists as numbers.
 */
import { readBase64 } from './base64.ts'
import { isSpace, readByteArray } from './byte-array.ts'
import type { TallyError } from './errors.ts'
import { DEPTH_MAX, ELEMENTS_MAX } from './limits.ts'
import type { PlainMap } from './payload.ts'
import { malformed } from './refused.ts'
import { asciiText, decodeUtf8 } from './utf8.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_MAP = 0x7b
const CLOSE_MAP = 0x7d
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const SHORT_KEY_BYTES = 32

/** What becomes of a top-level `data`: a value as any other; bytes; or, where it is a map, the bytes of the JSON that it is. */
export type TakeData = 'value' | 'bytes' | 'slice'

/** Where `data` stood, and what it is, or why it is not that. */
interface Data {
  readonly from: number
  readonly end: number
  readonly content: Uint8Array | TallyError
  readonly base64: boolean
}

export interface ParsedJson {
  readonly map: PlainMap
  readonly base64: boolean
  /** `data` is not what was asked for, and not in the map; all the rest is, so that the refusal can say which message it is about. */
  readonly refused?: TallyError
}

/**
 * The map that a JSON payload stands for. With `bytes` a top-level `data` (an array of 0–255 or a base64 string) comes as bytes, and
 * `base64` says which form it had; with `slice` a `data` that is a map comes as a view on its JSON, unjudged. Throws `malformed`, but for
 * `data`.
 */
export function parseJson(payload: Uint8Array, takeData: TakeData): ParsedJson {
  const data = new Scanner(payload, takeData).scan()
  let map: PlainMap
  try {
    if (data === undefined) map = JSON.parse(decodeUtf8(payload))
    else map = JSON.parse(`${decodeUtf8(payload.subarray(0, data.from))}0${decodeUtf8(payload.subarray(data.end))}`)
  } catch (cause) {
    throw malformed(`no JSON: ${cause instanceof SyntaxError ? 'a syntax error' : 'ill-formed UTF-8'}`)
  }
  if (data === undefined) return { map, base64: false }
  const { content, base64 } = data
  return content instanceof Uint8Array ? { map: { ...map, data: content }, base64 } : { map, base64, refused: content }
}

class Scanner {
  readonly #bytes: Uint8Array
  readonly #takeData: TakeData
  #at = 0
  #level = -1
  #values = 1
  /** The keys of the open map of each level. */
  readonly #keys: (Set<string> | undefined)[] = []
  #data: Data | undefined

  constructor(bytes: Uint8Array, takeData: TakeData) {
    this.#bytes = bytes
    this.#takeData = takeData
  }

  scan(): Data | undefined {
    const bytes = this.#bytes
    while (this.#at < bytes.length) {
      const byte = bytes[this.#at++] as number
      if (byte === QUOTE) this.#string()
      else if (byte === COMMA) this.#count()
      else if (byte === OPEN_MAP || byte === OPEN_ARRAY) this.#open()
      else if (byte === CLOSE_MAP || byte === CLOSE_ARRAY) {
        // what follows the outermost map is garbage or space, which JSON.parse tells apart
        if (--this.#level < 0) return this.#data
      }
    }
    throw malformed('JSON that ends early')
  }

  #open(): void {
    this.#count()
    if (++this.#level > DEPTH_MAX) throw malformed('nested too deep', undefined, DEPTH_MAX)
    this.#keys[this.#level] = undefined
  }

  #count(): void {
    if (++this.#values > ELEMENTS_MAX) throw malformed('too many values', undefined, ELEMENTS_MAX)
  }

  #string(): void {
    const from = this.#at
    const end = this.#skipString()
    // escapes are what can hide a lone surrogate, or a key's name
    const unescaped = this.#escaped ? parseText(this.#bytes, from, end) : undefined
    if (unescaped?.isWellFormed() === false) throw malformed('a lone surrogate')
    this.#at = end + 1
    const next = this.#skipSpace(this.#at)
    if (this.#bytes[next] === COLON) this.#key(unescaped ?? keyText(this.#bytes, from, end), next + 1)
  }

  /** Whether the string skipped last has an escape in it. */
  #escaped = false

  #skipString(): number {
    const bytes = this.#bytes
    this.#escaped = false
    for (let at = this.#at; at < bytes.length; at++) {
      const byte = bytes[at] as number
      if (byte === QUOTE) return at
      if (byte === BACKSLASH) {
        this.#escaped = true
        at++
      }
    }
    throw malformed('a string without an end')
  }

  #key(key: string, valueAt: number): void {
    if (key === '__proto__') throw malformed('a key is __proto__')
    const keys = this.#keys[this.#level] ?? new Set()
    this.#keys[this.#level] = keys
    if (keys.has(key)) throw malformed('a key stands twice')
    keys.add(key)
    if (this.#takeData !== 'value' && this.#level === 0 && key === 'data') this.#takeValue(this.#skipSpace(valueAt))
  }

  #takeValue(from: number): void {
    const first = this.#bytes[from]
    if (this.#takeData === 'slice') {
      if (first !== OPEN_MAP) return
      const end = this.#skipBrackets(from)
      this.#data = { from, end, content: this.#bytes.subarray(from, end), base64: false }
    } else if (first === OPEN_ARRAY) {
      const end = this.#bytes.indexOf(CLOSE_ARRAY, from)
      if (end < 0) throw malformed('an array without an end', 'data')
      const content = readOrRefuse(() => readByteArray(this.#bytes, from + 1, end))
      // where it is not all numbers, it may end elsewhere
      this.#data = { from, end: content instanceof Uint8Array ? end + 1 : this.#skipBrackets(from), content, base64: false }
    } else if (first === QUOTE) {
      this.#at = from + 1
      const end = this.#skipString()
      // some encoders write "/" as "\/"
      const text = this.#escaped ? Uint8Array.from(parseText(this.#bytes, from + 1, end), asciiCode) : this.#bytes.subarray(from + 1, end)
      this.#data = { from, end: end + 1, content: readOrRefuse(() => readBase64(text, 0, text.length)), base64: true }
    } else return
    this.#at = this.#data.end
  }

  /** Where the map or array at `from` ends: what has as many brackets closed as opened, outside of strings. */
  #skipBrackets(from: number): number {
    let level = 0
    this.#at = from
    while (this.#at < this.#bytes.length) {
      const byte = this.#bytes[this.#at++]
      if (byte === QUOTE) this.#at = this.#skipString() + 1
      else if (byte === OPEN_MAP || byte === OPEN_ARRAY) level++
      else if ((byte === CLOSE_MAP || byte === CLOSE_ARRAY) && --level === 0) return this.#at
    }
    throw malformed('brackets without an end', 'data')
  }

  #skipSpace(from: number): number {
    let at = from
    while (isSpace(this.#bytes[at])) at++
    return at
  }
}

/** A refusal is kept until it is known which message it is about. */
function readOrRefuse(read: () => Uint8Array): Uint8Array | TallyError {
  try {
    return read()
  } catch (refused) {
    return refused as TallyError
  }
}

/** Beyond ASCII any code that base64 has no digit for. */
function asciiCode(character: unknown): number {
  const code = String(character).charCodeAt(0)
  return code < 0x80 ? code : 0
}

/** A key without escapes; short ones of ASCII, as all of ours are, by the cheap way. */
function keyText(bytes: Uint8Array, from: number, end: number): string {
  if (end - from > SHORT_KEY_BYTES) return parseText(bytes, from, end)
  for (let at = from; at < end; at++) if ((bytes[at] as number) >= 0x80) return parseText(bytes, from, end)
  return asciiText(bytes, from, end)
}

/** The text of the string whose quotes stand around bytes[from, end). */
function parseText(bytes: Uint8Array, from: number, end: number): string {
  try {
    return JSON.parse(decodeUtf8(bytes.subarray(from - 1, end + 1)))
  } catch {
    throw malformed('an ill-formed string')
  }
}
