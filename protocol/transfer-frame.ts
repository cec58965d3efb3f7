/**
 * The one shape that nearly every TRANSFER and every Ok has, read and written without building values in between. What has another
 * shape is left to the general path (codec.ts), which gives the same results.
 */
import { type BinaryFraming, type Framing, frameBytes, writeHeader, writeTrailer } from './frame.ts'
import { type ChunkWords, type Encoding, MESSAGE_TYPE, type Transfer } from './messages.ts'
import { takeBytes } from './slab.ts'
import { encodeUtf8 } from './utf8.ts'

const UUID_BYTES = 36
const HEX_DIGITS = encodeUtf8('0123456789abcdef')
/** Beyond what four digits make, also when it is shifted to the place of the first of them. */
const NO_DIGIT = 0x10000
const DASH = 0x2d
/** The value of a hexadecimal digit, and NO_DIGIT for others. */
const VALUES = new Uint32Array(256).fill(NO_DIGIT)
for (let value = 0; value < 16; value++) {
  VALUES[HEX_DIGITS[value] as number] = value
  if (value > 9) VALUES[(HEX_DIGITS[value] as number) - 0x20] = value
}

// msgpack: a fixed string is its length (a0 +) and its bytes, a UUID is d9 24 and 36 bytes
const MESSAGE_ID_KEY = [0xaa, ...encodeUtf8('message-id')]
const CHUNK_KEY = [0xa5, ...encodeUtf8('chunk')]
const FETCH_KEY = [0xa5, ...encodeUtf8('fetch')]
const DATA_KEY = [0xa4, ...encodeUtf8('data')]
const OK = [0xa8, ...encodeUtf8('response'), 0xa2, ...encodeUtf8('Ok')]
const UUID_HEAD = [0xd9, UUID_BYTES]
/** How many fields a TRANSFER has without `fetch`, and the tokens of such maps. */
const FIELDS = 3
const MAP = 0x80
const TRANSFER_START = Uint8Array.of(...MESSAGE_ID_KEY, ...UUID_HEAD)
const TRANSFER_CHUNK = Uint8Array.of(...CHUNK_KEY, ...UUID_HEAD)
const TRANSFER_DATA = Uint8Array.of(...DATA_KEY)
const TRANSFER_FETCH = Uint8Array.of(...FETCH_KEY, ...UUID_HEAD)
const TRANSFER_FIXED_BYTES = 1 + TRANSFER_START.length + UUID_BYTES + TRANSFER_CHUNK.length + UUID_BYTES + TRANSFER_DATA.length

/** A plain Ok, with room for the message-id. */
const OK_PAYLOADS = {
  msgpack: { payload: Uint8Array.of(0x82, ...MESSAGE_ID_KEY, ...UUID_HEAD, ...new Uint8Array(UUID_BYTES), ...OK), idAt: 1 + TRANSFER_START.length },
  json: { payload: encodeUtf8(`{"message-id":"${' '.repeat(UUID_BYTES)}","response":"Ok"}`), idAt: '{"message-id":"'.length },
} as const

/**
 * A TRANSFER of a usual shape, a msgpack map of message-id, chunk, data and perhaps fetch in any order; undefined for every other
 * payload.
 */
export function decodeTransfer(payload: Uint8Array): Transfer | undefined {
  const count = (payload[0] ?? 0) - MAP
  if (count !== FIELDS && count !== FIELDS + 1) return undefined
  let at = 1
  let messageId: string | undefined
  let chunk: ChunkWords | undefined
  let data: Uint8Array | undefined
  let fetch: string | undefined
  for (let i = 0; i < count; i++) {
    const token = payload[at]
    if (token === 0xaa) {
      if (!matches(payload, at, MESSAGE_ID_KEY)) return undefined
      at += MESSAGE_ID_KEY.length + 2
      if (!isUuidText(payload, at)) return undefined
      messageId = readUuidText(payload, at)
      at += UUID_BYTES
    } else if (token === 0xa5 && matches(payload, at, CHUNK_KEY)) {
      at += CHUNK_KEY.length + 2
      chunk = readWords(payload, at)
      at += UUID_BYTES
    } else if (token === 0xa5 && matches(payload, at, FETCH_KEY)) {
      at += FETCH_KEY.length + 2
      if (!isUuidText(payload, at)) return undefined
      fetch = readUuidText(payload, at)
      at += UUID_BYTES
    } else if (token === 0xa4) {
      if (!matches(payload, at, DATA_KEY)) return undefined
      at += DATA_KEY.length
      const lengthBytes = binLengthBytes(payload[at])
      const from = at + 1 + lengthBytes
      at = from + readLength(payload, at + 1, lengthBytes)
      if (lengthBytes === 0 || at > payload.length) return undefined
      data = payload.subarray(from, at)
    } else return undefined
  }
  if (messageId === undefined || chunk === undefined || data === undefined || at !== payload.length) return undefined
  if (count === FIELDS) return { type: MESSAGE_TYPE.TRANSFER, messageId, chunk, data }
  return fetch === undefined ? undefined : { type: MESSAGE_TYPE.TRANSFER, messageId, chunk, data, fetch }
}

