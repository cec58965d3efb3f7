/** Fields: each refusal with its code and details, each limit at its edge, and what counts as ext. */
import t from 'tap'
import {
  type Authentication,
  decodeMessage,
  type Fetch,
  type Find,
  MESSAGE_TYPE,
  RefusedMessage,
  type Remove,
  TAG_BYTES_MAX,
  TAGS_PER_FILE_MAX,
  type Tag,
  type Transfer,
} from '../../protocol/index.ts'
import { DIGEST, decodeJson, FID, hex, ID, json, msgpack, refusal, refusalOf, utf8 } from './support.ts'

const { AUTHENTICATION, RESPONSE, TRANSFER, FIND, FETCH, TAG, REMOVE, WATCH, EVENT } = MESSAGE_TYPE
const CHUNK = '00000000-0001-8000-9ed4-ab89cecade19'
const auth = (fields: Record<string, unknown>): Authentication =>
  decodeJson(AUTHENTICATION, { token: 't', ...fields }).message as Authentication
const refusedAuth = (fields: Record<string, unknown>) => refusalOf(AUTHENTICATION, { token: 't', ...fields })
const oneFile = (fields: Record<string, unknown>) => ({ files: [{ name: 'a', size: 1, ...fields }] })
const strings = (count: number): string[] => Array.from({ length: count }, (_, i) => `t${i}`)

t.test('a refusal repeats the message-id and the encoding where both are known', async t => {
  const upper = ID.toUpperCase()
  const told = refusal(() => decodeMessage(AUTHENTICATION, json({ 'message-id': upper })))
  t.ok(told instanceof RefusedMessage)
  t.match(told, {
    code: 'malformed',
    fatal: false,
    messageId: upper,
    encoding: 'json',
    details: { field: 'token' },
    name: 'RefusedMessage',
  })
  t.match(
    refusal(() => decodeMessage(AUTHENTICATION, msgpack({ 'message-id': ID }))),
    { messageId: ID, encoding: 'msgpack' },
  )
  for (const payload of [
    utf8('[]'),
    utf8('{"message-id":'),
    json({ token: 't' }),
    json({ 'message-id': 'x' }),
    json({ 'message-id': 7 }),
    hex('80'),
  ]) {
    const error = refusal(() => decodeMessage(AUTHENTICATION, payload)) as RefusedMessage
    t.equal(error.code, 'malformed')
    t.equal(error.messageId, undefined)
    t.equal(error.encoding, undefined)
  }
})

t.test('what is no refusal stays what it is', async t => {
  t.throws(() => decodeMessage(AUTHENTICATION, null as unknown as Uint8Array), TypeError)
})

t.test('types that are not spoken are unsupported, after their form was judged', async t => {
  for (const type of [0, 10, 15, 19, 31, 255]) {
    t.match(refusalOf(type, {}), { code: 'unsupported-type', details: { type }, messageId: ID })
    t.equal(refusal(() => decodeMessage(type, utf8('{}'))).code, 'malformed')
  }
})

t.test('AUTHENTICATION: the smallest, and the whole', async t => {
  t.strictSame(auth({}), { type: 1, messageId: ID, token: 't', files: [], tags: [] })
  t.strictSame(
    auth({
      files: [
        {
          name: 'a',
          size: 5,
          digest: DIGEST.toUpperCase().replace('SHA', 'sha'),
          'media-type': 'text/plain',
          modified: -1,
          expires: 7,
          tags: ['x', 'x'],
          meta: { k: [1, 'two'] },
        },
        { name: '../../etc/passwd', size: null, unknown: 1 },
      ],
      fid: FID.toUpperCase(),
      tags: ['b', 'a', 'b'],
      'chunk-size': 1_048_576,
      acks: 'ranges',
      'missing-after': [1, 2],
      unknown: { a: 1 },
    }),
    {
      type: 1,
      messageId: ID,
      token: 't',
      fid: FID,
      tags: ['b', 'a'],
      chunkSizeBytes: 1_048_576,
      acks: 'ranges',
      missingAfter: [1, 2],
      files: [
        {
          name: 'a',
          sizeBytes: 5,
          digest: DIGEST,
          mediaType: 'text/plain',
          modifiedMs: -1,
          expiresMs: 7,
          tags: ['x'],
          meta: { k: [1, 'two'] },
        },
        { name: '../../etc/passwd', sizeBytes: null },
      ],
    },
  )
})

