/**
 * msgpack payloads to plain values. A scan checks depth, number of values, announced counts against the bytes that are there, UTF-8, keys
 * and extension types before msgpackr builds anything: 1.1 MB of empty maps would decode to 101 MB, extension types to Dates and RegExps.
 */
import { Packr } from 'msgpackr/pack'
import { Unpackr } from 'msgpackr/unpack'
import { DEPTH_MAX, ELEMENTS_MAX } from './limits.ts'
import type { Plain, PlainMap } from './payload.ts'
import { malformed } from './refused.ts'
import { asciiText, decodeUtf8, isUtf8 } from './utf8.ts'

const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true })
const packr = new Packr({ useRecords: false, variableMapSize: true })

const SHORT_KEY_BYTES = 32

/** Bytes after the token, for tokens 0xc0 … 0xd3 whose value has a fixed width; -1 for what is refused, -2 for what the scan reads. */
const WIDTHS = [0, -1, 0, 0, -2, -2, -2, -1, -1, -1, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8] as const

/** The map that a msgpack payload stands for. 64-bit integers come as bigint, `bin` as views. Throws `malformed`. */
export function parseMsgpack(payload: Uint8Array): PlainMap {
  new Scanner(payload).scan()
  return unpackr.unpack(payload)
}

export function writeMsgpack(value: Plain): Uint8Array {
  return packr.pack(value)
}

class Scanner {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0
  #values = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  scan(): void {
    this.#value(0)
    if (this.#at !== this.#bytes.length) throw malformed('more than one msgpack value')
  }

  #value(level: number): void {
    if (++this.#values > ELEMENTS_MAX) throw malformed('too many values', undefined, ELEMENTS_MAX)
    this.#need(1)
    const token = this.#bytes[this.#at++] as number
    if (token < 0x80 || token >= 0xe0) return
    if (token < 0x90) this.#map(token & 0x0f, level)
    else if (token < 0xa0) this.#array(token & 0x0f, level)
    else if (token < 0xc0) this.#text(token & 0x1f)
    else if (token < 0xd4) this.#scalar(token)
    else if (token < 0xd9) throw malformed('a msgpack extension type')
    else if (token < 0xdc) this.#text(this.#length(token - 0xd9))
    else if (token < 0xde) this.#array(this.#length(token - 0xdc + 1), level)
    else this.#map(this.#length(token - 0xde + 1), level)
  }

  #scalar(token: number): void {
    const width = WIDTHS[token - 0xc0] as number
    if (width === -1) throw malformed('a msgpack extension type')
    this.#skip(width === -2 ? this.#length(token - 0xc4) : width)
  }

  #map(pairs: number, level: number): void {
    this.#nest(2 * pairs, level)
    const keys = new Set<string>()
    for (let i = 0; i < pairs; i++) {
      const key = this.#key()
      if (key === '__proto__') throw malformed('a key is __proto__')
      if (keys.has(key)) throw malformed('a key stands twice')
      keys.add(key)
      this.#value(level + 1)
    }
  }

  #array(count: number, level: number): void {
    this.#nest(count, level)
    for (let i = 0; i < count; i++) this.#value(level + 1)
  }

  #nest(values: number, level: number): void {
    if (level > DEPTH_MAX) throw malformed('nested too deep', undefined, DEPTH_MAX)
    if (values > this.#bytes.length - this.#at) throw malformed('a count beyond the payload')
  }

  #key(): string {
    this.#need(1)
    const token = this.#bytes[this.#at++] as number
    let length: number
    if (token >= 0xa0 && token < 0xc0) length = token & 0x1f
    else if (token >= 0xd9 && token < 0xdc) length = this.#length(token - 0xd9)
    else throw malformed('a key that is no string')
    const from = this.#at
    this.#text(length)
    // short ones of ASCII, as all of ours are, by the cheap way
    let ascii = length <= SHORT_KEY_BYTES
    for (let at = from; ascii && at < this.#at; at++) ascii = (this.#bytes[at] as number) < 0x80
    return ascii ? asciiText(this.#bytes, from, this.#at) : decodeUtf8(this.#bytes.subarray(from, this.#at))
  }

  #text(length: number): void {
    const from = this.#at
    this.#skip(length)
    if (!isUtf8(this.#bytes, from, this.#at)) throw malformed('ill-formed UTF-8')
  }

  /** A length of 1, 2 or 4 bytes. */
  #length(widthPower: number): number {
    const at = this.#at
    this.#skip(1 << widthPower)
    if (widthPower === 0) return this.#view.getUint8(at)
    return widthPower === 1 ? this.#view.getUint16(at) : this.#view.getUint32(at)
  }

  #skip(count: number): void {
    this.#need(count)
    this.#at += count
  }

  #need(count: number): void {
    if (count > this.#bytes.length - this.#at) throw malformed('msgpack that ends early')
  }
}