/** A whole frame with a TRANSFER in msgpack. Both ids are a UUID's 36 characters. Throws `message-too-large`. */
export function encodeTransferFrame(
  framing: BinaryFraming, messageId: string, chunk: ChunkWords, data: Uint8Array, fetch?: string,
): Uint8Array {
  const frame = takeBytes(transferFrameBytes(framing, data.length, fetch))
  writeTransferFrame(frame, 0, framing, messageId, chunk, data, fetch)
  return frame
}

/** Writes such a frame at `at`, where there are `transferFrameBytes` of room. */
export function writeTransferFrame(
  into: Uint8Array, at: number, framing: BinaryFraming, messageId: string, chunk: ChunkWords, data: Uint8Array, fetch?: string,
): void {
  into.set(data, putHead(into, at, framing, messageId, chunk, data.length, fetch))
}

/** Such a frame without its data, which stands at its end and so can be sent from where it is. Throws `message-too-large`. */
export function encodeTransferHead(
  framing: BinaryFraming, messageId: string, chunk: ChunkWords, dataBytes: number, fetch?: string,
): Uint8Array {
  const head = takeBytes(transferFrameBytes(framing, dataBytes, fetch) - dataBytes)
  putHead(head, 0, framing, messageId, chunk, dataBytes, fetch)
  return head
}

/** One buffer with a plain Ok for each message-id, in order; each is a UUID's 36 characters. Framing N has JSON only. */
export function encodeOkFrames(framing: Framing, encoding: Encoding, messageIds: readonly string[]): Uint8Array {
  const { payload, idAt } = OK_PAYLOADS[encoding]
  const eachBytes = frameBytes(framing, MESSAGE_TYPE.RESPONSE, payload.length)
  const frames = takeBytes(messageIds.length * eachBytes)
  if (frames.length === 0) return frames
  // One is written, and copied for the others.
  const payloadAt = writeHeader(frames, 0, framing, MESSAGE_TYPE.RESPONSE, payload.length)
  frames.set(payload, payloadAt)
  writeTrailer(frames, payloadAt + payload.length, framing)
  for (let doneBytes = eachBytes; doneBytes < frames.length; doneBytes *= 2) frames.copyWithin(doneBytes, 0, doneBytes)
  let at = payloadAt + idAt
  for (const messageId of messageIds) {
    putText(frames, at, messageId)
    at += eachBytes
  }
  return frames
}

/** How long such a frame is. Throws `message-too-large`. */
export function transferFrameBytes(framing: BinaryFraming, dataBytes: number, fetch?: string): number {
  return frameBytes(framing, MESSAGE_TYPE.TRANSFER, transferBytes(dataBytes, fetch))
}

/** How long the payload is. */
function transferBytes(dataBytes: number, fetch: string | undefined): number {
  const fetchBytes = fetch === undefined ? 0 : TRANSFER_FETCH.length + UUID_BYTES
  return TRANSFER_FIXED_BYTES + fetchBytes + 1 + lengthBytesOf(dataBytes) + dataBytes
}

/** How many bytes the length of so much data takes. */
function lengthBytesOf(dataBytes: number): 1 | 2 | 4 {
  return dataBytes < 0x100 ? 1 : dataBytes < 0x10000 ? 2 : 4
}

/** Writes everything up to the data at `from`, and returns where that begins. */
function putHead(
  into: Uint8Array, from: number, framing: BinaryFraming, messageId: string, chunk: ChunkWords, dataBytes: number, fetch: string | undefined,
): number {
  let at = writeHeader(into, from, framing, MESSAGE_TYPE.TRANSFER, transferBytes(dataBytes, fetch))
  into[at++] = MAP + FIELDS + (fetch === undefined ? 0 : 1)
  at = put(into, at, TRANSFER_START)
  at = putText(into, at, messageId)
  at = put(into, at, TRANSFER_CHUNK)
  at = putWords(into, at, chunk)
  if (fetch !== undefined) {
    at = put(into, at, TRANSFER_FETCH)
    at = putText(into, at, fetch)
  }
  at = put(into, at, TRANSFER_DATA)
  const lengthBytes = lengthBytesOf(dataBytes)
  into[at++] = 0xc4 + (lengthBytes >> 1)
  for (let shift = 8 * (lengthBytes - 1); shift >= 0; shift -= 8) into[at++] = dataBytes >>> shift
  return at
}

function matches(payload: Uint8Array, at: number, key: readonly number[]): boolean {
  for (let i = 1; i < key.length; i++) if (payload[at + i] !== key[i]) return false
  return true
}