const AUTH_MALFORMED: [field: string, fields: Record<string, unknown>][] = [
  ['token', { token: 7 }],
  ['token', { token: 'x'.repeat(16_385) }],
  ['token', { token: null }],
  ['fid', { fid: 'x' }],
  ['fid', { fid: null }],
  ['fid', { fid: `${FID}0` }],
  ['files', { files: {} }],
  ['files', { files: null }],
  ['files[0]', { files: [1] }],
  ['files[0]', { files: [null] }],
  ['files[0]', { files: [[]] }],
  ['files[0].name', { files: [{ size: 1 }] }],
  ['files[0].name', oneFile({ name: 7 })],
  ['files[0].size', { files: [{ name: 'a' }] }],
  ['files[0].size', oneFile({ size: -1 })],
  ['files[0].size', oneFile({ size: 0.5 })],
  ['files[0].size', oneFile({ size: '1' })],
  ['files[0].size', oneFile({ size: true })],
  ['files[0].digest', oneFile({ digest: 'md5:00' })],
  ['files[0].digest', oneFile({ digest: `${DIGEST}0` })],
  ['files[0].digest', oneFile({ digest: 1 })],
  ['files[0].media-type', oneFile({ 'media-type': 'x'.repeat(256) })],
  ['files[0].modified', oneFile({ modified: 1.5 })],
  ['files[0].expires', oneFile({ expires: -1 })],
  ['files[0].tags', oneFile({ tags: 'x' })],
  ['files[0].tags[0]', oneFile({ tags: [1] })],
  ['files[0].meta', oneFile({ meta: [] })],
  ['files[0].meta', oneFile({ meta: 'x' })],
  ['files[0].meta', oneFile({ meta: { k: 'x'.repeat(16_384) } })],
  ['tags', { tags: {} }],
  ['tags[1]', { tags: ['a', null] }],
  ['chunk-size', { 'chunk-size': 0 }],
  ['chunk-size', { 'chunk-size': 1_048_577 }],
  ['chunk-size', { 'chunk-size': '1' }],
  ['acks', { acks: 'some' }],
  ['acks', { acks: 1 }],
  ['missing-after', { 'missing-after': [1] }],
  ['missing-after', { 'missing-after': [1, -1] }],
  ['missing-after', { 'missing-after': 3 }],
]
for (const [field, fields] of AUTH_MALFORMED) {
  t.test(`AUTHENTICATION: refuses ${JSON.stringify(fields).slice(0, 60)} as malformed, naming ${field}`, async t => {
    t.match(refusedAuth(fields), { code: 'malformed', details: { field } })
  })
}

t.test('names: 1 to 1024 bytes, no NUL', async t => {
  for (const name of ['a', '.', 'a/b', '😀'.repeat(256), 'x'.repeat(1024)]) t.equal(auth(oneFile({ name })).files[0]?.name, name)
  for (const name of ['', 'a\0b', 'x'.repeat(1025), `${'😀'.repeat(256)}x`, 'é'.repeat(513)]) {
    t.match(refusedAuth(oneFile({ name })), { code: 'name-invalid', details: { field: 'files[0].name', limit: 1024 } })
  }
})

