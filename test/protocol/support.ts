/**
 * What the protocol's tests share: frames out of hex, refusals as values, and payload builders that share no code with our encoder.
 */
import { type Decoded, decodeMessage, type FrameDecoder, TallyError } from '../../protocol/index.ts'

export interface Frame {
  readonly type: number | string
  readonly payload: string
}

export const ID = 'f81d4fae-7dec-41d0-a765-00a0c91e6bf6'
export const FID = '6ba7b810-9dad-41d1-80b4-00c04fd430c8'
export const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}`

/** Pushes the pieces in turn; payloads as hex. */
export function framesOf(decoder: FrameDecoder, ...pieces: Uint8Array[]): Frame[] {
  const frames: Frame[] = []
  for (const piece of pieces) decoder.push(piece, (type, payload) => frames.push({ type, payload: Buffer.from(payload).toString('hex') }))
  return frames
}

export function hex(...parts: string[]): Uint8Array {
  return new Uint8Array(Buffer.from(parts.join('').replaceAll(/\s/g, ''), 'hex'))
}

export function utf8(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text))
}

export function json(fields: unknown): Uint8Array {
  return utf8(JSON.stringify(fields))
}

/** The TallyError that `run` throws; anything else is a failure of the test. */
export function refusal(run: () => unknown): TallyError {
  try {
    run()
  } catch (error) {
    if (error instanceof TallyError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

export function decodeJson(type: number, fields: Record<string, unknown>): Decoded {
  return decodeMessage(type, json({ 'message-id': ID, ...fields }))
}

export function refusalOf(type: number, fields: Record<string, unknown>): TallyError {
  return refusal(() => decodeJson(type, fields))
}

/** msgpack by the book, smallest forms first; `wide` takes the widest form of everything. */
export function msgpack(value: unknown, wide = false): Buffer {
  if (value === null) return Buffer.of(0xc0)
  if (typeof value === 'boolean') return Buffer.of(value ? 0xc3 : 0xc2)
  if (typeof value === 'bigint') {
    const out = Buffer.alloc(9, value < 0 ? 0xd3 : 0xcf)
    if (value < 0) out.writeBigInt64BE(value, 1)
    else out.writeBigUInt64BE(value, 1)
    return out
  }
  if (typeof value === 'number') {
    if (Number.isInteger(value) && value >= 0 && value < 128 && !wide) return Buffer.of(value)
    if (Number.isSafeInteger(value)) return msgpack(BigInt(value))
    const out = Buffer.alloc(9, 0xcb)
    out.writeDoubleBE(value, 1)
    return out
  }
  if (typeof value === 'string') return Buffer.concat([head(Buffer.byteLength(value), 0xa0, 32, 0xd9, wide), Buffer.from(value)])
  if (value instanceof Uint8Array) return Buffer.concat([head(value.length, 0, 0, 0xc4, wide), value])
  if (Array.isArray(value)) return Buffer.concat([head(value.length, 0x90, 16, 0xdb, wide), ...value.map(item => msgpack(item, wide))])
  const entries = Object.entries(value as object)
  const parts = entries.flatMap(([key, item]) => [msgpack(key, wide), msgpack(item, wide)])
  return Buffer.concat([head(entries.length, 0x80, 16, 0xdd, wide), ...parts])
}

/**
 * `base` + length where that is below `fixed`; else `token` with 1, token + 1 with 2, token + 2 with 4 bytes (arrays and maps from 2 on).
 */
function head(length: number, base: number, fixed: number, token: number, wide: boolean): Buffer {
  if (length < fixed && !wide) return Buffer.of(base + length)
  const narrow = token === 0xc4 || token === 0xd9
  if (narrow && length < 0x100 && !wide) return Buffer.of(token, length)
  if (length < 0x10000 && !wide) return Buffer.of(token + 1, length >> 8, length & 255)
  const out = Buffer.alloc(5, token + 2)
  out.writeUInt32BE(length, 1)
  return out
}
