/**
 * Payloads to messages and back: the one door between bytes and values for both sides. A refusal says, where that can be told, which
 * message it is about and in which encoding.
 */
import { base64Length, writeBase64 } from './base64.ts'
import { wordsToUuid } from './chunk-id.ts'
import { toPlain } from './encode.ts'
import { TallyError } from './errors.ts'
import { isUuid } from './fields.ts'
import { type Encoding, MESSAGE_TYPE, type Message, type Transfer } from './messages.ts'
import { writeMsgpack } from './msgpack.ts'
import { decodePayload, encodingOf, type Plain, type PlainMap } from './payload.ts'
import { RefusedMessage } from './refused.ts'
import { takeBytes } from './slab.ts'
import type { FrameType } from './text-frame.ts'
import { decodeTransfer } from './transfer-frame.ts'
import { encodeUtf8 } from './utf8.ts'
import { usesExt, validate } from './validate.ts'

export interface Decoded {
  readonly message: Message
  /** The answer has the same. */
  readonly encoding: Encoding
  /** Anything that the original protocol has not: only then may the peer get frames over 64 KiB and what it did not ask for. */
  readonly usesExt: boolean
}

/** The message in a frame's payload. TRANSFER's data may be a view on it. Throws `RefusedMessage`. */
export function decodeMessage(type: FrameType, payload: Uint8Array): Decoded {
  if (type === MESSAGE_TYPE.TRANSFER) {
    const message = decodeTransfer(payload)
    if (message !== undefined) return { message, encoding: 'msgpack', usesExt: message.fetch !== undefined }
  }
  let told: { messageId: string; encoding: Encoding } | undefined
  try {
    const encoding = encodingOf(payload)
    const { map, base64, refused } = decodePayload(payload, encoding, type === MESSAGE_TYPE.TRANSFER)
    const messageId = map['message-id']
    if (isUuid(messageId)) told = { messageId, encoding }
    if (refused !== undefined) throw refused
    const message = validate(type, map)
    return { message, encoding, usesExt: base64 || usesExt(type, map) }
  } catch (error) {
    // what is no refusal is a bug of ours and stays what it is
    if (error instanceof TallyError) throw new RefusedMessage(error.code, error.message, error.details, told)
    throw error
  }
}

/** A message as a payload. `data` is the form of a TRANSFER's data in JSON; absent: base64. */
export function encodeMessage(message: Message, encoding: Encoding, options: { data?: 'base64' | 'array' } = {}): Uint8Array {
  if (encoding === 'msgpack') return writeMsgpack(toPlain(message))
  if (message.type === MESSAGE_TYPE.TRANSFER && options.data !== 'array') return base64Transfer(message)
  return encodeUtf8(JSON.stringify(forJson(toPlain(message))))
}

/** The data goes straight into the payload, without a string of its own. UUIDs and numbers need no escapes. */
function base64Transfer(message: Transfer): Uint8Array {
  const head = encodeUtf8(`{"message-id":"${message.messageId}","chunk":"${wordsToUuid(message.chunk)}","data":"`)
  const crc32 = message.crc32 === undefined ? '' : `,"crc32":${message.crc32}`
  const fetch = message.fetch === undefined ? '' : `,"fetch":"${message.fetch}"`
  const tail = encodeUtf8(`"${crc32}${fetch}}`)
  const payload = takeBytes(head.length + base64Length(message.data.length) + tail.length)
  payload.set(head)
  payload.set(tail, writeBase64(message.data, payload, head.length))
  return payload
}

/** Bytes become arrays of numbers, as the original has them. */
function forJson(value: Plain): unknown {
  if (value instanceof Uint8Array) return Array.from(value)
  if (Array.isArray(value)) return value.map(forJson)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value as PlainMap).map(([key, item]) => [key, forJson(item)]))
}
