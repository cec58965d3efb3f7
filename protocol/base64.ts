/**
 * Base64 as RFC 4648 section 4 has it, padded and strict: what `atob` and Buffer forgive (spaces, missing padding, stray bits) is
 * refused, so one text stands for one value.
 */
import { malformed } from './refused.ts'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const PAD = 0x3d
const NO_DIGIT = 0x80
const digits = Uint8Array.from(ALPHABET, digit => digit.charCodeAt(0))
const values = new Uint8Array(256).fill(NO_DIGIT)
for (const [value, digit] of digits.entries()) values[digit] = value

/** The text of `data`, as ASCII bytes written into `into` at `at`; returns where it ends. */
export function writeBase64(data: Uint8Array, into: Uint8Array, at: number): number {
  let to = at
  let from = 0
  for (; from + 2 < data.length; from += 3) {
    const bits = ((data[from] as number) << 16) | ((data[from + 1] as number) << 8) | (data[from + 2] as number)
    into[to++] = digits[bits >> 18] as number
    into[to++] = digits[(bits >> 12) & 63] as number
    into[to++] = digits[(bits >> 6) & 63] as number
    into[to++] = digits[bits & 63] as number
  }
  if (from === data.length) return to
  const two = from + 2 === data.length
  const bits = ((data[from] as number) << 16) | (two ? (data[from + 1] as number) << 8 : 0)
  into[to++] = digits[bits >> 18] as number
  into[to++] = digits[(bits >> 12) & 63] as number
  into[to++] = two ? (digits[(bits >> 6) & 63] as number) : PAD
  into[to++] = PAD
  return to
}

export function base64Length(dataBytes: number): number {
  return 4 * Math.ceil(dataBytes / 3)
}

/** The bytes that the ASCII text[from, end) stands for. Throws `malformed` (field `data`). */
export function readBase64(text: Uint8Array, from: number, end: number): Uint8Array {
  const length = end - from
  if (length % 4 !== 0) throw malformed('base64 comes in groups of four', 'data')
  if (length === 0) return new Uint8Array(0)
  const pads = text[end - 1] !== PAD ? 0 : text[end - 2] !== PAD ? 1 : 2
  const data = new Uint8Array((length / 4) * 3 - pads)
  const whole = pads === 0 ? end : end - 4
  let seen = 0
  let to = 0
  for (let at = from; at < whole; at += 4) {
    const a = values[text[at] as number] as number
    const b = values[text[at + 1] as number] as number
    const c = values[text[at + 2] as number] as number
    const d = values[text[at + 3] as number] as number
    seen |= a | b | c | d
    data[to++] = (a << 2) | (b >> 4)
    data[to++] = (b << 4) | (c >> 2)
    data[to++] = (c << 6) | d
  }
  if (pads > 0) {
    const a = values[text[whole] as number] as number
    const b = values[text[whole + 1] as number] as number
    const c = pads === 1 ? (values[text[whole + 2] as number] as number) : 0
    seen |= a | b | c
    if ((pads === 1 ? c & 3 : b & 15) !== 0) throw malformed('base64 with stray bits at its end', 'data')
    data[to++] = (a << 2) | (b >> 4)
    if (pads === 1) data[to] = (b << 4) | (c >> 2)
  }
  if ((seen & NO_DIGIT) !== 0) throw malformed('base64 with a stray character', 'data')
  return data
}
