/**
 * One field of a plain map at a time, with its type and its limit; the refusals of docs/protocol.md, "Errors", come from here. Which field
 * belongs to which message is validate.ts's matter.
 */
import { type ErrorCode, TallyError } from './errors.ts'
import { META_BYTES_MAX, NAME_BYTES_MAX, SIZE_BYTES_MAX, TAG_BYTES_MAX } from './limits.ts'
import type { Place, Run, Value, ValueMap } from './messages.ts'
import { writeMsgpack } from './msgpack.ts'
import type { Plain, PlainMap } from './payload.ts'
import { malformed } from './refused.ts'
import { utf8Length } from './utf8.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const DIGEST = /^sha256:[0-9a-f]{64}$/i
/** U+0000–1F and U+007F–9F. */
const CONTROL = /\p{Cc}/u

/** The reader of one kind of value: `field` is the name for the refusal. */
export type Read<T> = (value: Plain, field: string) => T

/** A field that must be there. */
export function required<T>(map: PlainMap, field: string, read: Read<T>, path = ''): T {
  const value = map[field]
  if (value === undefined) throw malformed(`${path}${field} is absent`, path + field)
  return read(value, path + field)
}

/** A field that may be absent; null is a value of the wrong type, not absence. */
export function optional<T>(map: PlainMap, field: string, read: Read<T>, path = ''): T | undefined {
  const value = map[field]
  return value === undefined ? undefined : read(value, path + field)
}

export function text(value: Plain, field: string): string {
  if (typeof value !== 'string') throw malformed(`${field} is no string`, field)
  return value
}

/** A string of at most so many bytes. */
export function textWithin(limit: number): Read<string> {
  return (value, field) => {
    const string = text(value, field)
    if (longer(string, limit)) throw malformed(`${field} has more than ${limit} bytes`, field, limit)
    return string
  }
}

export function isUuid(value: unknown): value is string {
  return typeof value === 'string' && UUID.test(value)
}

/** A UUID in the very characters received. */
export function uuid(value: Plain, field: string): string {
  if (!isUuid(value)) throw malformed(`${field} is no UUID`, field)
  return value
}

/** A fid: the canonical lower case. */
export function fid(value: Plain, field: string): string {
  return uuid(value, field).toLowerCase()
}

export function digest(value: Plain, field: string): string {
  if (typeof value !== 'string' || !DIGEST.test(value)) throw malformed(`${field} is no digest (sha256: and 64 hex digits)`, field)
  return value.toLowerCase()
}

/** An integer that JavaScript can hold exactly. */
export function integer(value: Plain, field: string): number {
  const number = typeof value === 'bigint' ? Number(value) : value
  if (!Number.isSafeInteger(number)) throw malformed(`${field} is no integer within 53 bits`, field)
  return number as number
}

/** An integer from 0 to 2^53 - 1. */
export function count(value: Plain, field: string): number {
  const number = integer(value, field)
  if (number < 0) throw malformed(`${field} is negative`, field)
  return number
}

export function countWithin(low: number, high: number): Read<number> {
  return (value, field) => {
    const number = integer(value, field)
    if (number < low || number > high) throw malformed(`${field} is not from ${low} to ${high}`, field, high)
    return number
  }
}

/** A size in bytes: what is too big for JavaScript is too big a file. */
export function size(value: Plain, field: string): number {
  if (tooBig(value)) throw new TallyError('file-too-big', `${field} is above 2^53 - 1`, { field, limit: SIZE_BYTES_MAX })
  return count(value, field)
}

export function sizeOrUnknown(value: Plain, field: string): number | null {
  return value === null ? null : size(value, field)
}

export function oneOf<T extends string>(...words: readonly T[]): Read<T> {
  return (value, field) => {
    if (!words.includes(value as T)) throw malformed(`${field} is none of ${words.join(', ')}`, field)
    return value as T
  }
}

export function arrayOf<T>(read: Read<T>): Read<T[]> {
  return (value, field) => list(value, field).map((item, index) => read(item, `${field}[${index}]`))
}

export function list(value: Plain, field: string): readonly Plain[] {
  if (!Array.isArray(value)) throw malformed(`${field} is no array`, field)
  return value
}

export function plainMap(value: Plain, field: string): PlainMap {
  const map = typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  if (!map) throw malformed(`${field} is no map`, field)
  return value as PlainMap
}

/** An array of exactly `length` counts. */
export function counts(value: Plain, field: string, length: number): number[] {
  const items = list(value, field)
  if (items.length !== length) throw malformed(`${field} has not ${length} numbers`, field)
  return items.map(item => count(item, field))
}

/** `[file, chunk]`. */
export function place(value: Plain, field: string): Place {
  return counts(value, field, 2) as unknown as Place
}

/** `[[first, count], …]`. */
export function runs(value: Plain, field: string): Run[] {
  return list(value, field).map(run => counts(run, field, 2) as unknown as Run)
}

/** A file's name is a label: 1 to 1024 bytes without NUL. */
export function name(value: Plain, field: string): string {
  return label(text(value, field), field, 'name-invalid', NAME_BYTES_MAX, string => string.includes('\0'))
}

/** A tag: 1 to 128 bytes without control characters. */
export function tag(value: Plain, field: string): string {
  return label(text(value, field), field, 'tag-invalid', TAG_BYTES_MAX, string => CONTROL.test(string))
}

/** At most so many different tags, in the order given. */
export function tags(limit: number): Read<string[]> {
  const all = arrayOf(tag)
  return (value, field) => {
    const different = [...new Set(all(value, field))]
    if (different.length > limit) throw tooManyTags(field, limit)
    return different
  }
}

export function tooManyTags(field: string, limit: number): TallyError {
  return new TallyError('tag-invalid', `${field}: more than ${limit} tags`, { field, limit })
}

/** A map that JSON and msgpack can both carry. Its bytes are copies, so it may be kept. */
export function valueMap(value: Plain, field: string): ValueMap {
  return keepable(plainMap(value, field), field) as ValueMap
}

export function boolean(value: Plain, field: string): boolean {
  if (typeof value !== 'boolean') throw malformed(`${field} is neither true nor false`, field)
  return value
}

/** Such a map of at most 16 KiB in msgpack. */
export function meta(value: Plain, field: string): ValueMap {
  const copy = valueMap(value, field)
  if (writeMsgpack(copy).length > META_BYTES_MAX) throw malformed(`${field} has more than ${META_BYTES_MAX} bytes`, field, META_BYTES_MAX)
  return copy
}

function keepable(value: Plain, field: string): Value {
  if (typeof value === 'bigint') return integer(value, field)
  if (typeof value === 'number' && !Number.isFinite(value)) throw malformed(`${field} has a number that is none`, field)
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return Uint8Array.from(value)
  if (Array.isArray(value)) return value.map(item => keepable(item, field))
  return Object.fromEntries(Object.entries(value as PlainMap).map(([key, item]) => [key, keepable(item, field)]))
}

function label(string: string, field: string, code: ErrorCode, limit: number, refused: (string: string) => boolean): string {
  if (string === '' || longer(string, limit)) throw new TallyError(code, `${field} has not 1 to ${limit} bytes`, { field, limit })
  if (refused(string)) throw new TallyError(code, `${field} has a character that is not allowed`, { field, limit })
  return string
}

function longer(string: string, limit: number): boolean {
  return string.length > limit || (string.length * 3 > limit && utf8Length(string) > limit)
}

function tooBig(value: Plain): boolean {
  if (typeof value === 'bigint') return value > BigInt(SIZE_BYTES_MAX)
  return Number.isInteger(value) && (value as number) > SIZE_BYTES_MAX
}

