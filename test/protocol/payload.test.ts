/** Payloads: what is refused before values are built, in JSON and in msgpack, and what is let through. */
import fc from 'fast-check'
import t from 'tap'
import { DEPTH_MAX, ELEMENTS_MAX, MESSAGE_TYPE, decodeMessage } from '../../protocol/index.ts'
import { parseJson } from '../../protocol/json.ts'
import { parseMsgpack } from '../../protocol/msgpack.ts'
import { decodePayload, encodingOf } from '../../protocol/payload.ts'
import { ID, hex, json, msgpack, refusal, utf8 } from './support.ts'

const nested = (levels: number): string => `{"a":${'['.repeat(levels)}${']'.repeat(levels)}}`
const values = (count: number): string => `{"a":[${'1,'.repeat(count - 1)}1]}`

t.test('the first byte tells the encoding, and what is no map is refused', async t => {
  t.equal(encodingOf(utf8('{}')), 'json')
  for (const first of ['80', '8f', 'de', 'df']) t.equal(encodingOf(hex(first)), 'msgpack')
  for (const first of ['', '5b', '20', '7f', '90', 'c0', 'dd', 'ff', 'efbbbf7b7d'])
    t.equal(refusal(() => encodingOf(hex(first))).code, 'malformed')
})

const JSON_REFUSED: Record<string, string> = {
  'ends early': '{"a":1',
  'ends in a string': '{"a',
  'ends in an escape': '{"a\\',
  'a trailing comma': '{"a":1,}',
  'garbage after it': '{}x',
  'two maps': '{}{}',
  'brackets that do not match': '{"a":[1}',
  'a duplicate key': '{"a":1,"a":2}',
  'a duplicate key through an escape': '{"a":1,"\\u0061":2}',
  'a duplicate key deeper down': '{"a":[{"b":1,"b":1}]}',
  'a __proto__ key': '{"__proto__":1}',
  'a __proto__ key through an escape': '{"a":{"_\\u005fproto__":1}}',
  'a lone high surrogate': '{"a":"\\ud800"}',
  'a lone low surrogate': '{"a":"\\udc00"}',
  'surrogates the wrong way round': '{"a":"\\udc00\\ud800"}',
  'a lone surrogate in a key': '{"\\ud800":1}',
  'a bad escape': '{"a":"\\x"}',
  'a control character in a string': '{"a":"\u0001"}',
  'a single quote': "{'a':1}",
  NaN: '{"a":NaN}',
  'a leading zero': '{"a":01}',
  'a key without quotes': '{a:1}',
  'a comment': '{"a":1/**/}',
  'a key in an array': '{"a":["b":1]}',
}
for (const [what, text] of Object.entries(JSON_REFUSED)) {
  t.test(`JSON: refuses ${what}`, async t => {
    t.equal(refusal(() => parseJson(utf8(text), 'value')).code, 'malformed')
  })
}

t.test('JSON: refuses ill-formed UTF-8 in a value, in a key and beside escapes', async t => {
  for (const middle of ['22ff22', '22c3', '22 5c6e ff 22'])
    t.equal(refusal(() => parseJson(hex('7b2261223a', middle, '7d'), 'value')).code, 'malformed')
  t.equal(refusal(() => parseJson(hex('7b 22ff22 3a31 7d'), 'value')).code, 'malformed')
})

t.test('JSON: reads what JSON.parse reads, for any value', async t => {
  const value = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ maxDepth: 5 }))
  fc.assert(
    fc.property(value, fc.nat(3), (map, space) => {
      fc.pre(!JSON.stringify(map).includes('__proto__') && JSON.stringify(map).isWellFormed())
      const text = JSON.stringify(map, null, space)
      t.strictSame(parseJson(utf8(text), 'value').map, JSON.parse(text))
    }),
  )
})

