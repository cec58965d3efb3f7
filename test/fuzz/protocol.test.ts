/**
 * Random frames and payloads against the decoder: whatever comes, the only thing thrown is a TallyError, memory held stays bounded, and
 * the next good frame is understood. `TALLY_TEST_FUZZ_COUNT` (default 20,000) payloads, `TALLY_TEST_FUZZ_SEED` to replay; the seed is printed.
 */
import { readFileSync } from 'node:fs'
import t from 'tap'
import {
  decodeMessage,
  encodeFrame,
  encodeMessage,
  FRAME_BYTES_MAX,
  FrameDecoder,
  isErrorCode,
  RefusedMessage,
  TallyError,
} from '../../protocol/index.ts'
import { GOLDEN } from '../protocol/golden/frames.ts'

const seed = Number(process.env.TALLY_TEST_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31))
const count = Number(process.env.TALLY_TEST_FUZZ_COUNT ?? 20_000)
t.comment(`TALLY_TEST_FUZZ_SEED=${seed} TALLY_TEST_FUZZ_COUNT=${count}`)

/** mulberry32: a small generator with 32 bits of state. */
function generator(state: number): (below: number) => number {
  let a = state
  return below => {
    a = (a + 0x6d2b79f5) | 0
    let z = Math.imul(a ^ (a >>> 15), a | 1)
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61)
    return ((z ^ (z >>> 14)) >>> 0) % below
  }
}

const vectors: { frames: { framing: string; hex: string }[]; refusals: { hex: string }[] } = JSON.parse(
  readFileSync(new URL('../protocol/golden/vectors.json', import.meta.url), 'utf8'),
)
const whole = [
  ...GOLDEN.map(frame => frame.bytes),
  ...vectors.frames.map(frame => bytesOf(frame.hex)),
  ...vectors.refusals.map(frame => bytesOf(frame.hex)),
]
const payloads = whole.map(frame => {
  if (frame[0] === 0x7b) return { type: 1, payload: frame.subarray(frame.indexOf(0x7b, 1), -2) }
  return { type: frame[frame[0] === 2 ? 5 : 4] ?? 1, payload: frame.subarray(frame[0] === 2 ? 6 : 5) }
})
/** Bytes that mean something to one of the parsers. */
const SPICE = [
  0x00, 0x0c, 0x22, 0x2c, 0x3a, 0x5b, 0x5c, 0x5d, 0x7b, 0x7d, 0x80, 0x8f, 0x90, 0xa0, 0xc0, 0xc1, 0xc4, 0xc6, 0xc7, 0xcb, 0xcf, 0xd4, 0xd8, 0xd9,
  0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xed, 0xff,
]

function bytesOf(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'))
}

function mutated(bytes: Uint8Array, next: (below: number) => number): Uint8Array {
  let out = Array.from(bytes)
  for (let changes = next(5); changes > 0; changes--) {
    const at = next(out.length + 1)
    switch (next(7)) {
      case 0:
        out[at] = next(256)
        break
      case 1:
        out[at] = SPICE[next(SPICE.length)] as number
        break
      case 2:
        out.splice(at, 0, SPICE[next(SPICE.length)] as number)
        break
      case 3:
        out.splice(at, 1 + next(8))
        break
      case 4:
        out = out.slice(0, at)
        break
      case 5:
        out.splice(at, 0, ...out.slice(next(out.length + 1), next(out.length + 1)))
        break
      default: {
        const other = whole[next(whole.length)] as Uint8Array
        out.splice(at, next(20), ...other.subarray(0, next(other.length + 1)))
      }
    }
    if (out.length > 4000) out.length = 4000
  }
  return Uint8Array.from(out, byte => byte ?? 0)
}

