/** RESPONSE as a client reads it: every field of an Ok, errors of newer peers, and what is malformed even there. */
import t from 'tap'
import {
  decodeMessage,
  encodeMessage,
  ERROR_CODES,
  type ErrorResponse,
  isErrorCode,
  MESSAGE_TYPE,
  type OkResponse,
  TallyError,
} from '../../protocol/index.ts'
import { DIGEST, decodeJson, FID, ID, msgpack, refusalOf } from './support.ts'

const { RESPONSE } = MESSAGE_TYPE
const read = (fields: Record<string, unknown>) => decodeJson(RESPONSE, fields).message
const found = {
  fid: FID,
  file: 2,
  name: 'n',
  size: 5,
  digest: DIGEST,
  'media-type': 'm',
  modified: -3,
  meta: { k: 1 },
  tags: ['t'],
  state: 'stored',
  received: 5,
  created: 1,
  stored: 2,
  expires: 9,
}

t.test('Ok: every field that some message adds', async t => {
  t.strictSame(
    read({
      response: 'Ok',
      fid: FID,
      user: 'ada',
      file: 1,
      name: '../x',
      size: 3,
      digest: DIGEST,
      tags: ['a', '\n'],
      meta: { a: null },
      'chunk-size': 1024,
      window: 7,
      files: [
        { state: 'receiving', missing: [[0, 3]], 'chunk-size': 5, digest: DIGEST },
        { state: 'stored', missing: [], expires: 9 },
      ],
      more: [1, 2],
      stored: { file: 0, digest: DIGEST },
      chunks: [[0, 1, 2]],
      next: 'c',
      sequence: 8,
      truncated: true,
      done: true,
      removed: 2,
      other: 'x',
    }),
    {
      fid: FID,
      user: 'ada',
      file: 1,
      name: '../x',
      sizeBytes: 3,
      digest: DIGEST,
      tags: ['a', '\n'],
      meta: { a: null },
      chunkSizeBytes: 1024,
      window: 7,
      files: [
        { state: 'receiving', missing: [[0, 3]], chunkSizeBytes: 5, digest: DIGEST },
        { state: 'stored', missing: [], expiresMs: 9 },
      ],
      more: [1, 2],
      stored: { file: 0, digest: DIGEST },
      chunks: [[0, 1, 2]],
      next: 'c',
      sequence: 8,
      truncated: true,
      done: true,
      removed: 2,
      type: 2,
      messageId: ID,
      response: 'Ok',
    },
  )
})

t.test('Ok: files of FIND are told from those of a report', async t => {
  const { fid, file, name, digest, tags, meta } = { ...found }
  const full = {
    fid,
    file,
    name,
    sizeBytes: 5,
    digest,
    mediaType: 'm',
    modifiedMs: -3,
    meta,
    tags,
    state: 'stored',
    receivedBytes: 5,
    createdMs: 1,
    storedMs: 2,
    expiresMs: 9,
  }
  t.strictSame((read({ response: 'Ok', files: [found] }) as OkResponse).files, [full])
  t.strictSame((read({ response: 'Ok', files: [] }) as OkResponse).files, [])
  const least = { fid, file, name, size: null, tags, state: 'receiving', received: 0, created: 1 }
  t.strictSame((read({ response: 'Ok', files: [least] }) as OkResponse).files, [
    { fid, file, name, sizeBytes: null, tags, state: 'receiving', receivedBytes: 0, createdMs: 1 },
  ])
})

for (const fields of [
  {},
  { response: 'ok' },
  { response: 'Ok', fid: 1 },
  { response: 'Ok', files: [1] },
  { response: 'Ok', files: [{ missing: [] }] },
  { response: 'Ok', files: [{}] },
  { response: 'Ok', more: [1] },
  { response: 'Ok', chunks: [[1, 2]] },
  { response: 'Ok', stored: {} },
  { response: 'Ok', stored: 1 },
  { response: 'Ok', window: -1 },
]) {
  t.test(`refuses ${JSON.stringify(fields)}`, async t => {
    t.match(refusalOf(RESPONSE, fields), { code: 'malformed', messageId: ID })
  })
}

t.test('Error: code, fatal and details, each where it stands', async t => {
  t.strictSame(
    read({
      response: 'Error',
      reason: 'r',
      code: 'file-too-big',
      fatal: false,
      limit: 5,
      field: 'size',
      ok: true,
      nothing: null,
      nested: { a: 1 },
      list: [1],
    }),
    {
      type: 2,
      messageId: ID,
      response: 'Error',
      reason: 'r',
      code: 'file-too-big',
      fatal: false,
      details: { limit: 5, field: 'size', ok: true, nothing: null },
    },
  )
  const wide = decodeMessage(
    RESPONSE,
    msgpack({ 'message-id': ID, response: 'Error', reason: 'r', limit: 5n, bytes: Uint8Array.of(1) }),
  ).message
  t.strictSame(wide, { type: 2, messageId: ID, response: 'Error', reason: 'r', details: { limit: 5 } })
})

t.test('Error: a code that is not known, or a missing reason, is no reason to fail', async t => {
  t.strictSame(read({ response: 'Error', code: 'from-the-future', reason: 'r' }), {
    type: 2,
    messageId: ID,
    response: 'Error',
    reason: 'r',
  })
  t.strictSame(read({ response: 'Error', code: 7, reason: 7, fatal: 'x' }), { type: 2, messageId: ID, response: 'Error', reason: '' })
})

t.test('Error: fatal is written only when true, details never replace our own fields', async t => {
  const error: ErrorResponse = {
    type: 2,
    messageId: ID,
    response: 'Error',
    reason: 'r',
    code: 'busy',
    fatal: false,
    details: { 'retry-after': 5, reason: 'no', 'message-id': 'no' },
  }
  t.strictSame(JSON.parse(Buffer.from(encodeMessage(error, 'json')).toString()), {
    'message-id': ID,
    response: 'Error',
    reason: 'r',
    code: 'busy',
    'retry-after': 5,
  })
  t.match(Buffer.from(encodeMessage({ ...error, fatal: true }, 'json')).toString(), /"fatal":true/)
})

t.test('every code of the table is a code, and knows whether it is fatal', async t => {
  for (const code of Object.keys(ERROR_CODES)) {
    t.ok(isErrorCode(code))
    t.equal(new TallyError(code as keyof typeof ERROR_CODES, '').fatal, ['message-too-large', 'shutting-down'].includes(code))
  }
  for (const other of ['toString', '', undefined, 5]) t.notOk(isErrorCode(other))
  const cause = new Error('first')
  t.equal(new TallyError('internal', '', {}, { cause }).cause, cause)
})