t.test('JSON: equal keys in different maps are no duplicates', async t => {
  const text = '{"a":{"b":1,"c":{"b":2}},"b":[{"b":1},{"b":2}]}'
  t.strictSame(parseJson(utf8(text), 'value').map, JSON.parse(text))
})

t.test('long keys are told apart to their last letter', async t => {
  const long = 'k'.repeat(1000)
  const map = { [`${long}1`]: 1, [`${long}2`]: 2, [`${long}é`]: 3 }
  t.strictSame(parseJson(json(map), 'value').map, map)
  t.strictSame(JSON.parse(JSON.stringify(parseMsgpack(msgpack(map)))), map)
  t.equal(refusal(() => parseJson(utf8(`{"${long}":1,"${long}":2}`), 'value')).code, 'malformed')
  const half = msgpack({ [long]: 1 }).subarray(1)
  t.equal(refusal(() => parseMsgpack(Buffer.concat([hex('82'), half, half]))).code, 'malformed')
})

t.test('JSON: paired surrogates, brackets and quotes inside strings are text', async t => {
  const text = '{ "a" : "\\ud834\\udd1e" , "b\\"}" : "]}\\\\" , "é" : "{[,:" }'
  t.strictSame(parseJson(utf8(text), 'value').map, JSON.parse(text))
})

t.test(`JSON: allows depth ${DEPTH_MAX} and refuses one more`, async t => {
  t.ok(parseJson(utf8(nested(DEPTH_MAX)), 'value'))
  t.match(
    refusal(() => parseJson(utf8(nested(DEPTH_MAX + 1)), 'value')),
    { code: 'malformed', details: { limit: DEPTH_MAX } },
  )
  t.equal(refusal(() => parseJson(utf8(nested(400_000)), 'value')).code, 'malformed')
})

t.test('JSON: refuses more values than the limit, as commas and as containers', async t => {
  t.match(
    refusal(() => parseJson(utf8(values(ELEMENTS_MAX + 1)), 'value')),
    { code: 'malformed', details: { limit: ELEMENTS_MAX } },
  )
  t.match(
    refusal(() => parseJson(utf8(`{"a":[${'{},'.repeat(ELEMENTS_MAX / 2)}1]}`), 'value')),
    { code: 'malformed', details: { limit: ELEMENTS_MAX } },
  )
  t.ok(parseJson(utf8(values(ELEMENTS_MAX - 10)), 'value'))
})

const DATA_READ: Record<string, [text: string, bytes: number[], base64: boolean]> = {
  'an array': ['[0,1,255]', [0, 1, 255], false],
  'an array with space': ['[ 0 ,\n1\t,\r 255 ]', [0, 1, 255], false],
  'an empty array': ['[]', [], false],
  'an empty array with space': ['[ ]', [], false],
  base64: ['"aGVsbG8="', [104, 101, 108, 108, 111], true],
  'empty base64': ['""', [], true],
  'base64 with escaped slashes': ['"\\/\\/8="', [255, 255], true],
}
for (const [what, [text, bytes, base64]] of Object.entries(DATA_READ)) {
  t.test(`JSON: takes data as bytes from ${what}, before or after other fields`, async t => {
    for (const payload of [`{"data":${text}}`, `{"data" : ${text} ,"z":["é",1]}`, `{"z":"é","data":${text}}`, `{"d\\u0061ta":${text}}`]) {
      const read = parseJson(utf8(payload), 'bytes')
      t.strictSame(Array.from(read.map.data as Uint8Array), bytes)
      t.equal(read.base64, base64)
      if (payload.includes('é')) t.match(JSON.stringify(read.map.z), /é/)
    }
  })
}