t.test('tags: 1 to 128 bytes, no control characters, 64 a file', async t => {
  for (const tag of ['a', 'été', 'x'.repeat(128), 'a b']) t.strictSame(auth({ tags: [tag] }).tags, [tag])
  for (const tag of ['', 'x'.repeat(129), 'é'.repeat(65), 'a\nb', '\0', '\u007f', '\u0085']) {
    t.match(refusedAuth({ tags: [tag] }), { code: 'tag-invalid', details: { field: 'tags[0]', limit: 128 } })
    t.match(refusedAuth(oneFile({ tags: ['ok', tag] })), { code: 'tag-invalid', details: { field: 'files[0].tags[1]' } })
  }
  t.equal(auth({ tags: [...strings(64), 't0'] }).tags.length, 64)
  t.match(refusedAuth({ tags: strings(65) }), { code: 'tag-invalid', details: { field: 'tags', limit: 64 } })
  t.match(refusedAuth(oneFile({ tags: strings(65) })), { code: 'tag-invalid', details: { field: 'files[0].tags', limit: 64 } })
  t.match(refusedAuth({ tags: strings(64), ...oneFile({ tags: ['more'] }) }), {
    code: 'tag-invalid',
    details: { field: 'files[0].tags', limit: 64 },
  })
  t.ok(auth({ tags: strings(64), ...oneFile({ tags: ['t7'] }) }))
})

t.test('4096 files are allowed, one more is too many', async t => {
  const files = Array.from({ length: 4096 }, () => ({ name: 'a', size: 0 }))
  t.equal(auth({ files }).files.length, 4096)
  t.match(refusedAuth({ files: [...files, ...files.slice(0, 1)] }), { code: 'too-many-files', details: { field: 'files', limit: 4096 } })
})

t.test('a size above 2^53 - 1 is file-too-big in every form, any other count is malformed', async t => {
  const top = Number.MAX_SAFE_INTEGER
  t.equal(auth(oneFile({ size: top })).files[0]?.sizeBytes, top)
  t.match(refusedAuth(oneFile({ size: top + 1 })), { code: 'file-too-big', details: { field: 'files[0].size', limit: top } })
  const packed = (size: unknown) => msgpack({ 'message-id': ID, token: 't', files: [{ name: 'a', size }] })
  const message = decodeMessage(AUTHENTICATION, packed(BigInt(top))).message as Authentication
  t.equal(message.files[0]?.sizeBytes, top)
  for (const size of [2n ** 53n, 2n ** 64n - 1n, 1.5e300])
    t.equal(refusal(() => decodeMessage(AUTHENTICATION, packed(size))).code, 'file-too-big')
  for (const size of [-(2n ** 63n), -1n, Number.POSITIVE_INFINITY, Number.NaN])
    t.equal(refusal(() => decodeMessage(AUTHENTICATION, packed(size))).code, 'malformed')
  t.match(
    refusal(() => decodeMessage(AUTHENTICATION, msgpack({ 'message-id': ID, token: 't', 'chunk-size': 2n ** 60n }))),
    { code: 'malformed', details: { field: 'chunk-size' } },
  )
})

t.test('meta keeps what both encodings can carry, as copies', async t => {
  const bytes = Uint8Array.of(1, 2)
  const payload = msgpack({
    'message-id': ID,
    token: 't',
    files: [{ name: 'a', size: 1, meta: { n: 5n, b: bytes, l: [null, true, 'x', { d: 1.5 }] } }],
  })
  const { message } = decodeMessage(AUTHENTICATION, payload)
  payload.fill(0)
  t.strictSame((message as Authentication).files[0]?.meta, { n: 5, b: bytes, l: [null, true, 'x', { d: 1.5 }] })
  for (const n of [2n ** 60n, Number.NaN, Number.NEGATIVE_INFINITY]) {
    const bad = msgpack({ 'message-id': ID, token: 't', files: [{ name: 'a', size: 1, meta: { n } }] })
    t.match(
      refusal(() => decodeMessage(AUTHENTICATION, bad)),
      { code: 'malformed', details: { field: 'files[0].meta' } },
    )
  }
})

t.test('meta has at most 16 KiB, as msgpack counts it', async t => {
  // map of one, key of one letter, str 16: 1 + 2 + 3 bytes around the text
  t.ok(auth(oneFile({ meta: { k: 'x'.repeat(16_384 - 6) } })))
  t.match(refusedAuth(oneFile({ meta: { k: 'x'.repeat(16_384 - 5) } })), {
    code: 'malformed',
    details: { field: 'files[0].meta', limit: 16_384 },
  })
})

