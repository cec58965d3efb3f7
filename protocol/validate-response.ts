/**
 * RESPONSE as either side reads it. Which fields an Ok carries follows from what it answers, so all are read where they stand; errors
 * are read leniently, because a newer peer may have codes that we do not know.
 */
import { type ErrorDetails, isErrorCode } from './errors.ts'
import {
  arrayOf, count, counts, digest, fid, list, meta, oneOf, optional, place, plainMap, required, runs, text, valueMap,
} from './fields.ts'
import { type ErrorResponse, type FileReport, type FoundFile, MESSAGE_TYPE, type OkFields, type OkResponse,
  type Response } from './messages.ts'
import type { Plain, PlainMap } from './payload.ts'
import { present } from './present.ts'
import { foundFile, state } from './validate-file.ts'

const texts = arrayOf(text)
const ERROR_FIELDS = new Set(['message-id', 'response', 'reason', 'code', 'fatal'])
/** What an Ok or an Error of the original protocol does not have. */
const RESPONSE_EXT = ['code', 'fatal', 'fid', 'chunks', 'window', 'done']

export function usesExtInResponse(map: PlainMap): boolean {
  return RESPONSE_EXT.some(field => map[field] !== undefined)
}

/** Throws `malformed`. */
export function response(messageId: string, map: PlainMap): Response {
  if (required(map, 'response', oneOf('Ok', 'Error')) === 'Error') return errorResponse(messageId, map)
  const ok = okFields(map) as OkResponse
  return { ...ok, type: MESSAGE_TYPE.RESPONSE, messageId, response: 'Ok' }
}

function errorResponse(messageId: string, map: PlainMap): ErrorResponse {
  const details = detailsOf(map)
  return present<ErrorResponse>({
    type: MESSAGE_TYPE.RESPONSE,
    messageId,
    response: 'Error',
    reason: typeof map.reason === 'string' ? map.reason : '',
    code: isErrorCode(map.code) ? map.code : undefined,
    fatal: typeof map.fatal === 'boolean' ? map.fatal : undefined,
    details: Object.keys(details).length > 0 ? details : undefined,
  })
}

/** Every other field with a plain value; what is nested is dropped. */
function detailsOf(map: PlainMap): ErrorDetails {
  const details: Record<string, string | number | boolean | null> = {}
  for (const [key, value] of Object.entries(map)) {
    if (ERROR_FIELDS.has(key)) continue
    if (typeof value === 'bigint') details[key] = Number(value)
    else if (typeof value !== 'object' || value === null) details[key] = value
  }
  return details
}

function okFields(map: PlainMap): OkFields {
  return present<OkFields>({
    fid: optional(map, 'fid', fid),
    user: optional(map, 'user', text),
    file: optional(map, 'file', count),
    name: optional(map, 'name', text),
    sizeBytes: optional(map, 'size', count),
    digest: optional(map, 'digest', digest),
    tags: optional(map, 'tags', texts),
    meta: optional(map, 'meta', meta),
    chunkSizeBytes: optional(map, 'chunk-size', count),
    window: optional(map, 'window', count),
    files: optional(map, 'files', files),
    more: optional(map, 'more', place),
    stored: optional(map, 'stored', stored),
    chunks: optional(map, 'chunks', arrayOf(chunkRun)),
    next: optional(map, 'next', text),
    sequence: optional(map, 'sequence', count),
    truncated: map.truncated === true ? true : undefined,
    done: map.done === true ? true : undefined,
    removed: optional(map, 'removed', count),
    result: optional(map, 'result', valueMap),
  })
}

/** What AUTHENTICATION reports has `missing`, what FIND lists has not. */
function files(value: Plain, field: string): FileReport[] | FoundFile[] {
  const maps = list(value, field).map(file => plainMap(file, field))
  if (maps[0]?.missing !== undefined) return maps.map(map => fileReport(map, `${field}.`))
  return maps.map(map => foundFile(map, `${field}.`))
}

function fileReport(map: PlainMap, path: string): FileReport {
  return present<FileReport>({
    state: required(map, 'state', state, path),
    missing: required(map, 'missing', runs, path),
    chunkSizeBytes: optional(map, 'chunk-size', count, path),
    digest: optional(map, 'digest', digest, path),
    expiresMs: optional(map, 'expires', count, path),
  })
}

function chunkRun(value: Plain, field: string): readonly [file: number, first: number, count: number] {
  return counts(value, field, 3) as unknown as readonly [number, number, number]
}

function stored(value: Plain, field: string): { file: number; digest: string } {
  const map = plainMap(value, field)
  return { file: required(map, 'file', count, `${field}.`), digest: required(map, 'digest', digest, `${field}.`) }
}