const DATA_REFUSED = [
  '[256]', '[1.5]', '[-1]', '[01]', '[0001]', '[1,]', '[,1]', '[1 2]', '[[1]]', '[[1],2]', '[{"a":"]"}]', '["1"]', '["]"]', '[1e1]',
  '"YWJ"', '"YWL="', '"YWJj\\n"', '"aGVs*G8="', '"\\u00e9AAA"',
]
for (const text of DATA_REFUSED) {
  t.test(`JSON: refuses data ${text}, and says of which message it is`, async t => {
    for (const payload of [`{"message-id":"${ID}","data":${text}}`, `{"data": ${text} , "message-id":"${ID}"}`]) {
      const { map, refused } = parseJson(utf8(payload), 'bytes')
      t.match(refused, { code: 'malformed', details: { field: 'data' } })
      t.strictSame(map['message-id'], ID)
      t.match(refusal(() => decodeMessage(MESSAGE_TYPE.TRANSFER, utf8(payload))), {
        code: 'malformed', details: { field: 'data' }, messageId: ID, encoding: 'json',
      })
    }
  })
}

for (const text of ['[1', '[', '["]', '[[1]', '"aGVsbG8', '"\\q"']) {
  t.test(`JSON: data ${text} is no JSON, so of what message it is cannot be told`, async t => {
    const payload = utf8(`{"message-id":"${ID}","data":${text}}`)
    t.match(refusal(() => decodeMessage(MESSAGE_TYPE.TRANSFER, payload)), { code: 'malformed', messageId: undefined })
  })
}

t.test('JSON: data that is deeper down, not wanted, or of another type is a value like any other', async t => {
  t.strictSame(parseJson(utf8('{"a":{"data":[300]}}'), 'bytes').map, { a: { data: [300] } })
  t.strictSame(parseJson(utf8('{"data":[300]}'), 'value').map, { data: [300] })
  t.strictSame(parseJson(utf8('{"data":{"a":1}}'), 'bytes').map, { data: { a: 1 } })
  t.strictSame(parseJson(utf8('{"data":null}'), 'bytes').map, { data: null })
})

t.test('JSON: an array of data may be longer than the limit on values', async t => {
  const data = new Array(ELEMENTS_MAX + 5).fill(7)
  t.equal((parseJson(json({ data }), 'bytes').map.data as Uint8Array).length, data.length)
})

const MSGPACK_REFUSED: Record<string, string> = {
  'ends early in a map': '81',
  'ends in a key': '81a5',
  'ends in a length of a key': '81da00',
  'ends in a string': '81a161a3ff',
  'ends in a number': '81a161cd01',
  'ends in a bin': '81a161c403aabb',
  'ends before a value': '81a161',
  'garbage after it': '8000',
  'two maps': '8080',
  'a pair count beyond the payload': 'dfffffffff',
  'an item count beyond the payload': '81a161ddffffffff',
  'a string beyond the payload': '81a161dbffffffff',
  'a bin beyond the payload': '81a161c6ffffffff',
  'a duplicate key': '82a16101a16102',
  'a duplicate key in another form': '82a16101d9016102',
  'a __proto__ key': '81a95f5f70726f746f5f5f01',
  'a number as key': '810101',
  'nil as key': '81c001',
  'a map as key': '818001',
  'bin as key': '81c4016101',
  'ill-formed UTF-8 in a value': '81a161a1ff',
  'ill-formed UTF-8 in a key': '81a1ff01',
  'a surrogate': '81a161a3eda080',
  'an overlong form': '81a161a2c080',
  'the unused token c1': '81a161c1',
  'ext 8': '81a161c7010000',
  'ext 16': '81a161c800010000',
  'ext 32': '81a161c9000000010000',
  'fixext 1': '81a161d40000',
  'fixext 2': '81a161d5000000',
  'a timestamp (fixext 4)': '81a161d6ff00000000',
  'fixext 8': '81a161d7ff0000000000000000',
  'fixext 16': '81a161d8ff00000000000000000000000000000000',
}
for (const [what, bytes] of Object.entries(MSGPACK_REFUSED)) {
  t.test(`msgpack: refuses ${what}`, async t => {
    t.equal(refusal(() => parseMsgpack(hex(bytes))).code, 'malformed')
  })
}

