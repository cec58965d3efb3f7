/** What may be put, and what is known of it before anybody says more: its source, name, media type and time of change. */
import { basename } from 'node:path'
import { TallyError } from '../protocol/index.ts'
import type { PutLabel } from './options.ts'
import { BlobSource, BytesSource, FileSource, type Source } from './source.ts'
import { type ByteStream, StreamSource } from './stream-source.ts'
import type { FileLabel } from './upload-file.ts'

/** The path of a file, a `Blob` (or `File`), bytes, or a stream of them: Node's, the web's, or anything that can be iterated. */
export type PutContent = string | Blob | Uint8Array | ByteStream

export interface Content {
  readonly source: Source
  readonly label: Partial<FileLabel>
}

/** Throws what the file system says, `not-a-file`, or a `TypeError` for what is no content. */
export async function openContent(content: PutContent): Promise<Content> {
  if (typeof content === 'string') {
    const source = await FileSource.open(content)
    return { source, label: { name: basename(content), modifiedMs: Number(source.identity.mtimeNs / 1_000_000n) } }
  }
  if (content instanceof Blob) return { source: new BlobSource(content), label: labelOfBlob(content) }
  if (content instanceof Uint8Array) return { source: new BytesSource(content), label: {} }
  if (isStream(content)) return { source: new StreamSource(content), label: {} }
  throw new TypeError('what is put must be a path, a Blob, bytes or a stream of bytes')
}

/** What is said of a file goes before what it says of itself. Throws `name-invalid` where nothing names it. */
export function labelOf(own: Partial<FileLabel>, { name, mediaType, modifiedMs, expiresMs, meta }: PutLabel): FileLabel {
  const named = name ?? own.name
  if (named === undefined) throw new TallyError('name-invalid', 'bytes and streams need a name', { field: 'name' })
  return {
    ...own,
    name: named,
    ...(mediaType === undefined ? {} : { mediaType }),
    ...(modifiedMs === undefined ? {} : { modifiedMs }),
    ...(expiresMs === undefined ? {} : { expiresMs }),
    ...(meta === undefined ? {} : { meta }),
  }
}

function labelOfBlob(blob: Blob): Partial<FileLabel> {
  const type = blob.type === '' ? {} : { mediaType: blob.type }
  return blob instanceof File ? { ...type, name: blob.name, modifiedMs: blob.lastModified } : type
}

function isStream(content: unknown): content is ByteStream {
  if (typeof content !== 'object' || content === null) return false
  return Symbol.asyncIterator in content || Symbol.iterator in content || 'getReader' in content
}