t.test('TRANSFER: any UUID as chunk, any bytes as data', async t => {
  const { message, usesExt } = decodeJson(TRANSFER, { chunk: CHUNK.toUpperCase(), data: [1, 2], unknown: [] })
  t.equal(usesExt, false)
  const { data, ...rest } = message as Transfer
  t.strictSame(rest, { type: 3, messageId: ID, chunk: [0, 0x0001_8000, 0x9ed4_ab89, 0xceca_de19] })
  t.strictSame(Array.from(data), [1, 2])
  t.equal((decodeJson(TRANSFER, { chunk: CHUNK, data: [], crc32: 0xffff_ffff }).message as Transfer).crc32, 0xffff_ffff)
})

const TRANSFER_MALFORMED: [field: string, fields: Record<string, unknown>][] = [
  ['chunk', { data: [] }],
  ['chunk', { chunk: 'x', data: [] }],
  ['chunk', { chunk: 1, data: [] }],
  ['data', { chunk: CHUNK }],
  ['data', { chunk: CHUNK, data: null }],
  ['data', { chunk: CHUNK, data: { type: 'Buffer', data: [1] } }],
  ['data', { chunk: CHUNK, data: 5 }],
  ['data', { chunk: CHUNK, data: [256] }],
  ['data', { chunk: CHUNK, data: 'AA' }],
  ['crc32', { chunk: CHUNK, data: [], crc32: -1 }],
  ['crc32', { chunk: CHUNK, data: [], crc32: 2 ** 32 }],
  ['fetch', { chunk: CHUNK, data: [], fetch: 'x' }],
]
for (const [field, fields] of TRANSFER_MALFORMED) {
  t.test(`TRANSFER: refuses ${JSON.stringify(fields)}, naming ${field}`, async t => {
    t.match(refusalOf(TRANSFER, fields), { code: 'malformed', details: { field } })
  })
}

t.test('TRANSFER in msgpack: data is bin, and nothing else', async t => {
  for (const data of [[1, 2], 'AAAA', 7n]) {
    t.match(
      refusal(() => decodeMessage(TRANSFER, msgpack({ 'message-id': ID, chunk: CHUNK, data }))),
      { code: 'malformed', messageId: ID, details: { field: 'data' } },
    )
  }
})

t.test('FIND: defaults, and every field', async t => {
  t.strictSame(decodeJson(FIND, {}).message, { type: 4, messageId: ID, tags: [], anyTags: [], notTags: [], limit: 100 })
  const all = { tags: ['a'], 'any-tags': ['b', 'c'], 'not-tags': ['d'], name: '*.jpg', state: 'finishing', size: 0, limit: 1000, after: 'x' }
  t.strictSame(decodeJson(FIND, all).message, {
    type: 4,
    messageId: ID,
    tags: ['a'],
    anyTags: ['b', 'c'],
    notTags: ['d'],
    name: '*.jpg',
    state: 'finishing',
    sizeBytes: 0,
    limit: 1000,
    after: 'x',
  })
})

t.test('FIND: 32 tags in all', async t => {
  const many = { tags: strings(16), 'any-tags': strings(8), 'not-tags': strings(8) }
  t.equal((decodeJson(FIND, many).message as Find).tags.length, 16)
  t.match(refusalOf(FIND, { ...many, tags: strings(17) }), { code: 'tag-invalid', details: { field: 'tags', limit: 32 } })
  t.match(refusalOf(FIND, { 'not-tags': strings(33) }), { code: 'tag-invalid', details: { field: 'not-tags', limit: 32 } })
  t.equal(refusalOf(FIND, { tags: [''] }).code, 'tag-invalid')
})

