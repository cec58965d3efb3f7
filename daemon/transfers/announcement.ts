/**
 * What AUTHENTICATION says about files, against what is known: a new transfer's records, or the changes to one that exists.
 * Names, sizes and order must be the same; a null size or an absent digest may be told late; tags are merged; everything else absent
 * means "as before" (docs/protocol.md, AUTHENTICATION).
 */
import { TallyError } from '../../protocol/errors.ts'
import { writeMsgpack } from '../../protocol/msgpack.ts'
import { CHUNKS_PER_FILE_MAX, CHUNK_SIZE_BYTES_DEFAULT, TAGS_PER_FILE_MAX } from '../../protocol/limits.ts'
import type { Authentication, FileAnnouncement } from '../../protocol/messages.ts'
import type { Amendment, NewFile, NewTransfer } from '../storage/storage.ts'
import { EMPTY_DIGEST } from './finish.ts'
import type { Upload } from './upload.ts'

/** The records of a transfer that is not known yet. Throws `file-too-big`, `tag-invalid`, `digest-mismatch` (of an empty file). */
export function newTransfer(
  message: Authentication, user: string, fid: string, fileBytesMax: number, nowMs: number, keptMs: (tag: string) => number | undefined = () => undefined,
): NewTransfer {
  const chunkSizeBytes = message.chunkSizeBytes ?? CHUNK_SIZE_BYTES_DEFAULT
  const files = message.files.map((file, number): NewFile => {
    if (file.sizeBytes !== null) checkSize(file.sizeBytes, chunkSizeBytes, fileBytesMax)
    if (file.sizeBytes === 0) checkEmptyDigest(file.digest)
    const tags = mergeTags([], message.tags, file.tags, number)
    return {
      name: file.name,
      sizeBytes: file.sizeBytes,
      digest: file.digest ?? null,
      mediaType: file.mediaType ?? null,
      modifiedMs: file.modifiedMs ?? null,
      expiresMs: file.expiresMs ?? expiryByTags(tags, keptMs, nowMs),
      meta: file.meta === undefined ? null : writeMsgpack(file.meta),
      tags,
    }
  })
  return {
    user,
    fid,
    chunkSizeBytes,
    acks: message.acks ?? 'each',
    madeByDaemon: message.fid === undefined,
    files,
    nowMs,
  }
}

/** The shortest of the tags' rules holds. */
function expiryByTags(tags: readonly string[], keptMs: (tag: string) => number | undefined, nowMs: number): number | null {
  const kept = tags.flatMap(tag => keptMs(tag) ?? [])
  return kept.length === 0 ? null : nowMs + Math.min(...kept)
}

/** The changes to a known transfer. Throws `conflict`, and what a new one throws; one that throws has changed nothing. */
export function amendment(
  message: Authentication, transfer: number, uploads: readonly Upload[], tags: readonly (readonly string[])[], fileBytesMax: number,
): Amendment {
  if (message.files.length > 0 && message.files.length !== uploads.length) {
    throw new TallyError('conflict', `the transfer has ${uploads.length} files, not ${message.files.length}`, { state: 'open' })
  }
  const files: Amendment['files'][number][] = []
  for (const upload of uploads) {
    if (upload.state === 'removed') {
      const again = message.files[upload.number]
      if (again !== undefined) checkSame(upload, again)
      continue
    }
    const told = message.files[upload.number]
    const before = tags[upload.number] ?? []
    const merged = mergeTags(before, message.tags, told?.tags, upload.number)
    const change = { id: upload.id, ...(merged.length > before.length ? { addTags: merged.slice(before.length) } : {}) }
    files.push(told === undefined ? change : { ...change, ...changesOf(upload, told, fileBytesMax) })
  }
  return {
    transfer,
    ...(message.acks === undefined ? {} : { acks: message.acks }),
    files: files.filter(change => Object.keys(change).length > 1),
  }
}

function changesOf(upload: Upload, told: FileAnnouncement, fileBytesMax: number): Omit<Amendment['files'][number], 'id'> {
  checkSame(upload, told)
  const sizeToldNow = upload.sizeBytes === null && told.sizeBytes !== null
  if (sizeToldNow && told.sizeBytes !== null) {
    checkSize(told.sizeBytes, upload.chunkSizeBytes, fileBytesMax)
    if (told.sizeBytes < upload.claimedBytes) {
      const reason = `file ${upload.number} has ${upload.claimedBytes} bytes already, more than the ${told.sizeBytes} told now`
      throw new TallyError('conflict', reason, { state: upload.state })
    }
    if (told.sizeBytes === 0) checkEmptyDigest(told.digest ?? upload.digest ?? undefined)
  }
  const digestToldNow = told.digest !== undefined && upload.digest === null
  if (told.digest !== undefined && !digestToldNow && told.digest !== upload.digest) {
    throw new TallyError('conflict', `file ${upload.number} was announced with another digest`, { state: upload.state })
  }
  if (digestToldNow && (upload.isComplete || upload.isFinishing)) {
    throw new TallyError('conflict', `file ${upload.number} is finishing: its digest can no longer be told`, { state: 'finishing' })
  }
  return {
    ...(sizeToldNow && told.sizeBytes !== null ? { sizeBytes: told.sizeBytes } : {}),
    ...(digestToldNow && told.digest !== undefined ? { digest: told.digest } : {}),
    ...(told.mediaType === undefined ? {} : { mediaType: told.mediaType }),
    ...(told.modifiedMs === undefined ? {} : { modifiedMs: told.modifiedMs }),
    ...(told.expiresMs === undefined ? {} : { expiresMs: told.expiresMs }),
    ...(told.meta === undefined ? {} : { meta: writeMsgpack(told.meta) }),
  }
}

/** A null size leaves a size that was told before as it is. */
function checkSame(upload: Upload, told: FileAnnouncement): void {
  const sameSize = told.sizeBytes === upload.sizeBytes || told.sizeBytes === null || upload.sizeBytes === null
  if (told.name !== upload.name || !sameSize) {
    throw new TallyError('conflict', `file ${upload.number} was announced with another name or size`, { state: upload.state })
  }
}

function checkSize(sizeBytes: number, chunkSizeBytes: number, fileBytesMax: number): void {
  const limit = Math.min(fileBytesMax, CHUNKS_PER_FILE_MAX * chunkSizeBytes)
  if (sizeBytes > limit) throw new TallyError('file-too-big', `a file may have ${limit} bytes in chunks of ${chunkSizeBytes}`, { limit })
}

function checkEmptyDigest(digest: string | undefined): void {
  if (digest === undefined || digest === EMPTY_DIGEST) return
  throw new TallyError('digest-mismatch', 'a file of 0 bytes has another digest', { expected: digest, actual: EMPTY_DIGEST })
}

/** What is there, then what is new, each once. */
function mergeTags(before: readonly string[], all: readonly string[], own: readonly string[] | undefined, file: number): string[] {
  const merged = [...new Set([...before, ...all, ...(own ?? [])])]
  if (merged.length > TAGS_PER_FILE_MAX) {
    throw new TallyError('tag-invalid', `file ${file} would have ${merged.length} tags`, { field: 'tags', limit: TAGS_PER_FILE_MAX })
  }
  return merged
}
