/** Framing N, the JSON texts of a stock node-ipc peer: recognised, split, merged, limited, refused. All bytes are written by hand. */
import fc from 'fast-check'
import { FastParser } from 'node-ipc/parsers'
import t from 'tap'
import { decodeMessage, encodeFrame, encodeOkFrames, FRAME_BYTES_MAX, FrameDecoder, RefusedMessage, TYPE_NAME_BYTES_MAX,
  UNFINISHED_FREE_BYTES } from '../../protocol/index.ts'
import { framesOf, hex, ID, refusal, utf8 } from './support.ts'

// {"type":"TRANSFER","data":{}} and a form feed
const N = hex('7b 2274797065223a225452414e53464552222c 2264617461223a 7b7d 7d', '0c')
const EMPTY = Buffer.from('{}').toString('hex')
const SEED = Number(process.env.TALLY_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31))
t.comment(`TALLY_TEST_SEED=${SEED}`)

t.test('recognises framing N by its first byte, and writes it to the byte', async t => {
  const decoder = new FrameDecoder()
  t.strictSame(framesOf(decoder, N), [{ type: 3, payload: EMPTY }])
  t.equal(decoder.framing, 'N')
  t.equal(decoder.heldBytes, 0)
  t.equal(decoder.unfinished, false)
  t.strictSame(encodeFrame('N', 3, utf8('{}')), N)
  t.strictSame(encodeFrame('N', 19, utf8('{}')), utf8('{"type":19,"data":{}}\f'), 'a type without a name is written as its number')
})

for (let cut = 0; cut <= N.length; cut++) {
  t.test(`framing N: decodes a frame split after byte ${cut}`, async t => {
    const decoder = new FrameDecoder()
    framesOf(decoder, N.subarray(0, cut))
    t.equal(decoder.unfinished, cut > 0 && cut < N.length)
    const frames = cut === N.length ? framesOf(decoder, N) : framesOf(decoder, N.subarray(cut))
    t.strictSame(frames, [{ type: 3, payload: EMPTY }])
  })
}

t.test('decodes frames fed byte by byte, and a thousand merged into one read at every cut of it', async t => {
  const two = Buffer.concat([N, utf8('{"type":5,"data":{"a":"ü"}}\f'), N])
  const pieces = Array.from(two, byte => Uint8Array.of(byte))
  const whole = { type: 3, payload: EMPTY }
  t.strictSame(framesOf(new FrameDecoder(), ...pieces), [whole, { type: 5, payload: Buffer.from('{"a":"ü"}').toString('hex') }, whole])
  const thousand = Buffer.concat(Array.from({ length: 1000 }, () => N))
  for (let cut = 0; cut <= thousand.length; cut += 97) {
    const frames = framesOf(new FrameDecoder(), thousand.subarray(0, cut), thousand.subarray(cut))
    if (frames.length !== 1000 || frames.some(({ type, payload }) => type !== 3 || payload !== EMPTY)) t.fail(`cut after byte ${cut}`)
  }
})

t.test('takes every name and number, spaces, either order, other fields, escapes', async t => {
  for (const [text, type, payload] of [
    ['{"type":"AUTHENTICATION","data":{"a":1}}', 1, '{"a":1}'],
    ['{"type":"EVENT","data":{}}', 9, '{}'],
    ['{"type":4,"data":{}}', 4, '{}'],
    ['{ "data" :\t{"a":[{"b":"}\\"]{"}]}\n , "type" : "FIND" } ', 4, '{"a":[{"b":"}\\"]{"}]}'],
    ['{"x":{"data":{"no":1},"type":9},"type":"TAG","y":[1,"\\f"],"data":{}}', 6, '{}'],
    ['{"\\u0074ype":"FETCH","d\\u0061ta":{"b":2}}', 5, '{"b":2}'],
    ['{"type":"RESPONSE","data":{"text":"\\f"}}', 2, '{"text":"\\f"}'],
    // what the payload says is judged there, and does not end the connection
    ['{"type":"FIND","data":{"a":nonsense}}', 4, '{"a":nonsense}'],
    ['{"type":"FIND","data":{"__proto__":1}}', 4, '{"__proto__":1}'],
    ['{"type":"FIND","data":{"a":]}', 4, '{"a":]'],
    ['{"type":"FIND","data":[1,{}]}', 4, ''],
    ['{"type":"FIND","data":"{}"}', 4, ''],
    ['{"type":"FIND","data":null}', 4, ''],
    ['{"type":"FIND"}', 4, ''],
    // not known, which the answer says in the peer's own words
    ['{"type":"find","data":{}}', 'find', '{}'],
    ['{"type":"3","data":{}}', '3', '{}'],
    ['{"type":"toString","data":{}}', 'toString', '{}'],
    ['{"type":-1,"data":{}}', -1, '{}'],
    ['{"type":300,"data":{}}', 300, '{}'],
  ] as const) {
    const bytes = utf8(`${text}\f`)
    t.strictSame(framesOf(new FrameDecoder(), bytes), [{ type, payload: Buffer.from(payload).toString('hex') }], text)
  }
})

