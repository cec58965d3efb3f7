/**
 * A second, independent encoder and decoder of the wire for tests: framings A, B and N, JSON (both forms of `data`) and msgpack,
 * numbered chunk ids. It shares no code with `protocol/`, checks nothing, and will encode whatever a test wants to send.
 */
import { createHash } from 'node:crypto'
import { Packr, Unpackr } from 'msgpackr'

export type Framing = 'A' | 'B' | 'N'
export type Payload = 'json-array' | 'json-base64' | 'msgpack'
export type Fields = Readonly<Record<string, unknown>>

export const TYPE = { authentication: 1, response: 2, transfer: 3, find: 4, fetch: 5, tag: 6, remove: 7, watch: 8, event: 9, status: 16, why: 17,
  settings: 18 } as const

export interface Frame {
  readonly type: number
  readonly payload: Buffer
}

const packr = new Packr({ useRecords: false, variableMapSize: true })
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' })

/** One whole frame around a payload. In framing N the type is a name where it has one. */
export function frame(framing: Framing, type: number, payload: Uint8Array): Buffer {
  if (framing === 'N') {
    const name = Object.entries(TYPE).find(([, number]) => number === type)?.[0].toUpperCase() ?? type
    return Buffer.concat([Buffer.from(`{"type": ${JSON.stringify(name)}, "data": `), payload, Buffer.from('}\f')])
  }
  const header = Buffer.alloc(framing === 'A' ? 6 : 5)
  if (framing === 'A') {
    header[0] = 2
    header.writeUInt32BE(payload.length, 1)
    header[5] = type
  } else {
    header.writeUInt32BE(payload.length + 1, 0)
    header[4] = type
  }
  return Buffer.concat([header, payload])
}

/** One whole frame around a map; a Uint8Array in it is written in the form that the payload asks for. */
export function message(framing: Framing, payload: Payload, type: number, fields: Fields): Buffer {
  return frame(framing, type, encode(payload, fields))
}

export function encode(payload: Payload, fields: Fields): Buffer {
  if (payload === 'msgpack') return packr.pack(fields)
  // Buffer has a toJSON of its own, which runs before a replacer: so bytes are replaced one level up.
  return Buffer.from(JSON.stringify(fields, (_key, value: unknown) => isMapWithBytes(value) ? withoutBytes(value, payload) : value))
}

function isMapWithBytes(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.values(value).some(v => v instanceof Uint8Array)
}

function withoutBytes(map: Record<string, unknown>, payload: Payload): Record<string, unknown> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => {
    if (!(value instanceof Uint8Array)) return [key, value]
    return [key, payload === 'json-array' ? [...value] : Buffer.from(value).toString('base64')]
  }))
}

/** A payload as a map. In JSON a string in `data` is base64; the map's `data` is always bytes. */
export function decode(payload: Buffer): Record<string, unknown> {
  if (payload[0] !== 0x7b) return unpackr.unpack(payload) as Record<string, unknown>
  const fields = JSON.parse(payload.toString('utf8')) as Record<string, unknown>
  if (typeof fields['data'] === 'string') fields['data'] = Buffer.from(fields['data'], 'base64')
  return fields
}

/** Cuts a stream into frames. The list that `push` gives holds copies. */
export class FrameReader {
  readonly framing: Framing
  #rest: Buffer = Buffer.alloc(0)

  constructor(framing: Framing) {
    this.framing = framing
  }

  push(bytes: Buffer): Frame[] {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    const frames: Frame[] = []
    let at = 0
    if (this.framing === 'N') {
      for (let end = all.indexOf('\f'); end >= 0; end = all.indexOf('\f', at)) {
        const { type, data } = JSON.parse(all.toString('utf8', at, end)) as { type: string; data: unknown }
        frames.push({ type: TYPE[type.toLowerCase() as keyof typeof TYPE], payload: Buffer.from(JSON.stringify(data)) })
        at = end + 1
      }
      this.#rest = Buffer.from(all.subarray(at))
      return frames
    }
    for (;;) {
      const headerBytes = this.framing === 'A' ? 6 : 5
      if (all.length - at < headerBytes) break
      const length = this.framing === 'A' ? all.readUInt32BE(at + 1) : all.readUInt32BE(at) - 1
      if (all.length - at < headerBytes + length) break
      if (this.framing === 'A' && all[at] !== 2) throw new Error(`a frame of type ${all[at]} from the daemon`)
      const payload = Buffer.from(all.subarray(at + headerBytes, at + headerBytes + length))
      frames.push({ type: all[at + headerBytes - 1] as number, payload })
      at += headerBytes + length
    }
    this.#rest = Buffer.from(all.subarray(at))
    return frames
  }
}

/** The id of a numbered chunk (protocol, 3.2), by arithmetic on a 128-bit integer. */
export function numberedChunk(fid: string, file: number, chunk: number): string {
  const digest = createHash('sha256').update(Buffer.from(fid.replaceAll('-', ''), 'hex')).digest('hex')
  const tail = BigInt(`0x${digest.slice(0, 16)}`) >> 2n
  const value = (BigInt(chunk) << 80n) | (8n << 76n) | (BigInt(file) << 64n) | (2n << 62n) | tail
  const hex = value.toString(16).padStart(32, '0')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

/** File and chunk number of a numbered chunk's id. */
export function placeOf(uuid: string): { file: number; chunk: number } {
  const hex = uuid.replaceAll('-', '')
  return { chunk: Number.parseInt(hex.slice(0, 12), 16), file: Number.parseInt(hex.slice(13, 16), 16) }
}
