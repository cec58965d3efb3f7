/**
 * Payloads to plain values and back; the first byte says which encoding it is (docs/protocol.md, "Payloads"). What comes out is well-formed
 * and bounded, but not yet a message: fields are judged in validate.ts.
 */
import { type ParsedJson, parseJson } from './json.ts'
import type { Encoding } from './messages.ts'
import { parseMsgpack } from './msgpack.ts'
import { malformed } from './refused.ts'

/** What JSON and msgpack have in common; bigint only for msgpack's 64-bit integers, bytes only for `bin` and `data`. */
export type Plain = null | boolean | number | bigint | string | Uint8Array | readonly Plain[] | PlainMap
export type PlainMap = { readonly [key: string]: Plain }

/** The encoding that a payload has by its first byte. Throws `malformed` for what is no map. */
export function encodingOf(payload: Uint8Array): Encoding {
  const first = payload[0]
  if (first === 0x7b) return 'json'
  if (first !== undefined && ((first >= 0x80 && first <= 0x8f) || first === 0xde || first === 0xdf)) return 'msgpack'
  throw malformed('a payload is a map, in JSON or msgpack')
}

/**
 * `takeData`: `data` is wanted as bytes, whatever its form (JSON). `base64` tells that it was that form. Throws `malformed`, but for `data`
 * in JSON, see `ParsedJson`.
 */
export function decodePayload(payload: Uint8Array, encoding: Encoding, takeData: boolean): ParsedJson {
  if (encoding === 'json') return parseJson(payload, takeData ? 'bytes' : 'value')
  return { map: parseMsgpack(payload), base64: false }
}
