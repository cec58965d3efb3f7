/**
 * A file as the daemon tells of it, in FIND's Ok and in EVENT: read leniently, because its names and tags were judged when they were
 * announced.
 */
import { arrayOf, count, digest, fid, integer, meta, oneOf, optional, required, sizeOrUnknown, text, uuid } from './fields.ts'
import { type Event, type FileState, type FoundFile, MESSAGE_TYPE } from './messages.ts'
import type { PlainMap } from './payload.ts'
import { present, type Told } from './present.ts'

export const state = oneOf<FileState>('receiving', 'finishing', 'stored', 'removed')
const texts = arrayOf(text)

/** Throws `malformed`. */
export function foundFile(map: PlainMap, path: string): FoundFile {
  return present<FoundFile>({
    ...described(map, path),
    state: required(map, 'state', state, path),
    receivedBytes: required(map, 'received', count, path),
    createdMs: required(map, 'created', integer, path),
  })
}

/** Throws `malformed`. */
export function event(messageId: string, map: PlainMap): Event {
  return present<Event>({
    type: MESSAGE_TYPE.EVENT,
    messageId,
    watch: required(map, 'watch', uuid),
    event: required(map, 'event', oneOf('receiving', 'stored', 'tagged', 'removed')),
    sequence: optional(map, 'sequence', count),
    ...described(map, ''),
    state: optional(map, 'state', state),
    receivedBytes: optional(map, 'received', count),
    createdMs: optional(map, 'created', integer),
  })
}

/** What FIND always tells, and EVENT too. */
function described(map: PlainMap, path: string): Told<Omit<FoundFile, 'state' | 'receivedBytes' | 'createdMs'>> {
  return {
    fid: required(map, 'fid', fid, path),
    file: required(map, 'file', count, path),
    name: required(map, 'name', text, path),
    sizeBytes: required(map, 'size', sizeOrUnknown, path),
    digest: optional(map, 'digest', digest, path),
    mediaType: optional(map, 'media-type', text, path),
    modifiedMs: optional(map, 'modified', integer, path),
    meta: optional(map, 'meta', meta, path),
    tags: required(map, 'tags', texts, path),
    storedMs: optional(map, 'stored', integer, path),
    expiresMs: optional(map, 'expires', integer, path),
  }
}
