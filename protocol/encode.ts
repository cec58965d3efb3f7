/**
 * Messages to plain maps: the wire's names, in the order of docs/protocol.md. The mirror of validate.ts.
 */
import { wordsToUuid } from './chunk-id.ts'
import { type Authentication, type Event, type Fetch, type FileAnnouncement, type FileReport, type Find, type FoundFile, MESSAGE_TYPE, type Message,
  type Query, type Remove, type Response, type Settings, type Status, type Tag, type Transfer, type Watch, type Why } from './messages.ts'
import type { Plain, PlainMap } from './payload.ts'
import { withoutUndefined } from './present.ts'

type Fields = { readonly [key: string]: Plain | undefined }

/** The map that stands for a message. A TRANSFER's data is bytes. */
export function toPlain(message: Message): PlainMap {
  return withoutUndefined(fieldsOf(message))
}

function fieldsOf(message: Message): Fields {
  switch (message.type) {
    case MESSAGE_TYPE.AUTHENTICATION: return authentication(message)
    case MESSAGE_TYPE.RESPONSE: return response(message)
    case MESSAGE_TYPE.TRANSFER: return transfer(message)
    case MESSAGE_TYPE.FIND: return find(message)
    case MESSAGE_TYPE.FETCH: return fetch(message)
    case MESSAGE_TYPE.TAG: return tag(message)
    case MESSAGE_TYPE.REMOVE: return remove(message)
    case MESSAGE_TYPE.WATCH: return watch(message)
    case MESSAGE_TYPE.EVENT: return event(message)
    case MESSAGE_TYPE.STATUS: return status(message)
    case MESSAGE_TYPE.WHY: return why(message)
    case MESSAGE_TYPE.SETTINGS: return settings(message)
  }
}

function authentication(message: Authentication): Fields {
  return {
    'message-id': message.messageId,
    token: message.token,
    files: some(message.files.map(announcement)),
    fid: message.fid,
    tags: some(message.tags),
    'chunk-size': message.chunkSizeBytes,
    acks: message.acks,
    'missing-after': message.missingAfter,
  }
}

function announcement(file: FileAnnouncement): PlainMap {
  return withoutUndefined({
    name: file.name,
    size: file.sizeBytes,
    digest: file.digest,
    'media-type': file.mediaType,
    modified: file.modifiedMs,
    expires: file.expiresMs,
    tags: file.tags,
    meta: file.meta,
  })
}

function response(message: Response): Fields {
  const head = { 'message-id': message.messageId, response: message.response }
  if (message.response === 'Error') {
    const own = { ...head, reason: message.reason, code: message.code, fatal: message.fatal === true ? true : undefined }
    // a detail neither stands before our own fields nor replaces one
    return { ...own, ...message.details, ...own }
  }
  return {
    ...head,
    fid: message.fid,
    user: message.user,
    file: message.file,
    name: message.name,
    size: message.sizeBytes,
    digest: message.digest,
    tags: message.tags,
    meta: message.meta,
    'chunk-size': message.chunkSizeBytes,
    window: message.window,
    files: message.files?.map(file => withoutUndefined('missing' in file ? fileReport(file) : foundFile(file))),
    more: message.more,
    stored: message.stored === undefined ? undefined : { file: message.stored.file, digest: message.stored.digest },
    chunks: message.chunks,
    next: message.next,
    sequence: message.sequence,
    truncated: message.truncated,
    done: message.done,
    removed: message.removed,
    result: message.result,
  }
}

function fileReport(file: FileReport): Fields {
  return { state: file.state, missing: file.missing, 'chunk-size': file.chunkSizeBytes, digest: file.digest, expires: file.expiresMs }
}

function foundFile(file: FoundFile | Event): Fields {
  return {
    fid: file.fid,
    file: file.file,
    name: file.name,
    size: file.sizeBytes,
    digest: file.digest,
    'media-type': file.mediaType,
    modified: file.modifiedMs,
    meta: file.meta,
    tags: file.tags,
    state: file.state,
    received: file.receivedBytes,
    created: file.createdMs,
    stored: file.storedMs,
    expires: file.expiresMs,
  }
}

function transfer(message: Transfer): Fields {
  return {
    'message-id': message.messageId,
    chunk: wordsToUuid(message.chunk),
    data: message.data,
    crc32: message.crc32,
    fetch: message.fetch,
  }
}

function find(message: Find): Fields {
  return { 'message-id': message.messageId, ...query(message), size: message.sizeBytes, limit: message.limit, after: message.after }
}

function query({ tags, anyTags, notTags, name, state }: Query): Fields {
  return { tags: some(tags), 'any-tags': some(anyTags), 'not-tags': some(notTags), name, state }
}

function fetch(message: Fetch): Fields {
  return {
    'message-id': message.messageId,
    fid: message.fid,
    file: message.file,
    digest: message.digest,
    missing: message.missing,
    offset: message.offsetBytes,
    length: message.lengthBytes,
    'chunk-size': message.chunkSizeBytes,
    acks: message.acks,
    window: message.window,
  }
}

function tag(message: Tag): Fields {
  return { 'message-id': message.messageId, fid: message.fid, file: message.file, add: some(message.add), remove: some(message.remove) }
}

function remove(message: Remove): Fields {
  return { 'message-id': message.messageId, fid: message.fid, file: message.file }
}

function watch(message: Watch): Fields {
  return { 'message-id': message.messageId, ...query(message), since: message.since }
}

function event(message: Event): Fields {
  const { messageId, watch, event, sequence } = message
  return { 'message-id': messageId, watch, event, sequence, ...foundFile(message) }
}

function status({ messageId, user, fid, limit, after }: Status): Fields {
  return { 'message-id': messageId, user, fid, limit, after }
}

function why({ messageId, user, fid }: Why): Fields {
  return { 'message-id': messageId, user, fid }
}

function settings({ messageId, reload }: Settings): Fields {
  return { 'message-id': messageId, reload: reload ? true : undefined }
}

/** An empty array means the same as none. */
function some<T>(items: readonly T[]): readonly T[] | undefined {
  return items.length > 0 ? items : undefined
}
