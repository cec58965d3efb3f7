/** Messages there and back, by properties; the fast way of a TRANSFER held against the general one; the exact bytes of our encoders. */
import { deepStrictEqual } from 'node:assert'
import fc from 'fast-check'
import t from 'tap'
import {
  decodeMessage,
  encodeFrame,
  encodeMessage,
  encodeOkFrames,
  encodeTransferFrame,
  encodeTransferHead,
  type Encoding,
  FrameDecoder,
  type Message,
  uuidToWords,
  wordsToUuid,
} from '../../protocol/index.ts'
import type { ChunkWords } from '../../protocol/index.ts'
import { decodePayload } from '../../protocol/payload.ts'
import { decodeTransfer } from '../../protocol/transfer-frame.ts'
import { validate } from '../../protocol/validate.ts'
import { DIGEST, FID, framesOf, hex, ID, msgpack } from './support.ts'

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter(value => value.isWellFormed() && !value.includes('\0'))
const tag = text.filter(value => !/\p{Cc}/u.test(value))
const tags = fc.uniqueArray(tag, { maxLength: 5 })
const id = fc.uuid().map(value => value.toUpperCase())
const fid = fc.uuid()
const uint = fc.maxSafeNat()
const run = fc.tuple(uint, uint)
const word = fc.integer({ min: 0, max: 0xffff_ffff })
const chunk = fc.tuple(word, word, word, word)
const state = fc.constantFrom('receiving', 'finishing', 'stored', 'removed' as const)
const digest = fc.constant(DIGEST)
const meta = fc.dictionary(
  text.filter(key => key !== '__proto__'),
  fc.oneof(fc.boolean(), fc.integer(), text, fc.constant(null), fc.array(fc.nat())),
  { maxKeys: 3 },
)
const chunkSizeBytes = fc.integer({ min: 1, max: 1_048_576 })
const acks = fc.constantFrom('each', 'ranges' as const)
const maybe = { requiredKeys: [] as [] }

/** Required fields and optional ones, merged. */
function message<T>(required: object, optional: object): fc.Arbitrary<T> {
  const all = fc.tuple(
    fc.record(required as Record<string, fc.Arbitrary<unknown>>),
    fc.record(optional as Record<string, fc.Arbitrary<unknown>>, maybe),
  )
  return all.map(([must, may]) => Object.assign({}, may, must) as T)
}

const announcement = message<object>(
  { name: text, sizeBytes: fc.option(uint) },
  { digest, mediaType: text, modifiedMs: fc.maxSafeInteger(), expiresMs: uint, tags, meta },
)
const report = message<object>({ state, missing: fc.array(run, { maxLength: 5 }) }, { chunkSizeBytes, digest, expiresMs: uint })
const foundFile = message<object>(
  { fid, file: fc.nat(4095), name: text, sizeBytes: fc.option(uint), tags, state, receivedBytes: uint, createdMs: uint },
  { digest, mediaType: text, modifiedMs: fc.maxSafeInteger(), meta, storedMs: uint, expiresMs: uint },
)
const details = fc.dictionary(fc.constantFrom('limit', 'field', 'expected', 'used'), fc.oneof(uint, text, fc.boolean()), { minKeys: 1 })

const messages: Record<string, fc.Arbitrary<Message>> = {
  AUTHENTICATION: message(
    { type: fc.constant(1), messageId: id, token: text, files: fc.array(announcement, { maxLength: 4 }), tags },
    { fid, chunkSizeBytes, acks, missingAfter: fc.tuple(uint, uint) },
  ),
  'RESPONSE Ok': message(
    { type: fc.constant(2), messageId: id, response: fc.constant('Ok') },
    {
      fid,
      user: text,
      chunkSizeBytes,
      window: uint,
      files: fc.oneof(fc.array(report, { maxLength: 3 }), fc.array(foundFile, { maxLength: 3 })),
      more: fc.tuple(uint, uint),
      stored: fc.record({ file: fc.nat(4095), digest }),
      chunks: fc.array(fc.tuple(uint, uint, uint), { maxLength: 3 }),
      next: text,
      sequence: uint,
      truncated: fc.constant(true),
      file: fc.nat(4095),
      name: text,
      sizeBytes: uint,
      digest,
      tags,
      meta,
      done: fc.constant(true),
      removed: uint,
    },
  ),
  'RESPONSE Error': message(
    { type: fc.constant(2), messageId: id, response: fc.constant('Error'), reason: text },
    { code: fc.constantFrom('busy', 'conflict'), fatal: fc.constant(true), details },
  ),
  TRANSFER: message({ type: fc.constant(3), messageId: id, chunk, data: fc.uint8Array({ maxLength: 300 }) }, { crc32: word, fetch: id }),
  FIND: message(
    { type: fc.constant(4), messageId: id, tags, anyTags: tags, notTags: tags, limit: fc.integer({ min: 1, max: 1000 }) },
    { name: text, state, sizeBytes: uint, after: text },
  ),
  'FETCH by fid': message(
    { type: fc.constant(5), messageId: id, fid, file: fc.nat(4095) },
    { offsetBytes: uint, lengthBytes: uint, chunkSizeBytes, acks, window: fc.integer({ min: 1 }) },
  ),
  'FETCH by digest': message(
    { type: fc.constant(5), messageId: id, digest },
    {
      missing: fc.constant([
        [0, 3],
        [9, 1],
      ]),
      chunkSizeBytes,
      acks,
    },
  ),
  TAG: message({ type: fc.constant(6), messageId: id, fid, add: tags, remove: tags }, { file: fc.nat(4095) }),
  WATCH: message({ type: fc.constant(8), messageId: id, tags, anyTags: tags, notTags: tags }, { name: text, state, since: uint }),
  EVENT: message(
    {
      type: fc.constant(9), messageId: id, watch: id, event: fc.constantFrom('receiving', 'stored', 'tagged', 'removed'), fid, file: fc.nat(4095),
      name: text, sizeBytes: fc.oneof(uint, fc.constant(null)), tags,
    },
    { sequence: uint, digest, mediaType: text, modifiedMs: uint, meta, state, receivedBytes: uint, createdMs: uint, storedMs: uint, expiresMs: uint },
  ),
  REMOVE: message({ type: fc.constant(7), messageId: id, fid }, { file: fc.nat(4095) }),
}