t.test('refuses what is no such object, after delivering what came before it', async t => {
  const long = 'é'.repeat(TYPE_NAME_BYTES_MAX / 2)
  t.strictSame(framesOf(new FrameDecoder(), utf8(`{"type":"${long}","data":{}}\f`)), [{ type: long, payload: EMPTY }])
  for (const text of [
    '', '{', '{}', '{"type":"FIND","data":{"a":[1}', '{"type":"FIND","data":{"a":[1', '{"data":{}}', '{"type":"TRANSFER","data":{}', '{"type":"TRANSFER","data":{}}}', '{"type":"TRANSFER","data":{}} x',
    '{"type":"TRANSFER","data":{"a":1}', '{"type":"TRANSFER","data":{"a":"}}', '[{"type":"TRANSFER","data":{}}]', '"type"', 'null', '7',
    '{"type":null,"data":{}}', '{"type":1.5,"data":{}}', '{"type":1e999,"data":{}}', '{"type":true,"data":{}}', '{"type":[1],"data":{}}',
    '{"type":"TRANSFER","type":"FIND","data":{}}', '{"type":"TRANSFER","data":{},"data":{}}', '{"type":"TRANSFER","data":{},"__proto__":1}',
    '{"type":"\\ud800","data":{}}', '{"type":"FIND","data":undefined}', '{"type":"FIND",}', '{type:"FIND","data":{}}',
    `{"type":"${long}x","data":{}}`, `{"type":"FIND","data":{},"x":${'['.repeat(20)}${']'.repeat(20)}}`,
  ]) {
    const types: unknown[] = []
    const decoder = new FrameDecoder()
    const error = refusal(() => decoder.push(Buffer.concat([N, utf8(`${text}\f`), N]), type => types.push(type)))
    t.match(error, { code: 'malformed', fatal: true }, text)
    t.strictSame(types, [3])
    t.strictSame(framesOf(decoder, N), [], 'it ignores what follows')
  }
  // msgpack in the place of data is no JSON, and bytes that are no UTF-8 neither
  for (const data of ['80', '8101', 'ff', '22ff22'])
    t.match(
      refusal(() => framesOf(new FrameDecoder(), utf8('{"type":"FIND","data":'), hex(data), utf8('}\f'))),
      { code: 'malformed', fatal: true },
    )
})

t.test('a raw form feed ends a frame wherever it stands', async t => {
  t.equal(refusal(() => framesOf(new FrameDecoder(), utf8('{"type":"FIND","data":{"name":"a\fb"}}\f'))).code, 'malformed')
})

t.test('an unknown type is unsupported-type with its name, and repeats the message-id', async t => {
  for (const type of ['GREETING', 19, 1000]) {
    const found: [number | string, Uint8Array][] = []
    const text = JSON.stringify({ type, data: { 'message-id': ID } })
    new FrameDecoder().push(utf8(`${text}\f`), (...frame) => found.push(frame))
    const error = refusal(() => decodeMessage(...(found[0] as [number | string, Uint8Array])))
    t.ok(error instanceof RefusedMessage)
    t.match(error, { code: 'unsupported-type', fatal: false, details: { type }, messageId: ID, encoding: 'json' })
  }
})

t.test('a frame without data is malformed without a message-id, and not fatal', async t => {
  new FrameDecoder().push(utf8('{"type":"FIND"}\f'), (type, payload) => {
    t.match(refusal(() => decodeMessage(type, payload)), { code: 'malformed', fatal: false, messageId: undefined })
  })
})

