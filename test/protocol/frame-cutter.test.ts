/** Bytes cut between frames: what comes out is what came in, whole frames at a time, under the limits of the decoder. */
import t from 'tap'
import { FRAME_BYTES_MAX, FrameCutter, type Framing, type MemoryBudget, TallyError } from '../../protocol/index.ts'
import { chooseSeed, Random } from '../support/random.ts'
import { hex as bytesOf, refusal } from './support.ts'

const hex = (...parts: string[]): Buffer => Buffer.from(bytesOf(...parts))

// A: kind, u32 length of the payload, type. B: u32 length of type and payload, type. N: JSON and a form feed.
const FRAMES: Readonly<Record<Framing, readonly Buffer[]>> = {
  A: [hex('02', '00000002', '03', '7b7d'), hex('02', '00000000', '05'), hex('03', '00000003', '00', '010203'), hex('01', '00000000', '00')],
  B: [hex('00000003', '03', '7b7d'), hex('00000001', '05'), hex('00000004', '02', '010203')],
  N: [Buffer.from('{"type":"FIND","data":{}}\f'), Buffer.from('{}\f'), Buffer.from('{ "type" : "no such type", "data":[1] }\f')],
}

function cut(cutter: FrameCutter, ...pieces: Uint8Array[]): string[] {
  const given: string[] = []
  for (const piece of pieces) cutter.push(piece, frames => given.push(Buffer.from(frames).toString('hex')))
  return given
}

for (const framing of ['A', 'B', 'N'] as const) {
  const frames = FRAMES[framing]
  const all = Buffer.concat(frames)
  const singly = frames.map(frame => frame.toString('hex'))

  t.test(`framing ${framing}: frames that came together stay together, or are given one by one`, async t => {
    t.strictSame(cut(new FrameCutter(), all), [all.toString('hex')])
    t.strictSame(cut(new FrameCutter({ isSingly: true }), all), singly)
  })

  t.test(`framing ${framing}: at every two cuts the same frames come out, each as soon as it is whole`, async t => {
    for (let first = 0; first <= all.length; first++) {
      for (let second = first; second <= all.length; second++) {
        const cutter = new FrameCutter({ isSingly: true })
        const pieces = [all.subarray(0, first), all.subarray(first, second), all.subarray(second)]
        const given = pieces.map(piece => cut(cutter, piece))
        if (given.flat().join() !== singly.join()) t.fail(`cut at ${first} and ${second}: ${given.flat()}`)
        const wholeBytes = given[0]?.join('').length ?? 0
        const unfinishedBytes = first - wholeBytes / 2
        if (unfinishedBytes >= Math.max(...frames.map(frame => frame.length))) t.fail(`cut at ${first}: ${unfinishedBytes} bytes are kept`)
        if (cutter.unfinished) t.fail('something is left')
      }
    }
  })

  t.test(`framing ${framing}: a frame of exactly the limit passes, one byte more is refused before it is kept`, async t => {
    const frame = (lengthBytes: number): Buffer => {
      const bytes = Buffer.alloc(lengthBytes, 0x20)
      if (framing === 'N') {
        bytes[0] = 0x7b
        bytes[lengthBytes - 1] = 0x0c
      } else {
        if (framing === 'A') bytes[0] = 2
        bytes.writeUInt32BE(lengthBytes - (framing === 'A' ? 6 : 4), framing === 'A' ? 1 : 0)
      }
      return bytes
    }
    const random = new Random(chooseSeed())
    t.comment(`TALLY_TEST_SEED=${random.seed}`)
    const longest = frame(FRAME_BYTES_MAX)
    const cutter = new FrameCutter()
    let given = 0
    for (let at = 0; at < longest.length;) {
      const end = at + random.magnitude(1, 200_000)
      cutter.push(longest.subarray(at, end), frames => { given += longest.equals(frames) ? 1 : 0 })
      at = end
    }
    t.equal(given, 1)
    const longer = frame(FRAME_BYTES_MAX + 1)
    const early = framing === 'N' ? longer : longer.subarray(0, 5)
    const expected = { code: 'message-too-large', details: { limit: FRAME_BYTES_MAX } }
    t.match(refusal(() => cut(new FrameCutter(), early)), expected)
    const split = new FrameCutter()
    t.match(refusal(() => cut(split, early.subarray(0, 2), early.subarray(2))), expected)
    t.strictSame(cut(split, all), [], 'nothing is taken any more')
    t.equal(split.unfinished, false)
  })

  t.test(`framing ${framing}: frames before one that is refused are given`, async t => {
    const given: string[] = []
    const bad = framing === 'A' ? hex('04') : framing === 'B' ? hex('00000000') : Buffer.alloc(FRAME_BYTES_MAX, 0x20)
    const failure = refusal(() => new FrameCutter().push(Buffer.concat([all, bad, Buffer.alloc(8)]), frames => given.push(Buffer.from(frames).toString('hex'))))
    t.equal(failure.code, framing === 'N' ? 'message-too-large' : 'malformed')
    t.strictSame(given, [all.toString('hex')])
  })
}

t.test('a framing that is told is not guessed: 00 is a close frame in A, a length in B', async t => {
  const cutter = new FrameCutter({ framing: 'A' })
  const [data] = FRAMES.A
  t.strictSame(cut(cutter, Buffer.concat([data as Buffer, hex('00', '00000000', '00'), data as Buffer])), [data?.toString('hex')])
  t.equal(cutter.closed, true)
  t.equal(new FrameCutter({ framing: 'B' }).closed, false)
})

t.test('what begins like no framing is malformed', async t => {
  t.match(refusal(() => cut(new FrameCutter(), hex('05'))), { code: 'malformed', fatal: true })
})

t.test('an unfinished frame is charged to the budget, and given back when it is whole or forgotten', async t => {
  let usedBytes = 0
  const budget: MemoryBudget = {
    charge: bytes => {
      if (usedBytes + bytes > 300_000) throw new TallyError('busy', 'full', {}, { fatal: true })
      usedBytes += bytes
    },
    release: bytes => { usedBytes -= bytes },
  }
  const frame = Buffer.concat([hex('02', '00020000', '03'), Buffer.alloc(131_072)])
  const cutter = new FrameCutter({ budget })
  cut(cutter, frame.subarray(0, 100_000))
  t.ok(usedBytes > 80_000)
  t.equal(cut(cutter, frame.subarray(100_000)).length, 1)
  t.equal(usedBytes, 0)
  cut(cutter, frame.subarray(0, 100_000))
  cutter.dispose()
  t.equal(usedBytes, 0)
  const long = Buffer.concat([hex('02', '00180000', '03'), Buffer.alloc(400_000)])
  t.match(refusal(() => cut(new FrameCutter({ budget }), long)), { code: 'busy' })
  t.equal(usedBytes, 0)
})