/** The words of the str8 whose 36 characters begin at `at`; undefined where there is none, or no UUID. */
function readWords(b: Uint8Array, at: number): ChunkWords | undefined {
  if (!hasDashes(b, at)) return undefined
  const h0 = half(b, at)
  const h1 = half(b, at + 4)
  const h2 = half(b, at + 9)
  const h3 = half(b, at + 14)
  const h4 = half(b, at + 19)
  const h5 = half(b, at + 24)
  const h6 = half(b, at + 28)
  const h7 = half(b, at + 32)
  if ((h0 | h1 | h2 | h3 | h4 | h5 | h6 | h7) >= NO_DIGIT) return undefined
  return [(h0 << 16 | h1) >>> 0, (h2 << 16 | h3) >>> 0, (h4 << 16 | h5) >>> 0, (h6 << 16 | h7) >>> 0]
}

/** Whether a str8 whose 36 characters begin at `at` is a UUID. */
function isUuidText(b: Uint8Array, at: number): boolean {
  return hasDashes(b, at) && (half(b, at) | half(b, at + 4) | half(b, at + 9) | half(b, at + 14)
    | half(b, at + 19) | half(b, at + 24) | half(b, at + 28) | half(b, at + 32)) < NO_DIGIT
}

/** Whether there is a str8 of 36 characters with the dashes of a UUID. */
function hasDashes(b: Uint8Array, at: number): boolean {
  return at + UUID_BYTES <= b.length && b[at - 2] === 0xd9 && b[at - 1] === UUID_BYTES
    && b[at + 8] === DASH && b[at + 13] === DASH && b[at + 18] === DASH && b[at + 23] === DASH
}

/** Four digits; NO_DIGIT or more where one is none. */
function half(b: Uint8Array, at: number): number {
  return (VALUES[b[at] as number] as number) << 12 | (VALUES[b[at + 1] as number] as number) << 8
    | (VALUES[b[at + 2] as number] as number) << 4 | (VALUES[b[at + 3] as number] as number)
}

/** 36 characters in one call with all of them named: half the time of `apply`, a quarter of a TextDecoder's. */
function readUuidText(b: Uint8Array, at: number): string {
  return String.fromCharCode(
    b[at] as number, b[at + 1] as number, b[at + 2] as number, b[at + 3] as number, b[at + 4] as number, b[at + 5] as number,
    b[at + 6] as number, b[at + 7] as number, b[at + 8] as number, b[at + 9] as number, b[at + 10] as number, b[at + 11] as number,
    b[at + 12] as number, b[at + 13] as number, b[at + 14] as number, b[at + 15] as number, b[at + 16] as number, b[at + 17] as number,
    b[at + 18] as number, b[at + 19] as number, b[at + 20] as number, b[at + 21] as number, b[at + 22] as number, b[at + 23] as number,
    b[at + 24] as number, b[at + 25] as number, b[at + 26] as number, b[at + 27] as number, b[at + 28] as number, b[at + 29] as number,
    b[at + 30] as number, b[at + 31] as number, b[at + 32] as number, b[at + 33] as number, b[at + 34] as number, b[at + 35] as number)
}

/** How many bytes a bin's length has; 0 for what is no bin. */
function binLengthBytes(token: number | undefined): number {
  return token === 0xc5 ? 2 : token === 0xc4 ? 1 : token === 0xc6 ? 4 : 0
}

/** Bytes that are not there make a length that no payload has. */
function readLength(b: Uint8Array, at: number, count: number): number {
  let length = 0
  for (let i = 0; i < count; i++) length = length * 256 + (b[at + i] ?? Number.POSITIVE_INFINITY)
  return length
}

function put(into: Uint8Array, at: number, bytes: Uint8Array): number {
  for (let i = 0; i < bytes.length; i++) into[at + i] = bytes[i] as number
  return at + bytes.length
}

function putText(into: Uint8Array, at: number, text: string): number {
  for (let i = 0; i < UUID_BYTES; i++) into[at + i] = text.charCodeAt(i)
  return at + UUID_BYTES
}

function putWords(into: Uint8Array, at: number, words: ChunkWords): number {
  let next = putHalf(into, at, words[0] >>> 16)
  next = putHalf(into, next, words[0])
  into[next++] = DASH
  next = putHalf(into, next, words[1] >>> 16)
  into[next++] = DASH
  next = putHalf(into, next, words[1])
  into[next++] = DASH
  next = putHalf(into, next, words[2] >>> 16)
  into[next++] = DASH
  next = putHalf(into, next, words[2])
  next = putHalf(into, next, words[3] >>> 16)
  return putHalf(into, next, words[3])
}

function putHalf(into: Uint8Array, at: number, half: number): number {
  into[at] = HEX_DIGITS[(half >> 12) & 15] as number
  into[at + 1] = HEX_DIGITS[(half >> 8) & 15] as number
  into[at + 2] = HEX_DIGITS[(half >> 4) & 15] as number
  into[at + 3] = HEX_DIGITS[half & 15] as number
  return at + 4
}
