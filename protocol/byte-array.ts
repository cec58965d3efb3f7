/**
 * The original form of a TRANSFER's data in JSON, an array of numbers, straight into bytes: an array of a million numbers never exists as
 * numbers.
 */
import { malformed } from './refused.ts'

const COMMA = 0x2c
const CLOSE_ARRAY = 0x5d
const ZERO = 0x30
const NINE = 0x39

/** The integers 0–255 between the brackets of an array, text[from, end); the closing bracket stands at `end`. Throws `malformed`. */
export function readByteArray(text: Uint8Array, from: number, end: number): Uint8Array {
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

/** What JSON has between its tokens. */
export function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE
}
