/**
 * FETCH: sends a stored file, or runs of its chunks, or a range of its bytes, in numbered chunks that the client answers
 * (docs/protocol.md, FETCH).
 */
import { v4 as uuidV4 } from 'uuid'
import { createHash } from 'node:crypto'
import { ChunkIds, uuidToBytes } from '../../protocol/chunk-id.ts'
import { TallyError } from '../../protocol/errors.ts'
import { CHUNK_SIZE_BYTES_DEFAULT } from '../../protocol/limits.ts'
import { type Encoding, type Fetch, MESSAGE_TYPE, type Run, type ValueMap } from '../../protocol/messages.ts'
import { parseMsgpack } from '../../protocol/msgpack.ts'
import { checkScope } from '../auth/rights.ts'
import { STEM_CHARS, type Session } from '../session.ts'
import { asTallyError } from '../transfers/commit.ts'
import { Download } from '../transfers/download.ts'
import type { OpenContent } from '../transfers/library.ts'
import { answerLater } from './later.ts'

const WINDOW_BYTES = 8_388_608
const WINDOW_CHUNKS_MAX = 8192
const WINDOW_CHUNKS_MIN = 4
const DOWNLOADS_MAX = 64

export function handleFetch(session: Session, message: Fetch, encoding: Encoding): void {
  const identity = session.identity()
  checkScope(identity, MESSAGE_TYPE.FETCH)
  if (session.downloads.size >= DOWNLOADS_MAX) {
    throw new TallyError('busy', `a connection may have ${DOWNLOADS_MAX} fetches`, { limit: DOWNLOADS_MAX, 'retry-after': 100 })
  }
  answerLater(session, message, encoding, async () => {
    const wanted = message.digest === undefined
      ? { fid: message.fid as string, file: message.file as number }
      : { digest: message.digest }
    const opened = await session.services.library.open(identity.user, wanted).catch(cause => {
      throw naming(cause, message.file ?? 0)
    })
    const { content } = opened
    const chunkSizeBytes = message.chunkSizeBytes ?? CHUNK_SIZE_BYTES_DEFAULT
    const window = Math.min(message.window ?? Infinity, WINDOW_CHUNKS_MAX, Math.max(WINDOW_CHUNKS_MIN, Math.floor(WINDOW_BYTES / chunkSizeBytes)))
    const plan = { sizeBytes: content.sizeBytes, chunkSizeBytes, runs: runsOf(message, content.sizeBytes, chunkSizeBytes), windowChunks: window }
    begin(session, message, encoding, opened, plan)
    return {
      fid: content.fid,
      file: content.file,
      name: content.name,
      sizeBytes: content.sizeBytes,
      digest: content.digest,
      tags: content.tags,
      ...(content.meta === null ? {} : { meta: parseMsgpack(content.meta) as ValueMap }),
      chunkSizeBytes,
      window,
    }
  })
}

function begin(session: Session, message: Fetch, encoding: Encoding, opened: OpenContent, plan: ConstructorParameters<typeof Download>[1]): void {
  const { content, reader } = opened
  const ids = new ChunkIds(createHash('sha256').update(uuidToBytes(content.fid)).digest())
  const { messageId } = message
  // Message-ids of our own are a random stem and a counter: unique, and made without a random number for each.
  const stem = uuidV4().slice(0, STEM_CHARS)
  let sent = 0
  const download = new Download(reader, plan, {
    chunk: (index, data) => {
      const id = `${stem}${(sent++).toString(16).padStart(12, '0')}`
      session.send({ type: MESSAGE_TYPE.TRANSFER, messageId: id, chunk: ids.encode(content.file, index), data, fetch: messageId }, encoding)
      return !session.connection.isBehind
    },
    done: () => {
      session.downloads.delete(messageId)
      session.ok(messageId, encoding, { done: true })
      session.closeIfDone()
    },
    failed: cause => {
      session.downloads.delete(messageId)
      session.refuse(naming(cause, content.file), { messageId, encoding })
      session.closeIfDone()
    },
  })
  if (session.connection.isClosed) return download.end()
  session.downloads.set(messageId, { download, stem, encoding })
  // After the Ok, which is sent when this returns.
  setImmediate(() => download.resume())
}

/** Damage is told with the number of the file that has it; everything else as it is. */
function naming(cause: unknown, file: number): TallyError {
  const error = asTallyError(cause)
  if (error.code !== 'content-damaged') return error
  return new TallyError('content-damaged', 'what is stored no longer has its digest', { file }, { cause })
}

/** Whole chunks that cover what is asked for. Throws `malformed` where that is outside the file. */
function runsOf(message: Fetch, sizeBytes: number, chunkSizeBytes: number): readonly Run[] {
  const count = Math.ceil(sizeBytes / chunkSizeBytes)
  if (message.missing !== undefined) {
    for (const [first, length] of message.missing) {
      if (first + length > count) throw new TallyError('malformed', `the file has ${count} chunks`, { field: 'missing' })
    }
    return message.missing.filter(([, length]) => length > 0)
  }
  const offset = Math.min(message.offsetBytes ?? 0, sizeBytes)
  const end = Math.min(offset + (message.lengthBytes ?? Infinity), sizeBytes)
  if (end <= offset) return []
  const first = Math.floor(offset / chunkSizeBytes)
  return [[first, Math.ceil(end / chunkSizeBytes) - first]]
}
