/**
 * Golden frames, written by hand: each header and each msgpack token as hex with its meaning beside it, JSON as its text. None of it
 * comes out of an encoder, so an encoder and a decoder that err in the same way are found out.
 */

export interface GoldenFrame {
  readonly name: string
  readonly framing: 'A' | 'B' | 'N'
  readonly type: number
  /** The whole frame. */
  readonly bytes: Uint8Array
  /** What our decoder makes of it; `data` as an array of numbers. */
  readonly message: Record<string, unknown>
  /** Whether our encoder writes these very bytes. */
  readonly exact: 'json' | 'json array' | 'msgpack' | undefined
}

export const ID = 'f81d4fae-7dec-41d0-a765-00a0c91e6bf6'
const FID = '6ba7b810-9dad-41d1-80b4-00c04fd430c8'
const CHUNK = '00000000-0001-8000-9ed4-ab89cecade19'

// str 8 (d9) of 36 (24) characters
const ID_STR = 'd924 66383164346661652d376465632d343164302d613736352d303061306339316536626636'
const FID_STR = 'd924 36626137623831302d396461642d343164312d383062342d303063303466643433306338'
const CHUNK_STR = 'd924 30303030303030302d303030312d383030302d396564342d616238396365636164653139'
// fixstr: a0 + length, then the characters
const MESSAGE_ID = 'aa 6d6573736167652d6964'
const TOKEN_T = 'a5 746f6b656e' + 'a1 74'
const TAGS_X = 'a4 74616773' + '91 a1 78'
const FILES_ONE = 'a5 66696c6573' + '91' + '82' + 'a4 6e616d65' + 'a2 c3a9' + 'a4 73697a65' + '03'
const RESPONSE_OK = 'a8 726573706f6e7365' + 'a2 4f6b'
const RESPONSE_ERROR = 'a8 726573706f6e7365' + 'a5 4572726f72' + 'a6 726561736f6e' + 'a2 6e6f'
const CHUNK_FIELD = 'a5 6368756e6b' + CHUNK_STR
const DATA_BIN = 'a4 64617461' + 'c403 007fff'
const ADD_X = 'a3 616464' + '91 a1 78'
const REMOVE_Y = 'a6 72656d6f7665' + '91 a1 79'
const FID_FIELD = 'a3 666964' + FID_STR
const SINCE_41 = 'a5 73696e6365' + '29'
const FILE_0 = 'a4 66696c65' + '00'

const auth = { type: 1, messageId: ID, token: 't', files: [{ name: 'é', sizeBytes: 3 }], tags: ['x'] }
const ok = { type: 2, messageId: ID, response: 'Ok' }
const report = { type: 2, messageId: ID, response: 'Ok', files: [{ state: 'stored', missing: [], expiresMs: 7 }] }
const error = { type: 2, messageId: ID, response: 'Error', reason: 'no' }
const transfer = { type: 3, messageId: ID, chunk: [0, 0x00018000, 0x9ed4ab89, 0xcecade19], data: [0, 127, 255] }
const find = { type: 4, messageId: ID, tags: ['x'], anyTags: [], notTags: [], limit: 100 }
const findOfSize = { type: 4, messageId: ID, tags: [], anyTags: [], notTags: [], sizeBytes: 3, limit: 100 }
const fetch = { type: 5, messageId: ID, fid: FID, file: 0 }
const tag = { type: 6, messageId: ID, fid: FID, file: 0, add: ['x'], remove: ['y'] }
const remove = { type: 7, messageId: ID, fid: FID }

const status = { type: 16, messageId: ID, limit: 100 }
const statusOfOne = { type: 16, messageId: ID, user: 'u', fid: FID, limit: 1, after: '7' }
const why = { type: 17, messageId: ID, user: 'u', fid: FID }
const settings = { type: 18, messageId: ID, reload: false }
const reload = { type: 18, messageId: ID, reload: true }
const watch = { type: 8, messageId: ID, tags: ['x'], anyTags: [], notTags: [], since: 41 }
const event = { type: 9, messageId: ID, watch: ID, event: 'stored', sequence: 42, fid: FID, file: 0, name: 'é', sizeBytes: 3, tags: ['x'] }
const receiving = { type: 9, messageId: ID, watch: ID, event: 'receiving', fid: FID, file: 0, name: 'é', sizeBytes: null, tags: [] }
// after the message-id: watch, event, sequence, fid, file, name, size, tags
const EVENT_FIELDS = 'a5 7761746368' + ID_STR + 'a5 6576656e74' + 'a6 73746f726564' + 'a8 73657175656e6365' + '2a' + FID_FIELD + FILE_0 +
  'a4 6e616d65' + 'a2 c3a9' + 'a4 73697a65' + '03' + TAGS_X