t.test('FIND: refuses limits, states, names and cursors that are none', async t => {
  for (const limit of [0, 1001, 1.5, '1', null]) t.match(refusalOf(FIND, { limit }), { code: 'malformed', details: { field: 'limit' } })
  for (const size of [-1, 1.5, '1', null, 2 ** 53]) t.match(refusalOf(FIND, { size }), { code: 'malformed', details: { field: 'size' } })
  t.match(refusalOf(FIND, { state: 'gone' }), { code: 'malformed', details: { field: 'state' } })
  t.match(refusalOf(FIND, { after: 'x'.repeat(1025) }), { code: 'malformed', details: { field: 'after', limit: 1024 } })
  t.match(refusalOf(FIND, { name: '' }), { code: 'name-invalid', details: { field: 'name' } })
})

t.test('FETCH: by fid and file or by digest, runs or a range or the whole', async t => {
  const by = { fid: FID, file: 4095 }
  t.strictSame(decodeJson(FETCH, { ...by, fid: FID.toUpperCase() }).message, { type: 5, messageId: ID, fid: FID, file: 4095 })
  t.strictSame(decodeJson(FETCH, { digest: DIGEST, offset: 1, length: 0, 'chunk-size': 1, acks: 'each', window: 1 }).message, {
    type: 5,
    messageId: ID,
    digest: DIGEST,
    offsetBytes: 1,
    lengthBytes: 0,
    chunkSizeBytes: 1,
    acks: 'each',
    window: 1,
  })
  t.strictSame(
    (
      decodeJson(FETCH, {
        ...by,
        missing: [
          [0, 1],
          [1, 1],
          [5, 2 ** 31 - 5],
        ],
      }).message as Fetch
    ).missing,
    [
      [0, 1],
      [1, 1],
      [5, 2 ** 31 - 5],
    ],
  )
})

const FETCH_MALFORMED: [field: string, fields: Record<string, unknown>][] = [
  ['fid', {}],
  ['file', { fid: FID }],
  ['fid', { file: 0 }],
  ['file', { fid: FID, file: 2 ** 53 }],
  ['file', { fid: FID, file: -1 }],
  ['digest', { fid: FID, file: 0, digest: DIGEST }],
  ['digest', { file: 0, digest: DIGEST }],
  ['missing', { digest: DIGEST, missing: [[0, 1]], offset: 0 }],
  ['missing', { digest: DIGEST, missing: [[0, 1]], length: 0 }],
  [
    'missing',
    {
      digest: DIGEST,
      missing: [
        [5, 1],
        [0, 1],
      ],
    },
  ],
  [
    'missing',
    {
      digest: DIGEST,
      missing: [
        [0, 2],
        [1, 1],
      ],
    },
  ],
  ['missing', { digest: DIGEST, missing: [[0, 0]] }],
  ['missing', { digest: DIGEST, missing: [[2 ** 31, 1]] }],
  ['missing', { digest: DIGEST, missing: [1] }],
  ['missing', { digest: DIGEST, missing: [[1, 2, 3]] }],
  ['window', { digest: DIGEST, window: 0 }],
  ['chunk-size', { digest: DIGEST, 'chunk-size': 0 }],
  ['offset', { digest: DIGEST, offset: -1 }],
  ['length', { digest: DIGEST, length: 2 ** 53 }],
]
for (const [field, fields] of FETCH_MALFORMED) {
  t.test(`FETCH: refuses ${JSON.stringify(fields)}, naming ${field}`, async t => {
    t.match(refusalOf(FETCH, fields), { code: 'malformed', details: { field } })
  })
}