t.test('takes a frame of exactly the limit and refuses one byte more, before it is kept', async t => {
  const around = '{"type":"TRANSFER","data":{"x":""}}\f'.length
  const frame = utf8(`{"type":"TRANSFER","data":{"x":"${'y'.repeat(FRAME_BYTES_MAX - around)}"}}\f`)
  t.equal(frame.length, FRAME_BYTES_MAX)
  for (const step of [65_536, frame.length - 1, frame.length]) {
    let received = 0
    const decoder = new FrameDecoder()
    for (let at = 0; at < frame.length; at += step)
      decoder.push(frame.subarray(at, at + step), (_, payload) => {
        received = payload.length
      })
    t.equal(received, FRAME_BYTES_MAX - '{"type":"TRANSFER","data":}\f'.length, `in steps of ${step}`)
  }
  const longer = utf8(`{"type":"TRANSFER","data":{"x":"${'y'.repeat(FRAME_BYTES_MAX - around + 1)}"}}\f`)
  for (const pieces of [[longer], [longer.subarray(0, 1_000_000), longer.subarray(1_000_000)], [longer.subarray(0, -1)]]) {
    const decoder = new FrameDecoder()
    t.match(
      refusal(() => framesOf(decoder, ...pieces)),
      { code: 'message-too-large', fatal: true, details: { limit: FRAME_BYTES_MAX } },
    )
    t.equal(decoder.heldBytes, 0)
  }
  const payload = new Uint8Array(FRAME_BYTES_MAX - '{"type":"TRANSFER","data":}\f'.length)
  t.equal(encodeFrame('N', 3, payload).length, FRAME_BYTES_MAX)
  t.equal(refusal(() => encodeFrame('N', 3, new Uint8Array(payload.length + 1))).code, 'message-too-large')
})

t.test('holds at most twice what has arrived, charges it beyond 16 KiB, and gives it back', async t => {
  let used = 0
  const budget = { charge: (bytes: number) => { used += bytes }, release: (bytes: number) => { used -= bytes } }
  const decoder = new FrameDecoder(budget)
  framesOf(decoder, utf8('{"type":3,"data":{"x":"'))
  t.ok(decoder.heldBytes <= 2100)
  t.equal(used, 0)
  const piece = new Uint8Array(1000).fill(0x79)
  for (let arrived = 1023; arrived < 1_800_000; arrived += 1000) {
    framesOf(decoder, piece)
    if (decoder.heldBytes > Math.max(2100, 2 * arrived)) t.fail(`${decoder.heldBytes} held of ${arrived}`)
    if (used !== Math.max(0, decoder.heldBytes - UNFINISHED_FREE_BYTES)) t.fail(`${used} charged for ${decoder.heldBytes}`)
  }
  t.equal(framesOf(decoder, utf8('"}}\f')).length, 1)
  t.strictSame([used, decoder.heldBytes, decoder.unfinished], [0, 0, false])
  framesOf(decoder, new Uint8Array(100_000).fill(0x20))
  t.ok(used > 0)
  decoder.dispose()
  t.equal(used, 0)
})

t.test('one Ok for each message-id is one frame each', async t => {
  const text = `{"type":"RESPONSE","data":{"message-id":"${ID}","response":"Ok"}}\f`
  t.equal(Buffer.from(encodeOkFrames('N', 'json', [ID, ID])).toString(), text.repeat(2))
})

t.test("any messages of node-ipc's own encoder, cut anywhere, come out as they went in", async t => {
  const value = fc.dictionary(fc.string().filter(key => key !== '__proto__'), fc.oneof(fc.string({ unit: 'grapheme' }), fc.integer(), fc.constant('\f')))
  const message = fc.record({ type: fc.constantFrom('TRANSFER', 'FIND', 'greeting', 3), data: value })
  const parser = new FastParser()
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 5 }), fc.array(fc.nat(2000)), (messages, cuts) => {
      const bytes = Buffer.from(messages.map(({ type, data }) => parser.encode(type, data)).join(''))
      const found: unknown[] = []
      const decoder = new FrameDecoder()
      const at = [0, ...cuts.map(cut => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
      for (const [i, from] of at.entries())
        decoder.push(bytes.subarray(from, at[i + 1] ?? from), (type, payload) => {
          found.push({ type, data: JSON.parse(Buffer.from(payload).toString()) })
        })
      const numbers: Record<string, number> = { TRANSFER: 3, FIND: 4 }
      t.same(found, messages.map(({ type, data }) => ({ type: numbers[type] ?? type, data: JSON.parse(JSON.stringify(data)) })))
    }),
    { seed: SEED, numRuns: 300 },
  )
})