const FORMS: Record<string, [bytes: string, value: unknown]> = {
  'positive fixint': ['7f', 127],
  'negative fixint': ['e0', -32],
  'uint 8': ['ccff', 255],
  'uint 16': ['cdffff', 65535],
  'uint 32': ['ceffffffff', 4294967295],
  'uint 64': ['cf0000000000000001', 1n],
  'int 8': ['d080', -128],
  'int 16': ['d18000', -32768],
  'int 32': ['d280000000', -2147483648],
  'int 64': ['d3ffffffffffffffff', -1n],
  'float 32': ['ca3fc00000', 1.5],
  'float 64': ['cb3ff8000000000000', 1.5],
  nil: ['c0', null],
  false: ['c2', false],
  true: ['c3', true],
  fixstr: ['a162', 'b'],
  'str 8': ['d90162', 'b'],
  'str 16': ['da000162', 'b'],
  'str 32': ['db0000000162', 'b'],
  'array 16': ['dc000101', [1]],
  'array 32': ['dd0000000101', [1]],
  'map 16': ['de0001a16201', { b: 1 }],
  'map 32': ['df00000001a16201', { b: 1 }],
  'a key of str 16': ['81da00016201', { b: 1 }],
  'a key beyond ASCII': ['81a2c3a901', { é: 1 }],
  'bin 8': ['c401aa', Uint8Array.of(0xaa)],
  'bin 16': ['c50001aa', Uint8Array.of(0xaa)],
  'bin 32': ['c600000001aa', Uint8Array.of(0xaa)],
}
for (const [form, [bytes, value]] of Object.entries(FORMS)) {
  t.test(`msgpack: reads ${form}`, async t => {
    t.strictSame(parseMsgpack(hex('81a161', bytes)), { a: value })
  })
}

t.test('msgpack: hands bin out as a view', async t => {
  const bytes = hex('81a161c403010203')
  const { a } = parseMsgpack(bytes)
  bytes[7] = 9
  t.strictSame(Array.from(a as Uint8Array), [1, 2, 9])
})

t.test(`msgpack: allows depth ${DEPTH_MAX} and refuses one more`, async t => {
  t.ok(parseMsgpack(hex('81a161', '91'.repeat(DEPTH_MAX - 1), '90')))
  t.match(
    refusal(() => parseMsgpack(hex('81a161', '91'.repeat(DEPTH_MAX), '90'))),
    { code: 'malformed', details: { limit: DEPTH_MAX } },
  )
  t.equal(refusal(() => parseMsgpack(hex('81a161', '91'.repeat(500_000), '90'))).code, 'malformed')
  t.ok(parseMsgpack(hex('81a161'.repeat(DEPTH_MAX), '80')))
  t.equal(refusal(() => parseMsgpack(hex('81a161'.repeat(DEPTH_MAX + 1), '80'))).code, 'malformed')
})

t.test('msgpack: refuses 1.1 MB of empty maps before one is built', async t => {
  const count = 1_100_000
  const payload = Buffer.concat([hex('81a161dd'), Buffer.of(count >>> 24, count >>> 16, count >>> 8, count), Buffer.alloc(count, 0x80)])
  t.match(
    refusal(() => parseMsgpack(payload)),
    { code: 'malformed', details: { limit: ELEMENTS_MAX } },
  )
})

t.test('both encodings give the same values', async t => {
  const value = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ maxDepth: 5 }))
  fc.assert(
    fc.property(value, fc.boolean(), (map, wide) => {
      fc.pre(!JSON.stringify(map).includes('__proto__') && JSON.stringify(map).isWellFormed() && !JSON.stringify(map).includes('\\ud'))
      const read = decodePayload(msgpack(map, wide), 'msgpack', false).map
      t.strictSame(JSON.parse(JSON.stringify(read, small)), decodePayload(json(map), 'json', false).map)
    }),
  )
})

function small(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value
}