export const GOLDEN: readonly GoldenFrame[] = [
  // A: kind 02 = data, length of the payload, user-type.  B: length of user-type and payload, user-type.
  golden(
    'AUTHENTICATION',
    'A',
    auth,
    'json',
    '02 0000006f 01',
    `{"message-id":"${ID}","token":"t","files":[{"name":"é","size":3}],"tags":["x"]}`,
  ),
  golden(
    'AUTHENTICATION',
    'B',
    auth,
    'json',
    '00000070 01',
    `{"message-id":"${ID}","token":"t","files":[{"name":"é","size":3}],"tags":["x"]}`,
  ),
  golden('AUTHENTICATION', 'A', auth, 'msgpack', '02 00000058 01', '84', MESSAGE_ID, ID_STR, TOKEN_T, FILES_ONE, TAGS_X),
  golden('AUTHENTICATION', 'B', auth, undefined, '00000059 01', '84', TAGS_X, FILES_ONE, TOKEN_T, MESSAGE_ID, ID_STR),

  golden('RESPONSE Ok', 'A', ok, 'json', '02 00000045 02', `{"message-id":"${ID}","response":"Ok"}`),
  golden('RESPONSE Ok', 'B', ok, 'json', '00000046 02', `{"message-id":"${ID}","response":"Ok"}`),
  golden('RESPONSE Ok', 'A', ok, 'msgpack', '02 0000003e 02', '82', MESSAGE_ID, ID_STR, RESPONSE_OK),
  golden('RESPONSE Ok', 'B', ok, 'msgpack', '0000003f 02', '82', MESSAGE_ID, ID_STR, RESPONSE_OK),
  golden('RESPONSE Ok of AUTHENTICATION', 'B', report, 'json', '0000007c 02',
    `{"message-id":"${ID}","response":"Ok","files":[{"state":"stored","missing":[],"expires":7}]}`),
  golden('RESPONSE Error', 'A', error, 'json', '02 00000056 02', `{"message-id":"${ID}","response":"Error","reason":"no"}`),
  golden('RESPONSE Error', 'B', error, 'msgpack', '0000004c 02', '83', MESSAGE_ID, ID_STR, RESPONSE_ERROR),

  golden('TRANSFER', 'A', transfer, 'json array', '02 00000077 03', `{"message-id":"${ID}","chunk":"${CHUNK}","data":[0,127,255]}`),
  golden('TRANSFER', 'B', transfer, 'json array', '00000078 03', `{"message-id":"${ID}","chunk":"${CHUNK}","data":[0,127,255]}`),
  golden('TRANSFER, base64', 'A', transfer, 'json', '02 00000072 03', `{"message-id":"${ID}","chunk":"${CHUNK}","data":"AH//"}`),
  golden('TRANSFER', 'A', transfer, 'msgpack', '02 00000068 03', '83', MESSAGE_ID, ID_STR, CHUNK_FIELD, DATA_BIN),
  golden('TRANSFER', 'B', transfer, 'msgpack', '00000069 03', '83', MESSAGE_ID, ID_STR, CHUNK_FIELD, DATA_BIN),

  // map 16 (de) instead of a fixmap
  golden('FIND', 'A', find, 'json', '02 0000004e 04', `{"message-id":"${ID}","tags":["x"],"limit":100}`),
  golden('FIND', 'B', find, undefined, '0000003d 04', 'de0002', MESSAGE_ID, ID_STR, TAGS_X),
  golden('FIND of a size', 'B', findOfSize, 'json', '0000004b 04', `{"message-id":"${ID}","size":3,"limit":100}`),

  golden('FETCH', 'A', fetch, 'msgpack', '02 00000062 05', '83', MESSAGE_ID, ID_STR, FID_FIELD, FILE_0),
  golden('FETCH', 'B', fetch, 'json', '0000006c 05', `{"message-id":"${ID}","fid":"${FID}","file":0}`),

  golden('TAG', 'A', tag, 'msgpack', '02 00000073 06', '85', MESSAGE_ID, ID_STR, FID_FIELD, FILE_0, ADD_X, REMOVE_Y),
  golden('TAG', 'B', tag, 'json', '00000087 06', `{"message-id":"${ID}","fid":"${FID}","file":0,"add":["x"],"remove":["y"]}`),
  golden('TAG', 'N', tag, 'json', '', `{"type":"TAG","data":{"message-id":"${ID}","fid":"${FID}","file":0,"add":["x"],"remove":["y"]}}\f`),

  golden('REMOVE', 'A', remove, 'json', '02 00000062 07', `{"message-id":"${ID}","fid":"${FID}"}`),
  golden('REMOVE', 'B', remove, 'msgpack', '0000005d 07', '82', MESSAGE_ID, ID_STR, FID_FIELD),

  golden('WATCH', 'A', watch, 'msgpack', '02 00000041 08', '83', MESSAGE_ID, ID_STR, TAGS_X, SINCE_41),
  golden('WATCH', 'B', watch, 'json', '0000004e 08', `{"message-id":"${ID}","tags":["x"],"since":41}`),
  golden('EVENT', 'A', event, 'msgpack', '02 000000bb 09', '89', MESSAGE_ID, ID_STR, EVENT_FIELDS),
  golden('EVENT', 'B', event, 'msgpack', '000000bc 09', '89', MESSAGE_ID, ID_STR, EVENT_FIELDS),

  golden('STATUS', 'B', status, 'json', '00000042 10', `{"message-id":"${ID}","limit":100}`),
  golden('STATUS of one', 'B', statusOfOne, 'json', '00000084 10',
    `{"message-id":"${ID}","user":"u","fid":"${FID}","limit":1,"after":"7"}`),
  golden('WHY', 'B', why, 'json', '0000006e 11', `{"message-id":"${ID}","user":"u","fid":"${FID}"}`),
  golden('SETTINGS', 'B', settings, 'json', '00000036 12', `{"message-id":"${ID}"}`),
  golden('SETTINGS, reload', 'B', reload, 'json', '00000044 12', `{"message-id":"${ID}","reload":true}`),

  // N: the name of the type and the payload in JSON, then a form feed (0c), which needs no escape in a template
  golden('AUTHENTICATION', 'N', auth, 'json', '',
    `{"type":"AUTHENTICATION","data":{"message-id":"${ID}","token":"t","files":[{"name":"é","size":3}],"tags":["x"]}}\f`),
  golden('RESPONSE Ok', 'N', ok, 'json', '', `{"type":"RESPONSE","data":{"message-id":"${ID}","response":"Ok"}}\f`),
  golden('RESPONSE Error', 'N', error, undefined, '', `{"data" : {"message-id":"${ID}","response":"Error","reason":"no"}, "type": 2 }\f`),
  golden('TRANSFER, base64', 'N', transfer, 'json', '', `{"type":"TRANSFER","data":{"message-id":"${ID}","chunk":"${CHUNK}","data":"AH//"}}\f`),
  golden('TRANSFER', 'N', transfer, 'json array', '',
    `{"type":"TRANSFER","data":{"message-id":"${ID}","chunk":"${CHUNK}","data":[0,127,255]}}\f`),
  golden('FIND', 'N', find, 'json', '', `{"type":"FIND","data":{"message-id":"${ID}","tags":["x"],"limit":100}}\f`),
  golden('WATCH', 'N', watch, 'json', '', `{"type":"WATCH","data":{"message-id":"${ID}","tags":["x"],"since":41}}\f`),
  golden('EVENT', 'N', receiving, 'json', '',
    `{"type":"EVENT","data":{"message-id":"${ID}","watch":"${ID}","event":"receiving","fid":"${FID}","file":0,"name":"é","size":null,"tags":[]}}\f`),
  golden('FETCH', 'N', fetch, 'json', '', `{"type":"FETCH","data":{"message-id":"${ID}","fid":"${FID}","file":0}}\f`),
]

function golden(
  name: string,
  framing: 'A' | 'B' | 'N',
  message: { type: number },
  exact: GoldenFrame['exact'],
  header: string,
  ...payload: string[]
): GoldenFrame {
  const text = payload[0]?.startsWith('{') === true
  const body = text ? Buffer.from(payload.join('')) : Buffer.from(payload.join('').replaceAll(' ', ''), 'hex')
  const bytes = new Uint8Array(Buffer.concat([Buffer.from(header.replaceAll(' ', ''), 'hex'), body]))
  return { name: `${name}, ${framing}, ${text ? 'JSON' : 'msgpack'}`, framing, type: message.type, bytes, message, exact }
}
