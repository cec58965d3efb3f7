/**
 * Plain maps to messages: for each type its fields, in the order of docs/protocol.md, "Messages". A message that comes out has every
 * required field, each of its type and within its limit; what needs knowledge of users, transfers or files is judged elsewhere.
 */
import { TallyError } from './errors.ts'
import { count, countWithin, digest, fid, integer, list, meta, name, oneOf, optional, place, plainMap, required, runs, sizeOrUnknown,
  tags, textWithin, tooManyTags, uuid } from './fields.ts'
import { uuidToWords } from './chunk-id.ts'
import { CHUNK_SIZE_BYTES_MAX, CHUNKS_PER_FILE_MAX, CURSOR_BYTES_MAX, FILES_MAX, FIND_LIMIT_DEFAULT, FIND_LIMIT_MAX, FIND_TAGS_MAX,
  MEDIA_TYPE_BYTES_MAX, TAGS_PER_FILE_MAX, TOKEN_BYTES_MAX } from './limits.ts'
import { type Authentication, type ChunkWords, type Fetch, type FileAnnouncement, type Find, MESSAGE_TYPE, type Message,
  type Query, type Remove, type Run, type Tag, type Transfer, type Watch } from './messages.ts'
import type { Plain, PlainMap } from './payload.ts'
import { present, type Told } from './present.ts'
import { malformed } from './refused.ts'
import type { FrameType } from './text-frame.ts'
import { event, state } from './validate-file.ts'
import { settings, status, why } from './validate-operator.ts'
import { response, usesExtInResponse } from './validate-response.ts'

const chunkSize = countWithin(1, CHUNK_SIZE_BYTES_MAX)
const acks = oneOf('each', 'ranges')
const findTags = tags(FIND_TAGS_MAX)
const fileTags = tags(TAGS_PER_FILE_MAX)

/** The message that a map is, by the frame's type. Throws `malformed`, `unsupported-type` and the codes of the limits of section 3.1. */
export function validate(type: FrameType, map: PlainMap): Message {
  const messageId = required(map, 'message-id', uuid)
  switch (type) {
    case MESSAGE_TYPE.AUTHENTICATION: return authentication(messageId, map)
    case MESSAGE_TYPE.RESPONSE: return response(messageId, map)
    case MESSAGE_TYPE.TRANSFER: return transfer(messageId, map)
    case MESSAGE_TYPE.FIND: return find(messageId, map)
    case MESSAGE_TYPE.FETCH: return fetch(messageId, map)
    case MESSAGE_TYPE.TAG: return tag(messageId, map)
    case MESSAGE_TYPE.REMOVE: return remove(messageId, map)
    case MESSAGE_TYPE.WATCH: return watch(messageId, map)
    case MESSAGE_TYPE.EVENT: return event(messageId, map)
    case MESSAGE_TYPE.STATUS: return status(messageId, map)
    case MESSAGE_TYPE.WHY: return why(messageId, map)
    case MESSAGE_TYPE.SETTINGS: return settings(messageId, map)
    default: throw new TallyError('unsupported-type', `messages of type ${type} are not known here`, { type })
  }
}

/** Whether a valid message uses anything beyond the original protocol (base64 apart, which the payload tells). */
export function usesExt(type: FrameType, map: PlainMap): boolean {
  switch (type) {
    case MESSAGE_TYPE.AUTHENTICATION: return has(map, AUTHENTICATION_EXT) || ((map.files ?? []) as PlainMap[]).some(fileUsesExt)
    case MESSAGE_TYPE.RESPONSE: return usesExtInResponse(map)
    case MESSAGE_TYPE.TRANSFER: return has(map, TRANSFER_EXT)
    default: return true
  }
}

const AUTHENTICATION_EXT = ['chunk-size', 'acks', 'missing-after']
const FILE_EXT = ['digest', 'media-type', 'modified', 'expires', 'tags', 'meta']
const TRANSFER_EXT = ['crc32', 'fetch']

function fileUsesExt(file: PlainMap): boolean {
  return file.size === null || has(file, FILE_EXT)
}

function has(map: PlainMap, fields: readonly string[]): boolean {
  return fields.some(field => map[field] !== undefined)
}

function authentication(messageId: string, map: PlainMap): Authentication {
  const shared = optional(map, 'tags', fileTags) ?? []
  return present<Authentication>({
    type: MESSAGE_TYPE.AUTHENTICATION,
    messageId,
    token: required(map, 'token', textWithin(TOKEN_BYTES_MAX)),
    files: optional(map, 'files', announcements(shared)) ?? [],
    fid: optional(map, 'fid', fid),
    tags: shared,
    chunkSizeBytes: optional(map, 'chunk-size', chunkSize),
    acks: optional(map, 'acks', acks),
    missingAfter: optional(map, 'missing-after', place),
  })
}

function announcements(shared: readonly string[]): (value: Plain, field: string) => FileAnnouncement[] {
  return (value, field) => {
    const files = list(value, field)
    if (files.length > FILES_MAX) throw new TallyError('too-many-files', `more than ${FILES_MAX} files`, { field, limit: FILES_MAX })
    return files.map((file, index) => announcement(plainMap(file, `${field}[${index}]`), `${field}[${index}].`, shared))
  }
}