/** Views and Buffers as plain bytes, so that only the values are compared. */
function bare(value: Message): unknown {
  return 'data' in value ? { ...value, data: Array.from(value.data) } : value
}

for (const [name, arbitrary] of Object.entries(messages)) {
  for (const encoding of ['json', 'msgpack'] as const) {
    t.test(`${name} survives ${encoding} unchanged`, async t => {
      fc.assert(
        fc.property(arbitrary, fc.constantFrom('base64', 'array'), fc.constantFrom(...(encoding === 'json' ? (['A', 'B', 'N'] as const) : (['A', 'B'] as const))), (value, data, framing) => {
          const frame = encodeFrame(framing, value.type, encodeMessage(value, encoding, { data }))
          const back: Message[] = []
          new FrameDecoder().push(frame, (type, payload) => {
            const decoded = decodeMessage(type, payload)
            deepStrictEqual(decoded.encoding, encoding)
            back.push(decoded.message)
          })
          deepStrictEqual(back.map(bare), [JSON.parse(JSON.stringify(bare(value)))])
        }),
      )
      t.pass()
    })
  }
}

t.test('narrow and wide forms of msgpack stand for the same message', async t => {
  const value: Message = { type: 7, messageId: ID, fid: FID, file: 4095 }
  for (const wide of [false, true]) t.strictSame(decodeMessage(7, msgpack({ 'message-id': ID, fid: FID, file: 4095 }, wide)).message, value)
})

// ---- the fast way ----

const keys = [
  ['message-id', 'chunk', 'data'],
  ['message-id', 'data', 'chunk'],
  ['chunk', 'message-id', 'data'],
  ['chunk', 'data', 'message-id'],
  ['data', 'message-id', 'chunk'],
  ['data', 'chunk', 'message-id'],
  ['message-id', 'chunk', 'fetch', 'data'],
  ['data', 'fetch', 'chunk', 'message-id'],
]

function general(payload: Uint8Array): unknown {
  return bare(validate(3, decodePayload(payload, 'msgpack', true).map))
}

for (const order of keys) {
  t.test(`the fast way reads ${order.join(', ')} as the general way does`, async t => {
    fc.assert(
      fc.property(id, chunk, fc.uint8Array({ size: 'large', maxLength: 70_000 }), (messageId, words, data) => {
        const fields: Record<string, unknown> = { 'message-id': messageId, chunk: wordsToUuid(words), data, fetch: FID }
        const payload = msgpack(Object.fromEntries(order.map(key => [key, fields[key]])))
        const fast = decodeTransfer(payload)
        deepStrictEqual(fast && bare(fast), general(payload))
      }),
      { numRuns: 50 },
    )
    t.pass()
  })
}

t.test('the fast way reads each length of bin', async t => {
  const head = (bin: string) =>
    hex(
      `83a4${Buffer.from('data').toString('hex')}${bin}`,
      `aa${Buffer.from('message-id').toString('hex')}d924${Buffer.from(ID).toString('hex')}`,
      `a5${Buffer.from('chunk').toString('hex')}d924${Buffer.from(FID).toString('hex')}`,
    )
  for (const bin of ['c403aabbcc', 'c50003aabbcc', 'c600000003aabbcc']) {
    t.strictSame(decodeTransfer(head(bin))?.data, hex('aabbcc'))
  }
  for (const bin of ['a3616263', '93010203', 'c604000000aabbcc']) t.equal(decodeTransfer(head(bin)), undefined)
})

