/**
 * UUIDs as four words, and the version 8 UUIDs that say where a numbered chunk belongs (protocol, 3.2). Runs once per chunk, so nothing
 * here builds a string or a BigInt on the way from the wire's text to a place or back.
 */
import type { ChunkWords } from './messages.ts'

/** What a numbered chunk's UUID says. */
export interface ChunkPlace {
  /** 0 … 4095. */
  readonly file: number
  /** 0 … 2^48 - 1; may lie behind the end of the file. */
  readonly chunk: number
}

const CHUNK_END = 2 ** 48
const FILE_END = 2 ** 12
/** Value of a hexadecimal digit by its character code; -1 for every other character. */
const DIGIT = hexDigits()
const BYTE_TEXT = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** The four big-endian words of a UUID's text (8-4-4-4-12 hex, any case, version and variant); undefined where it is none. */
export function uuidToWords(text: string): ChunkWords | undefined {
  if (text.length !== 36) return undefined
  if (text.charCodeAt(8) !== 45 || text.charCodeAt(13) !== 45 || text.charCodeAt(18) !== 45 || text.charCodeAt(23) !== 45) return undefined
  const a = half(text, 0)
  const b = half(text, 4)
  const c = half(text, 9)
  const d = half(text, 14)
  const e = half(text, 19)
  const f = half(text, 24)
  const g = half(text, 28)
  const h = half(text, 32)
  if ((a | b | c | d | e | f | g | h) < 0) return undefined
  return [a * 0x10000 + b, c * 0x10000 + d, e * 0x10000 + f, g * 0x10000 + h]
}

/** The UUID's text, 36 characters, lower case. */
export function wordsToUuid(words: ChunkWords): string {
  const hex = uuidToHex(words)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** 32 hex digits, lower case: how the catalog keeps an opaque UUID. */
export function uuidToHex(words: ChunkWords): string {
  return wordToHex(words[0]) + wordToHex(words[1]) + wordToHex(words[2]) + wordToHex(words[3])
}

/** The 16 bytes of a UUID's text. Throws a RangeError where it is none: callers have validated it. */
export function uuidToBytes(text: string): Uint8Array {
  const words = uuidToWords(text)
  if (words === undefined) throw new RangeError('not a UUID')
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  for (const [index, word] of words.entries()) view.setUint32(index * 4, word)
  return bytes
}

/** Version 8 with the variant of RFC 9562: a numbered chunk; every other UUID is an opaque one. */
export function isVersion8(words: ChunkWords): boolean {
  return (words[1] & 0xf000) === 0x8000 && words[2] >>> 30 === 2
}

/** Chunk numbers of one transfer to UUIDs and back. */
export class ChunkIds {
  /** The last two words: the variant, then the first 62 bits of the digest. */
  readonly #word2: number
  readonly #word3: number

  /** @param fidDigest SHA-256 over the 16 bytes of the fid */
  constructor(fidDigest: Uint8Array) {
    if (fidDigest.length < 8) throw new RangeError('a digest of the fid has 32 bytes')
    const view = new DataView(fidDigest.buffer, fidDigest.byteOffset)
    const high = view.getUint32(0)
    const low = view.getUint32(4)
    this.#word2 = (0x80000000 | high >>> 2) >>> 0
    this.#word3 = (high << 30 | low >>> 2) >>> 0
  }

  /** The UUID of a place. A file number over 4095 or a chunk number of over 48 bits is our own mistake: RangeError. */
  encode(file: number, chunk: number): ChunkWords {
    if (!(Number.isInteger(file) && file >= 0 && file < FILE_END && Number.isInteger(chunk) && chunk >= 0 && chunk < CHUNK_END)) {
      throw new RangeError(`no chunk has the number ${file}/${chunk}`)
    }
    const high = Math.floor(chunk / 0x10000)
    const low = chunk - high * 0x10000
    return [high, (low << 16 | 0x8000 | file) >>> 0, this.#word2, this.#word3]
  }

  /** What the last 32 bits of all of the transfer's UUIDs are: finds a transfer among many. */
  get key(): number {
    return this.#word3
  }

  /** Whether these are the ids of the same transfer. */
  isSame(other: ChunkIds): boolean {
    return this.#word3 === other.#word3 && this.#word2 === other.#word2
  }

  /** The place that a UUID names in this transfer; undefined where it is not of version 8 or belongs to another transfer. */
  decode(words: ChunkWords): ChunkPlace | undefined {
    if (words[3] !== this.#word3 || words[2] !== this.#word2 || (words[1] & 0xf000) !== 0x8000) return undefined
    return { file: words[1] & 0xfff, chunk: words[0] * 0x10000 + (words[1] >>> 16) }
  }
}

/** Four hex digits from `at` on as a number; negative where one is none. */
function half(text: string, at: number): number {
  return digit(text, at) << 12 | digit(text, at + 1) << 8 | digit(text, at + 2) << 4 | digit(text, at + 3)
}

function digit(text: string, at: number): number {
  const code = text.charCodeAt(at)
  return code < 128 ? DIGIT[code] as number : -1
}

function wordToHex(word: number): string {
  return `${BYTE_TEXT[word >>> 24]}${BYTE_TEXT[word >>> 16 & 255]}${BYTE_TEXT[word >>> 8 & 255]}${BYTE_TEXT[word & 255]}`
}

function hexDigits(): Int8Array {
  const digits = new Int8Array(128).fill(-1)
  for (const [value, character] of [...'0123456789abcdef'].entries()) {
    digits[character.charCodeAt(0)] = value
    digits[character.toUpperCase().charCodeAt(0)] = value
  }
  return digits
}