t.test('random payloads are messages or refusals, never anything else', async t => {
  const next = generator(seed)
  let accepted = 0
  let refused = 0
  for (let i = 0; i < count; i++) {
    const base = payloads[next(payloads.length)] as (typeof payloads)[0]
    const payload = next(20) === 0 ? Uint8Array.from({ length: next(200) }, () => next(256)) : mutated(base.payload, next)
    const type = next(10) === 0 ? next(256) : base.type
    try {
      const { message, encoding } = decodeMessage(type, payload)
      accepted++
      // what was accepted can be said again and is accepted again
      decodeMessage(message.type, encodeMessage(message, encoding))
    } catch (error) {
      if (!(error instanceof RefusedMessage) || !isErrorCode(error.code) || error.fatal) {
        t.fail(`payload ${i} of seed ${seed}, type ${type}: ${error}`, { payload: Buffer.from(payload).toString('hex') })
        return
      }
      refused++
    }
  }
  t.comment(`${accepted} accepted, ${refused} refused`)
  t.ok(accepted > 0 && refused > accepted / 10, 'both kinds occur')
})

t.test('random streams end in a fatal refusal or in frames, and hold a bounded memory', async t => {
  const next = generator(seed ^ 0x5eed)
  const good = (GOLDEN[0] as (typeof GOLDEN)[0]).bytes
  let fatal = 0
  for (let i = 0; i < count / 10; i++) {
    let used = 0
    const decoder = new FrameDecoder({
      charge: bytes => {
        used += bytes
      },
      release: bytes => {
        used -= bytes
      },
    })
    let fed = 0
    try {
      for (let pieces = 1 + next(6); pieces > 0; pieces--) {
        const piece = next(3) === 0 ? mutated(whole[next(whole.length)] as Uint8Array, next) : (whole[next(whole.length)] as Uint8Array)
        const cut = next(piece.length + 1)
        for (const part of [piece.subarray(0, cut), piece.subarray(cut)]) {
          fed += part.length
          decoder.push(part, (type, payload) => {
            if (payload.length > FRAME_BYTES_MAX) t.fail('a payload over the limit')
            try {
              decodeMessage(type, payload)
            } catch (error) {
              if (!(error instanceof RefusedMessage)) t.fail(`stream ${i} of seed ${seed}: ${error}`)
            }
          })
          if (decoder.heldBytes > 2 * fed + 2100) t.fail(`stream ${i} of seed ${seed} holds ${decoder.heldBytes} bytes of ${fed}`)
        }
      }
    } catch (error) {
      fatal++
      if (!(error instanceof TallyError) || !error.fatal) t.fail(`stream ${i} of seed ${seed}: ${error}`)
    }
    decoder.dispose()
    if (used !== 0) t.fail(`stream ${i} of seed ${seed} keeps ${used} bytes of the budget`)
    let served = 0
    new FrameDecoder().push(good, () => served++)
    if (served !== 1) t.fail(`after stream ${i} of seed ${seed} a good frame is not understood`)
  }
  t.ok(fatal > 0, 'some streams are refused')
})

t.test('300 half-sent frames of 1 MB hold what the budget allows and no more', async t => {
  const limit = 50_000_000
  let used = 0
  let refused = 0
  const charge = (bytes: number) => {
    if (used + bytes > limit) throw new TallyError('busy', 'no memory', {}, { fatal: true })
    used += bytes
  }
  const release = (bytes: number) => {
    used -= bytes
  }
  const half = encodeFrame('A', 3, new Uint8Array(1_000_000)).subarray(0, 500_000)
  const decoders = Array.from({ length: 300 }, () => new FrameDecoder({ charge, release }))
  for (const decoder of decoders) {
    try {
      for (let at = 0; at < half.length; at += 65_536) decoder.push(half.subarray(at, at + 65_536), () => t.fail('no frame is whole'))
    } catch (error) {
      refused++
      t.match(error, { code: 'busy', fatal: true })
      t.equal(decoder.heldBytes, 0)
    }
  }
  t.ok(refused > 0 && used <= limit)
  t.ok(decoders.reduce((sum, decoder) => sum + decoder.heldBytes, 0) <= limit + 300 * 16_390)
  for (const decoder of decoders) decoder.dispose()
  t.equal(used, 0)
})