function announcement(map: PlainMap, path: string, shared: readonly string[]): FileAnnouncement {
  const own = optional(map, 'tags', fileTags, path)
  if (own !== undefined && new Set([...shared, ...own]).size > TAGS_PER_FILE_MAX) throw tooManyTags(`${path}tags`, TAGS_PER_FILE_MAX)
  return present<FileAnnouncement>({
    name: required(map, 'name', name, path),
    sizeBytes: required(map, 'size', sizeOrUnknown, path),
    digest: optional(map, 'digest', digest, path),
    mediaType: optional(map, 'media-type', textWithin(MEDIA_TYPE_BYTES_MAX), path),
    modifiedMs: optional(map, 'modified', integer, path),
    expiresMs: optional(map, 'expires', count, path),
    tags: own,
    meta: optional(map, 'meta', meta, path),
  })
}

function transfer(messageId: string, map: PlainMap): Transfer {
  return present<Transfer>({
    type: MESSAGE_TYPE.TRANSFER,
    messageId,
    chunk: required(map, 'chunk', chunk),
    data: required(map, 'data', data),
    crc32: optional(map, 'crc32', countWithin(0, 0xffff_ffff)),
    fetch: optional(map, 'fetch', uuid),
  })
}

function chunk(value: Plain, field: string): ChunkWords {
  return uuidToWords(uuid(value, field)) as ChunkWords
}

function data(value: Plain, field: string): Uint8Array {
  if (!(value instanceof Uint8Array)) throw malformed(`${field} is no bytes`, field)
  return value
}

function find(messageId: string, map: PlainMap): Find {
  return present<Find>({
    type: MESSAGE_TYPE.FIND,
    messageId,
    ...query(map),
    sizeBytes: optional(map, 'size', count),
    limit: optional(map, 'limit', countWithin(1, FIND_LIMIT_MAX)) ?? FIND_LIMIT_DEFAULT,
    after: optional(map, 'after', textWithin(CURSOR_BYTES_MAX)),
  })
}

/** The conditions of FIND and WATCH. */
function query(map: PlainMap): Told<Query> {
  const all = optional(map, 'tags', findTags) ?? []
  const any = optional(map, 'any-tags', findTags) ?? []
  const not = optional(map, 'not-tags', findTags) ?? []
  if (all.length + any.length + not.length > FIND_TAGS_MAX) throw tooManyTags('tags', FIND_TAGS_MAX)
  return { tags: all, anyTags: any, notTags: not, name: optional(map, 'name', name), state: optional(map, 'state', state) }
}

/** Either fid and file, or a digest; either runs of chunks, or a range of bytes, or the whole. */
function fetch(messageId: string, map: PlainMap): Fetch {
  const message = present<Fetch>({
    type: MESSAGE_TYPE.FETCH,
    messageId,
    fid: optional(map, 'fid', fid),
    file: optional(map, 'file', count),
    digest: optional(map, 'digest', digest),
    missing: optional(map, 'missing', ascending),
    offsetBytes: optional(map, 'offset', count),
    lengthBytes: optional(map, 'length', count),
    chunkSizeBytes: optional(map, 'chunk-size', chunkSize),
    acks: optional(map, 'acks', acks),
    window: optional(map, 'window', countWithin(1, Number.MAX_SAFE_INTEGER)),
  })
  const byDigest = message.digest !== undefined
  if (byDigest && (message.fid !== undefined || message.file !== undefined)) throw malformed('a digest beside fid and file', 'digest')
  if (!byDigest && message.fid === undefined) throw malformed('neither fid nor digest', 'fid')
  if (!byDigest && message.file === undefined) throw malformed('a fid without file', 'file')
  const byRange = message.offsetBytes !== undefined || message.lengthBytes !== undefined
  if (message.missing !== undefined && byRange) throw malformed('runs beside a range of bytes', 'missing')
  return message
}

/** Runs of at least one chunk that neither overlap nor go back. */
function ascending(value: Plain, field: string): Run[] {
  let end = 0
  const all = runs(value, field)
  for (const [first, length] of all) {
    const from = end
    end = first + length
    if (first < from || length < 1 || end > CHUNKS_PER_FILE_MAX) throw malformed(`${field} is not ascending`, field, CHUNKS_PER_FILE_MAX)
  }
  return all
}

function tag(messageId: string, map: PlainMap): Tag {
  return present<Tag>({
    type: MESSAGE_TYPE.TAG,
    messageId,
    fid: required(map, 'fid', fid),
    file: optional(map, 'file', count),
    add: optional(map, 'add', fileTags) ?? [],
    remove: optional(map, 'remove', fileTags) ?? [],
  })
}

function remove(messageId: string, map: PlainMap): Remove {
  return present<Remove>({
    type: MESSAGE_TYPE.REMOVE,
    messageId,
    fid: required(map, 'fid', fid),
    file: optional(map, 'file', count),
  })
}

function watch(messageId: string, map: PlainMap): Watch {
  return present<Watch>({ type: MESSAGE_TYPE.WATCH, messageId, ...query(map), since: optional(map, 'since', count) })
}
