/**
 * JSON payloads to plain values. One pass over the bytes checks what JSON.parse does not (depth, number of values, duplicate and
 * `__proto__` keys, lone surrogates, UTF-8) before any value is built; the grammar itself is left to JSON.parse. The `data` of a TRANSFER
 * is turned straight into bytes, so that an array of a million numbers never exists as numbers.
 */
import { readBase64 } from './base64.ts'
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
const ZERO = 0x30
const NINE = 0x39
const SHORT_KEY_BYTES = 32

/** Where `data` stood, and what it is. */
interface Data {
  readonly from: number
  readonly end: number
  readonly bytes: Uint8Array
  readonly base64: boolean
}

/**
 * The map that a JSON payload stands for. With `takeData` a top-level `data` (an array of 0–255 or a base64 string) comes as bytes, and
 * `base64` says which form it had. Throws `malformed`.
 */
export function parseJson(payload: Uint8Array, takeData: boolean): { map: PlainMap; base64: boolean } {
  const data = new Scanner(payload, takeData).scan()
  let map: PlainMap
  try {
    if (data === undefined) map = JSON.parse(decodeUtf8(payload))
    else map = JSON.parse(`${decodeUtf8(payload.subarray(0, data.from))}0${decodeUtf8(payload.subarray(data.end))}`)
  } catch (cause) {
    throw malformed(`no JSON: ${cause instanceof SyntaxError ? 'a syntax error' : 'ill-formed UTF-8'}`)
  }
  if (data !== undefined) map = { ...map, data: data.bytes }
  return { map, base64: data?.base64 === true }
}

class Scanner {
  readonly #bytes: Uint8Array
  readonly #takeData: boolean
  #at = 0
  #level = -1
  #values = 1
  /** The keys of the open map of each level. */
  readonly #keys: (Set<string> | undefined)[] = []
  #data: Data | undefined

  constructor(bytes: Uint8Array, takeData: boolean) {
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
    if (this.#takeData && this.#level === 0 && key === 'data') this.#takeValue(this.#skipSpace(valueAt))
  }

  #takeValue(from: number): void {
    const first = this.#bytes[from]
    if (first === OPEN_ARRAY) {
      const end = this.#bytes.indexOf(CLOSE_ARRAY, from)
      if (end < 0) throw malformed('an array without an end', 'data')
      this.#data = { from, end: end + 1, bytes: readByteArray(this.#bytes, from + 1, end), base64: false }
    } else if (first === QUOTE) {
      this.#at = from + 1
      const end = this.#skipString()
      // some encoders write "/" as "\/"
      const text = this.#escaped ? Uint8Array.from(parseText(this.#bytes, from + 1, end), asciiCode) : this.#bytes.subarray(from + 1, end)
      this.#data = { from, end: end + 1, bytes: readBase64(text, 0, text.length), base64: true }
    } else return
    this.#at = this.#data.end
  }

  #skipSpace(from: number): number {
    let at = from
    while (isSpace(this.#bytes[at])) at++
    return at
  }
}

/** The integers 0–255 between the brackets of an array, text[from, end). */
function readByteArray(text: Uint8Array, from: number, end: number): Uint8Array {
  return readCompactArray(text, from, end) ?? readAnyArray(text, from, end)
}

/** Digits, commas, and spaces behind commas, in one pass; undefined for every other form, right or wrong. */
function readCompactArray(text: Uint8Array, from: number, end: number): Uint8Array | undefined {
  const data = new Uint8Array((end - from + 1) >> 1)
  let count = 0
  let value = -1 // no digit yet
  for (let at = from; at < end; at++) {
    const byte = text[at] as number
    if (byte >= ZERO && byte <= NINE) {
      if (value === 0) return undefined
      value = (value < 0 ? 0 : value * 10) + byte - ZERO
      if (value > 255) return undefined
    } else if (byte === COMMA && value >= 0) {
      data[count++] = value
      value = -1
    } else if (byte !== 0x20 || value >= 0) return undefined
  }
  if (value < 0) return undefined
  data[count++] = value
  return data.slice(0, count)
}

function readAnyArray(text: Uint8Array, from: number, end: number): Uint8Array {
  let at = from
  while (isSpace(text[at])) at++
  if (at === end) return new Uint8Array(0)
  let count = 1
  for (let i = at; i < end; i++) if (text[i] === COMMA) count++
  const data = new Uint8Array(count)
  for (let i = 0; i < count; i++) {
    while (isSpace(text[at])) at++
    let value = 0
    const first = at
    while (isDigit(text[at])) value = value * 10 + (text[at++] as number) - ZERO
    const digits = at - first
    const wrong = digits === 0 || digits > 3 || value > 255 || (digits > 1 && text[first] === ZERO)
    if (wrong) throw malformed('data is integers 0 to 255', 'data')
    data[i] = value
    while (isSpace(text[at])) at++
    if (text[at++] !== (i === count - 1 ? CLOSE_ARRAY : COMMA)) throw malformed('data is integers 0 to 255', 'data')
  }
  return data
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE
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