t.test('TAG: a file, or all of a transfer; tags to add and tags to remove, each once', async t => {
  const bare = { type: 6, messageId: ID, fid: FID, add: [], remove: [] }
  t.strictSame(decodeJson(TAG, { fid: FID.toUpperCase() }).message as Tag, bare)
  const fields = { fid: FID, file: 3, add: ['b', 'a', 'b'], remove: ['c', 'c', 'a'] }
  t.strictSame(decodeJson(TAG, fields).message as Tag, { ...bare, file: 3, add: ['b', 'a'], remove: ['c', 'a'] })
  t.match(refusalOf(TAG, { add: ['a'] }), { code: 'malformed', details: { field: 'fid' } })
  t.match(refusalOf(TAG, { fid: FID, file: -1 }), { code: 'malformed', details: { field: 'file' } })
  for (const field of ['add', 'remove']) {
    t.match(refusalOf(TAG, { fid: FID, [field]: 'a' }), { code: 'malformed', details: { field } })
    t.match(refusalOf(TAG, { fid: FID, [field]: null }), { code: 'malformed', details: { field } })
    for (const tag of ['', 'x'.repeat(TAG_BYTES_MAX + 1), 'a\nb'])
      t.match(refusalOf(TAG, { fid: FID, [field]: ['ok', tag] }), { code: 'tag-invalid', details: { field: `${field}[1]`, limit: TAG_BYTES_MAX } })
    const many = Array.from({ length: TAGS_PER_FILE_MAX + 1 }, (_, i) => `${i}`)
    t.match(refusalOf(TAG, { fid: FID, [field]: many }), { code: 'tag-invalid', details: { field, limit: TAGS_PER_FILE_MAX } })
    t.ok(decodeJson(TAG, { fid: FID, [field]: many.slice(1) }))
  }
})

t.test('REMOVE: a file, or all of a transfer', async t => {
  t.strictSame(decodeJson(REMOVE, { fid: FID }).message as Remove, { type: 7, messageId: ID, fid: FID })
  t.strictSame(decodeJson(REMOVE, { fid: FID, file: 3 }).message as Remove, { type: 7, messageId: ID, fid: FID, file: 3 })
  t.match(refusalOf(REMOVE, {}), { code: 'malformed', details: { field: 'fid' } })
  t.match(refusalOf(REMOVE, { fid: FID, file: null }), { code: 'malformed', details: { field: 'file' } })
})

t.test('WATCH: the conditions of FIND, and since', async t => {
  t.strictSame(decodeJson(WATCH, {}).message, { type: 8, messageId: ID, tags: [], anyTags: [], notTags: [] })
  const all = { tags: ['a'], 'any-tags': ['b'], 'not-tags': ['c'], name: '*.jpg', state: 'receiving', since: 0 }
  t.strictSame(decodeJson(WATCH, all).message, {
    type: 8, messageId: ID, tags: ['a'], anyTags: ['b'], notTags: ['c'], name: '*.jpg', state: 'receiving', since: 0,
  })
  for (const since of [-1, 1.5, '1', null]) t.match(refusalOf(WATCH, { since }), { code: 'malformed', details: { field: 'since' } })
  t.match(refusalOf(WATCH, { 'any-tags': strings(33) }), { code: 'tag-invalid', details: { field: 'any-tags', limit: 32 } })
  t.match(refusalOf(WATCH, { name: '' }), { code: 'name-invalid', details: { field: 'name' } })
})

const EVENT_LEAST = { watch: ID, event: 'stored', fid: FID, file: 0, name: 'a', size: 5, tags: [] }

t.test('EVENT: what happened to which file, and what may be absent', async t => {
  const least = { type: 9, messageId: ID, watch: ID, event: 'stored', fid: FID, file: 0, name: 'a', sizeBytes: 5, tags: [] }
  t.strictSame(decodeJson(EVENT, EVENT_LEAST).message, least)
  const rest = { sequence: 3, digest: DIGEST, state: 'stored', meta: { a: 1 } }
  const all = { ...rest, 'media-type': 'm', modified: -1, received: 5, created: 1, stored: 2, expires: 9 }
  const told = { ...rest, mediaType: 'm', modifiedMs: -1, receivedBytes: 5, createdMs: 1, storedMs: 2, expiresMs: 9 }
  t.strictSame(decodeJson(EVENT, { ...EVENT_LEAST, ...all }).message, { ...least, ...told })
})

for (const field of Object.keys(EVENT_LEAST)) {
  t.test(`EVENT: refuses one without ${field}`, async t => {
    const { [field as keyof typeof EVENT_LEAST]: _absent, ...rest } = EVENT_LEAST
    t.match(refusalOf(EVENT, rest), { code: 'malformed', details: { field } })
  })
}
for (const fields of [{ event: 'finishing' }, { watch: 'x' }, { sequence: -1 }, { state: 'x' }, { size: -1 }, { tags: [1] }]) {
  t.test(`EVENT: refuses ${JSON.stringify(fields)}`, async t => {
    t.match(refusalOf(EVENT, { ...EVENT_LEAST, ...fields }), { code: 'malformed' })
  })
}