t.test('whatever is changed or cut, the fast way never reads what the general way would not', async t => {
  for (const fetch of [{}, { fetch: FID }]) {
    const payload = msgpack({ 'message-id': ID, chunk: FID, ...fetch, data: Uint8Array.of(1, 2, 3, 4, 5) })
    for (let end = 0; end < payload.length; end++) t.equal(decodeTransfer(payload.subarray(0, end)), undefined, `cut at ${end}`)
    t.equal(decodeTransfer(Buffer.concat([payload, hex('00')])), undefined)
    let same = 0
    for (let at = 0; at < payload.length; at++) {
      for (let byte = 0; byte < 256; byte++) {
        const changed = Uint8Array.from(payload)
        changed[at] = byte
        const fast = decodeTransfer(changed)
        if (fast === undefined) continue
        same++
        deepStrictEqual(bare(fast), general(changed))
      }
    }
    // at least the hexadecimal digits and the data may be changed
    t.ok(same > 64 * 22, `${same} changes leave a TRANSFER`)
  }
})

t.test('the fast way leaves doubled fields to the general way, which refuses them', async t => {
  const part = (key: string, value: string | Uint8Array) => Buffer.concat([msgpack(key), msgpack(value)])
  const twice = Buffer.concat([hex('83'), part('chunk', FID), part('chunk', FID), part('message-id', ID)])
  t.equal(decodeTransfer(twice), undefined)
  const dataTwice = Buffer.concat([hex('84'), part('chunk', FID), part('data', hex('00')), part('data', hex('00')), part('message-id', ID)])
  t.equal(decodeTransfer(dataTwice), undefined)
  t.throws(() => decodeMessage(3, twice), { code: 'malformed' })
})

// ---- our encoders' bytes ----

t.test('encodeTransferFrame writes what the general encoder says, in each length of bin', async t => {
  const words = uuidToWords('01234567-89ab-8def-bedc-ba9876543210') as ChunkWords
  for (const length of [0, 1, 255, 256, 1024, 65_535, 65_536, 1_048_576]) {
    const data = Uint8Array.from({ length }, (_, i) => i % 253)
    const expected = msgpack({ 'message-id': ID, chunk: wordsToUuid(words), data })
    for (const framing of ['A', 'B'] as const) {
      const [frame] = framesOf(new FrameDecoder(), encodeTransferFrame(framing, ID, words, data))
      t.ok(frame?.type === 3 && frame.payload === expected.toString('hex'), `${length} bytes, framing ${framing}`)
      const whole = encodeTransferFrame(framing, ID, words, data, FID)
      const parts = Buffer.concat([encodeTransferHead(framing, ID, words, length, FID), data])
      t.ok(parts.equals(whole), 'the same in two parts')
      const [fetched] = framesOf(new FrameDecoder(), whole)
      const withFetch = msgpack({ 'message-id': ID, chunk: wordsToUuid(words), fetch: FID, data })
      t.ok(fetched?.type === 3 && fetched.payload === withFetch.toString('hex'), `${length} bytes of a FETCH, framing ${framing}`)
    }
  }
})

t.test('encodeOkFrames writes one frame for each message-id, in order', async t => {
  for (const encoding of ['json', 'msgpack'] satisfies Encoding[]) {
    const ids = [ID, FID, ID.toUpperCase()]
    const decoder = new FrameDecoder()
    const answers: Message[] = []
    decoder.push(encodeOkFrames('B', encoding, ids), (type, payload) => answers.push(decodeMessage(type, payload).message))
    t.strictSame(
      answers,
      ids.map(messageId => ({ type: 2, messageId, response: 'Ok' })),
    )
    t.equal(encodeOkFrames('A', encoding, []).length, 0)
  }
})

t.test('frames that are cut from one slab do not touch each other', async t => {
  const words = uuidToWords(FID) as ChunkWords
  const frames = Array.from({ length: 300 }, (_, i) => encodeTransferFrame('A', ID, words, new Uint8Array(700).fill(i % 251)))
  for (const [i, frame] of frames.entries()) {
    const [decoded] = framesOf(new FrameDecoder(), frame)
    if (!decoded?.payload.endsWith(Buffer.alloc(700, i % 251).toString('hex'))) t.fail(`frame ${i} was overwritten`)
  }
  t.pass()
})

t.test('bytes in meta are an array of numbers in JSON', async t => {
  const value: Message = {
    type: 2,
    messageId: ID,
    response: 'Ok',
    meta: { b: Uint8Array.of(1, 2), list: [Uint8Array.of(3)], nothing: null },
  }
  t.strictSame(JSON.parse(Buffer.from(encodeMessage(value, 'json')).toString()).meta, { b: [1, 2], list: [[3]], nothing: null })
})
