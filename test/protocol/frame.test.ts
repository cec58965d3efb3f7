/** Frames: recognised, split, merged, limited. All bytes are written by hand. */
import t from 'tap'
import { encodeFrame, FRAME_BYTES_MAX, FrameDecoder, type MemoryBudget, TallyError, UNFINISHED_FREE_BYTES } from '../../protocol/index.ts'
import { framesOf, hex, refusal } from './support.ts'

// A: kind 02, u32 length of the payload, user-type 03, payload "{}"
const A = hex('02', '00000002', '03', '7b7d')
// B: u32 length of user-type and payload, user-type 03, payload "{}"
const B = hex('00000003', '03', '7b7d')
const EMPTY_A = hex('02', '00000000', '05')
const EMPTY_B = hex('00000001', '05')

class Budget implements MemoryBudget {
  usedBytes = 0
  readonly #limit: number
  constructor(limit: number) {
    this.#limit = limit
  }
  charge(bytes: number): void {
    if (this.usedBytes + bytes > this.#limit) throw new TallyError('busy', 'no memory for unfinished frames', {}, { fatal: true })
    this.usedBytes += bytes
  }
  release(bytes: number): void {
    this.usedBytes -= bytes
  }
}

for (const [framing, bytes] of [
  ['A', A],
  ['B', B],
] as const) {
  t.test(`recognises framing ${framing} by its first byte`, async t => {
    const decoder = new FrameDecoder()
    t.equal(decoder.framing, undefined)
    t.strictSame(framesOf(decoder, bytes), [{ type: 3, payload: '7b7d' }])
    t.equal(decoder.framing, framing)
    t.equal(decoder.heldBytes, 0)
    t.equal(decoder.unfinished, false)
    t.strictSame(encodeFrame(framing, 3, hex('7b7d')), bytes)
  })
  for (let cut = 0; cut <= bytes.length; cut++) {
    t.test(`framing ${framing}: decodes a frame split after byte ${cut}`, async t => {
      const decoder = new FrameDecoder()
      t.strictSame(framesOf(decoder, bytes.subarray(0, cut), bytes.subarray(cut)), [{ type: 3, payload: '7b7d' }])
    })
  }
  t.test(`framing ${framing}: decodes three frames fed byte by byte`, async t => {
    const three = Buffer.concat([bytes, framing === 'A' ? EMPTY_A : EMPTY_B, bytes])
    const pieces = Array.from(three, byte => Uint8Array.of(byte))
    const whole = { type: 3, payload: '7b7d' }
    t.strictSame(framesOf(new FrameDecoder(), ...pieces), [whole, { type: 5, payload: '' }, whole])
  })
  t.test(`framing ${framing}: decodes a thousand frames merged into one read, at every cut of it`, async t => {
    const thousand = Buffer.concat(Array.from({ length: 1000 }, () => bytes))
    for (let cut = 0; cut <= thousand.length; cut += 97) {
      const frames = framesOf(new FrameDecoder(), thousand.subarray(0, cut), thousand.subarray(cut))
      t.equal(frames.length, 1000)
      t.ok(frames.every(frame => frame.type === 3 && frame.payload === '7b7d'))
    }
  })
  t.test(`framing ${framing}: takes a frame of exactly the limit and refuses one byte more`, async t => {
    const headerBytes = framing === 'A' ? 6 : 5
    const payloadBytes = FRAME_BYTES_MAX - headerBytes
    const frame = encodeFrame(framing, 3, new Uint8Array(payloadBytes).fill(0x20))
    t.equal(frame.length, FRAME_BYTES_MAX)
    let received = 0
    const decoder = new FrameDecoder()
    for (let at = 0; at < frame.length; at += 65_536)
      decoder.push(frame.subarray(at, at + 65_536), (_, payload) => {
        received = payload.length
      })
    t.equal(received, payloadBytes)
    t.match(
      refusal(() => encodeFrame(framing, 3, new Uint8Array(payloadBytes + 1))),
      { code: 'message-too-large', details: { limit: FRAME_BYTES_MAX } },
    )
    // 1,899,995 = 001cfddb payload bytes in A, 1,899,997 = 001cfddd counted bytes in B
    const longer = framing === 'A' ? hex('02', '001cfddb', '03') : hex('001cfddd', '03')
    t.match(
      refusal(() => framesOf(new FrameDecoder(), longer)),
      { code: 'message-too-large', fatal: true, details: { limit: FRAME_BYTES_MAX } },
    )
  })
}

t.test('refuses a first byte that no framing has', async t => {
  for (const first of ['04', '5b', '7a', '7c', 'ff'])
    t.match(
      refusal(() => framesOf(new FrameDecoder(), hex(first))),
      { code: 'malformed', fatal: true },
    )
})

t.test('refuses a later frame of framing A whose kind is not known', async t => {
  t.match(
    refusal(() => framesOf(new FrameDecoder(), A, hex('04', '00000002', '03'))),
    { code: 'malformed', fatal: true },
  )
})

t.test('refuses a frame of framing B without a type', async t => {
  t.match(
    refusal(() => framesOf(new FrameDecoder(), hex('00000000'))),
    { code: 'malformed', fatal: true },
  )
})

t.test('judges a length before the type byte is there', async t => {
  t.equal(refusal(() => framesOf(new FrameDecoder(), hex('02', '7fffffff'))).code, 'message-too-large')
  t.equal(refusal(() => framesOf(new FrameDecoder(), hex('00ffffff'))).code, 'message-too-large')
})

t.test('delivers the frames before a bad one, and ignores what follows it', async t => {
  const decoder = new FrameDecoder()
  const types: unknown[] = []
  const bytes = Buffer.concat([A, hex('02', 'ffffffff', '03'), A])
  t.equal(refusal(() => decoder.push(bytes, type => types.push(type))).code, 'message-too-large')
  decoder.push(A, type => types.push(type))
  t.strictSame(types, [3])
})

t.test('skips error and look-up frames, however they are split, and keeps none of their bytes', async t => {
  const skipped = Buffer.concat([
    hex('01', '00000003', '00', 'aabbcc'),
    hex('03', '00000000', '00'),
    A,
    hex('01', '00000001', '07', 'dd'),
    A,
  ])
  for (let cut = 0; cut <= skipped.length; cut++) {
    const decoder = new FrameDecoder()
    t.equal(framesOf(decoder, skipped.subarray(0, cut), skipped.subarray(cut)).length, 2, `cut after byte ${cut}`)
  }
  const decoder = new FrameDecoder()
  framesOf(decoder, hex('01', '00100000', '00'), new Uint8Array(1_000_000))
  t.ok(decoder.heldBytes <= 6)
  t.equal(decoder.unfinished, true)
})

t.test('refuses an error frame that is longer than the limit', async t => {
  t.equal(refusal(() => framesOf(new FrameDecoder(), hex('01', '001cfddb', '00'))).code, 'message-too-large')
})

t.test('a close frame ends framing A: nothing after it is delivered', async t => {
  const decoder = new FrameDecoder()
  t.strictSame(framesOf(decoder, Buffer.concat([A, hex('00', '00000000', '00'), A]), A), [{ type: 3, payload: '7b7d' }])
  t.equal(decoder.closed, true)
  t.equal(decoder.heldBytes, 0)
})

t.test('an announced length alone costs no memory', async t => {
  const decoder = new FrameDecoder()
  framesOf(decoder, hex('02', '001c0000', '03'))
  t.ok(decoder.heldBytes < 16)
  framesOf(decoder, new Uint8Array(10))
  t.ok(decoder.heldBytes <= 2100, `${decoder.heldBytes}`)
})

t.test('holds at most twice what has arrived of an unfinished frame', async t => {
  const decoder = new FrameDecoder()
  framesOf(decoder, hex('02', '001c0000', '03'))
  for (let arrived = 1000; arrived < 1_800_000; arrived += 1000) {
    framesOf(decoder, new Uint8Array(1000))
    if (decoder.heldBytes > Math.max(2100, 2 * arrived + 16)) t.fail(`${decoder.heldBytes} held of ${arrived}`)
  }
  t.pass()
})

t.test('a frame that trickles in keeps every byte in its place', async t => {
  const payload = Uint8Array.from({ length: 50_000 }, (_, i) => i % 251)
  const frame = encodeFrame('B', 3, payload)
  const pieces: Uint8Array[] = []
  for (let at = 0, step = 1; at < frame.length; at += step, step = ((step * 7) % 1009) + 1) pieces.push(frame.subarray(at, at + step))
  t.strictSame(framesOf(new FrameDecoder(), ...pieces), [{ type: 3, payload: Buffer.from(payload).toString('hex') }])
})

t.test('charges what it holds beyond 16 KiB to the budget, and gives it back with the frame', async t => {
  const budget = new Budget(1_000_000)
  const decoder = new FrameDecoder(budget)
  framesOf(decoder, hex('02', '00010000', '03'), new Uint8Array(8000))
  t.equal(budget.usedBytes, 0)
  framesOf(decoder, new Uint8Array(30_000))
  t.equal(budget.usedBytes, decoder.heldBytes - 6 - UNFINISHED_FREE_BYTES)
  t.ok(budget.usedBytes > 0)
  t.equal(framesOf(decoder, new Uint8Array(65_536 - 38_000)).length, 1)
  t.equal(budget.usedBytes, 0)
})

t.test('a payload stays as it is, unless who got it says that it is done with it', async t => {
  const split = (fill: number): readonly [Uint8Array, Uint8Array] => {
    const frame = encodeFrame('A', 3, new Uint8Array(100_000).fill(fill))
    return [frame.subarray(0, 70_000), frame.subarray(70_000)]
  }
  for (const answer of ['done', undefined]) {
    const decoder = new FrameDecoder()
    const payloads: Uint8Array[] = []
    for (const piece of [...split(1), ...split(2), ...split(3)]) {
      decoder.push(piece, (_, payload) => {
        payloads.push(payload)
        return answer
      })
    }
    const isUsedAgain = answer === 'done'
    t.strictSame(payloads.map(payload => payload[99_999]), isUsedAgain ? [3, 3, 3] : [1, 2, 3])
    t.equal(new Set(payloads.map(({ buffer }) => buffer)).size, isUsedAgain ? 1 : 3)
    t.equal(decoder.heldBytes, 0)
  }
})

t.test('of what frames leave behind only so much is kept for the next ones', async t => {
  const frames = Array.from({ length: 40 }, () => encodeFrame('A', 3, new Uint8Array(200_000)))
  const decoders = frames.map(() => new FrameDecoder())
  const buffers = new Set<ArrayBufferLike>()
  for (let round = 0; round < 2; round++) {
    for (const [i, decoder] of decoders.entries()) framesOf(decoder, (frames[i] as Uint8Array).subarray(0, 150_000))
    for (const [i, decoder] of decoders.entries()) {
      decoder.push((frames[i] as Uint8Array).subarray(150_000), (_, payload) => {
        buffers.add(payload.buffer)
        return 'done'
      })
    }
  }
  t.ok(buffers.size < 80, 'some are used again')
  t.ok(buffers.size > 60, `${buffers.size}: not more than 4 MiB of them`)
})

t.test('what disposes of it while a frame is delivered gets no further one', async t => {
  const decoder = new FrameDecoder()
  let frames = 0
  decoder.push(Buffer.concat([A, A, A]), () => {
    frames++
    if (frames === 2) decoder.dispose()
  })
  t.equal(frames, 2)
})

t.test('gives its memory back when the budget refuses, and when the connection goes', async t => {
  const budget = new Budget(100_000)
  const first = new FrameDecoder(budget)
  framesOf(first, hex('02', '001c0000', '03'), new Uint8Array(50_000))
  t.ok(budget.usedBytes > 0)
  const second = new FrameDecoder(budget)
  t.match(
    refusal(() => framesOf(second, hex('02', '001c0000', '03'), new Uint8Array(10_000), new Uint8Array(50_000))),
    { code: 'busy', fatal: true },
  )
  t.equal(second.heldBytes, 0)
  first.dispose()
  first.dispose()
  t.equal(budget.usedBytes, 0)
})