t.test('an original client uses no ext, whatever unknown fields it adds', async t => {
  t.equal(decodeJson(AUTHENTICATION, { token: 't' }).usesExt, false)
  t.equal(
    decodeJson(AUTHENTICATION, { token: 't', fid: FID, tags: ['a'], files: [{ name: 'a', size: 1, colour: 'red' }], colour: 'red' })
      .usesExt,
    false,
  )
  t.equal(decodeJson(TRANSFER, { chunk: CHUNK, data: [1] }).usesExt, false)
  t.equal(decodeMessage(TRANSFER, msgpack({ 'message-id': ID, chunk: CHUNK, data: Uint8Array.of(1), colour: 'red' })).usesExt, false)
  t.equal(decodeJson(RESPONSE, { response: 'Ok' }).usesExt, false)
  t.equal(decodeJson(RESPONSE, { response: 'Error', reason: 'no' }).usesExt, false)
})

const EXT: [type: number, fields: Record<string, unknown>][] = [
  [AUTHENTICATION, { token: 't', 'chunk-size': 1 }],
  [AUTHENTICATION, { token: 't', acks: 'each' }],
  [AUTHENTICATION, { token: 't', 'missing-after': [0, 0] }],
  ...[{ size: null }, { digest: DIGEST }, { 'media-type': 'x' }, { modified: 1 }, { expires: 1 }, { tags: [] }, { meta: {} }].map(
    (fields): [number, Record<string, unknown>] => [AUTHENTICATION, { token: 't', ...oneFile(fields) }],
  ),
  [TRANSFER, { chunk: CHUNK, data: 'AAAA' }],
  [TRANSFER, { chunk: CHUNK, data: [], crc32: 1 }],
  [TRANSFER, { chunk: CHUNK, data: [], fetch: ID }],
  [RESPONSE, { response: 'Error', reason: '', code: 'busy' }],
  [RESPONSE, { response: 'Ok', fid: FID, chunks: [[0, 0, 1]] }],
  [FIND, {}],
  [FETCH, { digest: DIGEST }],
  [TAG, { fid: FID }],
  [REMOVE, { fid: FID }],
  [WATCH, {}],
]
for (const [type, fields] of EXT) {
  t.test(`type ${type} with ${JSON.stringify(fields)} uses ext`, async t => {
    t.equal(decodeJson(type, fields).usesExt, true)
  })
}

t.test('the operator\'s messages: what they need, and what is refused', async t => {
  const fid = '3f2504e0-4f89-41d3-9a0c-0305e82c3301'
  t.strictSame(decodeMessage(16, utf8(`{"message-id":"${ID}"}`)).message, { type: 16, messageId: ID, limit: 100 })
  t.equal(refusalOf(16, { fid }).details.field, 'user')
  t.equal(refusalOf(16, { limit: 1001 }).details.field, 'limit')
  t.equal(refusalOf(16, { user: 'u'.repeat(257) }).details.field, 'user')
  t.equal(refusalOf(17, { fid }).details.field, 'user')
  t.equal(refusalOf(17, { user: 'u' }).details.field, 'fid')
  t.equal(refusalOf(18, { reload: 'yes' }).details.field, 'reload')
})

t.test('an Ok may hold a map of anything', async t => {
  const result = { a: [1, { b: null }], c: 'd' }
  const { message } = decodeMessage(2, utf8(JSON.stringify({ 'message-id': ID, response: 'Ok', result })))
  t.strictSame(message, { type: 2, messageId: ID, response: 'Ok', result })
  t.equal(refusal(() => decodeMessage(2, utf8(`{"message-id":"${ID}","response":"Ok","result":[]}`))).code, 'malformed')
})
