/**
 * The vectors of an independent encoder: every frame decodes to the message that stands beside it, survives our encoder, and every
 * refusal has its code.
 */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { decodeMessage, encodeFrame, encodeMessage, type Framing, FrameDecoder, TallyError } from '../../protocol/index.ts'
import { toPlain } from '../../protocol/encode.ts'

interface FrameVector {
  name: string
  framing: string
  encoding: string
  type: number
  message: Record<string, unknown>
  hex: string
}
interface RefusalVector {
  why: string
  code: string
  framing: string
  type: number
  hex: string
}
const vectors: { frames: FrameVector[]; refusals: RefusalVector[] } = JSON.parse(
  readFileSync(new URL('golden/vectors.json', import.meta.url), 'utf8'),
)

function frames(bytes: Uint8Array): { decoder: FrameDecoder; found: { type: number | string; payload: Uint8Array }[] } {
  const decoder = new FrameDecoder()
  const found: { type: number | string; payload: Uint8Array }[] = []
  decoder.push(bytes, (type, payload) => found.push({ type, payload }))
  return { decoder, found }
}

/** {"base64": …} stands for bytes; our answers fill in what an absent field means. */
function expected(message: Record<string, unknown>): unknown {
  const copy: Record<string, unknown> = { ...message }
  const data = copy.data as { base64: string } | undefined
  if (data !== undefined) copy.data = new Uint8Array(Buffer.from(data.base64, 'base64'))
  if (typeof copy.chunk === 'string') copy.chunk = copy.chunk.toLowerCase()
  return copy
}

function plainOf(message: Parameters<typeof toPlain>[0]): unknown {
  const map: Record<string, unknown> = { ...toPlain(message) }
  if (map.data instanceof Uint8Array) map.data = new Uint8Array(map.data)
  return map
}

function refusal(run: () => unknown): TallyError {
  try {
    run()
  } catch (error) {
    if (error instanceof TallyError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

for (const vector of vectors.frames) {
  const bytes = Buffer.from(vector.hex, 'hex')
  const title = `${vector.name}, ${vector.framing}, ${vector.encoding}`
  t.test(`decodes ${title}`, async t => {
    const { decoder, found } = frames(bytes)
    t.equal(decoder.framing, vector.framing)
    t.equal(found.length, 1)
    const payload = found[0]?.payload ?? new Uint8Array(0)
    t.equal(found[0]?.type, vector.type)
    const { message, encoding } = decodeMessage(vector.type, payload)
    t.equal(encoding, vector.encoding.startsWith('JSON') ? 'json' : 'msgpack')
    const plain = plainOf(message)
    t.strictSame(plain, vector.type === 4 ? { limit: 100, ...(expected(vector.message) as object) } : expected(vector.message))
    const options = { data: vector.encoding.endsWith('array') ? 'array' : 'base64' } as const
    const again = encodeFrame(vector.framing as Framing, message.type, encodeMessage(message, encoding, options))
    const back = frames(again).found[0]
    t.strictSame(plainOf(decodeMessage(vector.type, back?.payload ?? new Uint8Array(0)).message), plain)
  })
}

for (const vector of vectors.refusals) {
  t.test(`refuses ${vector.why}`, async t => {
    const error = refusal(() => {
      for (const { type, payload } of frames(Buffer.from(vector.hex, 'hex')).found) decodeMessage(type, payload)
    })
    t.equal(error.code, vector.code)
  })
}
