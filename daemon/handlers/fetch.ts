/**
 * FETCH: sends a stored file, or runs of its chunks, or a range of its bytes, in numbered chunks that the client answers
 * (docs/protocol.md, FETCH).
 */
import { v4 as uuidV4 } from 'uuid'
import { createHash } from 'node:crypto'
import { ChunkIds, uuidToBytes } from '../../protocol/chunk-id.ts'
import { TallyError, asTallyError } from '../../protocol/errors.ts'
import { CHUNK_SIZE_BYTES_DEFAULT } from '../../protocol/limits.ts'
import { type Encoding, type Fetch, MESSAGE_TYPE, type OkFields, type Transfer, type ValueMap } from '../../protocol/messages.ts'
import { parseMsgpack } from '../../protocol/msgpack.ts'
import { encodeTransferFrame, encodeTransferHead } from '../../protocol/transfer-frame.ts'
import { checkScope } from '../auth/rights.ts'
import { windowChunks } from '../flow.ts'
import { type OpenDownload, STEM_CHARS, type Session } from '../session.ts'
import { Download } from '../transfers/download.ts'
import type { OpenContent } from '../transfers/library.ts'
import { answerLater } from './later.ts'

const DOWNLOADS_MAX = 16
/** Below this a copy costs less than one more part of a write. */
const UNCOPIED_BYTES_MIN = 8192

export function handleFetch(session: Session, message: Fetch, encoding: Encoding): void {
  const identity = session.identity()
  checkScope(identity, MESSAGE_TYPE.FETCH)
  const { messageId } = message
  if (session.downloads.has(messageId)) throw new TallyError('malformed', 'a FETCH with this id is under way', { field: 'message-id' })
  if (session.downloads.size >= DOWNLOADS_MAX) {
    throw new TallyError('busy', `a connection may have ${DOWNLOADS_MAX} fetches`, { limit: DOWNLOADS_MAX, 'retry-after': 100 })
  }
  // Message-ids of our own are a random stem and a counter: unique, and made without a random number for each.
  const open: OpenDownload = { download: undefined, stem: uuidV4().slice(0, STEM_CHARS), encoding }
  session.downloads.set(messageId, open)
  answerLater(session, message, encoding, async () => {
    try {
      const wanted = message.digest === undefined
        ? { fid: message.fid as string, file: message.file as number }
        : { digest: message.digest }
      const opened = await session.services.library.open(identity.user, wanted).catch(cause => {
        throw naming(cause, message.file ?? 0)
      })
      // The client, its connection or its user may have gone since.
      if (session.downloads.get(messageId) !== open) {
        await opened.reader.close()
        throw new TallyError('not-found', 'the FETCH was ended')
      }
      return begin(session, message, open, opened)
    } catch (cause) {
      if (session.downloads.get(messageId) === open) session.downloads.delete(messageId)
      throw cause
    }
  }, () => (session.isInputOver ? open.download?.endWhenStalled() : open.download?.resume()))
}

/** What the Ok says; the chunks follow it. */
function begin(session: Session, message: Fetch, open: OpenDownload, opened: OpenContent): OkFields {
  const { content, reader } = opened
  const { messageId } = message
  const { encoding, stem } = open
  const chunkSizeBytes = message.chunkSizeBytes ?? CHUNK_SIZE_BYTES_DEFAULT
  const window = Math.min(message.window ?? Infinity, windowChunks(chunkSizeBytes))
  let runs: Float64Array
  try {
    runs = runsOf(message, content.sizeBytes, chunkSizeBytes)
  } catch (cause) {
    void reader.close()
    throw cause
  }
  const ids = chunkIdsOf(content.fid)
  let sent = 0
  const over = () => {
    session.downloads.delete(messageId)
    session.closeIfDone()
  }
  open.download = new Download(reader, { sizeBytes: content.sizeBytes, chunkSizeBytes, runs, windowChunks: window }, {
    isReady: () => !session.connection.isBehind,
    chunk: (index, data) => {
      const id = `${stem}${(sent++).toString(16).padStart(12, '0')}`
      sendChunk(session, encoding, { type: MESSAGE_TYPE.TRANSFER, messageId: id, chunk: ids.encode(content.file, index), data, fetch: messageId })
    },
    whenSent: action => session.connection.whenWritten(action),
    done: () => {
      session.ok(messageId, encoding, { done: true })
      over()
    },
    stalled: over,
    failed: cause => {
      session.refuse(naming(cause, content.file), { messageId, encoding })
      over()
    },
  })
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
}

let latest: { readonly fid: string; readonly ids: ChunkIds } | undefined

/** Files of one transfer are often fetched one after the other. */
function chunkIdsOf(fid: string): ChunkIds {
  if (latest?.fid !== fid) latest = { fid, ids: new ChunkIds(createHash('sha256').update(uuidToBytes(fid)).digest()) }
  return latest.ids
}

/** In msgpack by the short way, and large data from where it was read to. */
function sendChunk(session: Session, encoding: Encoding, message: Transfer): void {
  const { connection } = session
  const { framing } = connection
  const { messageId, chunk, data, fetch } = message
  if (encoding !== 'msgpack' || framing === 'N') session.send(message, encoding)
  else if (data.length < UNCOPIED_BYTES_MIN) connection.sendFrame(encodeTransferFrame(framing, messageId, chunk, data, fetch))
  else connection.sendFrame(encodeTransferHead(framing, messageId, chunk, data.length, fetch), data)
}

/** Damage is told with the number of the file that has it; everything else as it is. */
function naming(cause: unknown, file: number): TallyError {
  const error = asTallyError(cause)
  if (error.code !== 'content-damaged') return error
  return new TallyError('content-damaged', 'what is stored no longer has its digest: put the same file again, and only its damaged blocks are sent', { file }, { cause })
}

/** Whole chunks that cover what is asked for, as `DownloadPlan.runs`. Throws `malformed` where that is outside the file. */
function runsOf(message: Fetch, sizeBytes: number, chunkSizeBytes: number): Float64Array {
  const count = Math.ceil(sizeBytes / chunkSizeBytes)
  if (message.missing !== undefined) {
    const outside = message.missing.some(([first, length]) => first + length > count)
    if (outside) throw new TallyError('malformed', `the file has ${count} chunks`, { field: 'missing' })
    return Float64Array.from(message.missing.filter(([, length]) => length > 0).flat())
  }
  const offset = Math.min(message.offsetBytes ?? 0, sizeBytes)
  const end = Math.min(offset + (message.lengthBytes ?? Infinity), sizeBytes)
  if (end <= offset) return new Float64Array(0)
  const first = Math.floor(offset / chunkSizeBytes)
  return Float64Array.of(first, Math.ceil(end / chunkSizeBytes) - first)
}
