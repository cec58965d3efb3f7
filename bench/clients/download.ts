/**
 * The lean downloading client: FETCH of a whole file, answered in ranges, written to a file in order and not hashed. So what is measured is
 * the daemon. Whoever asked for it compares the file with what it should be.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { ACK_RUNS_MAX, decodeMessage, MESSAGE_TYPE, type Transfer } from '../../protocol/index.ts'
import { answerTasks } from '../support/child.ts'
import type { Access } from '../support/daemon.ts'
import { chunkIdsOf, Link, logIn } from '../support/link.ts'

export interface DownloadTask {
  readonly access: Access
  readonly fid: string
  readonly chunkSizeBytes: number
  /** Written anew. */
  readonly path: string
}

/** Seconds from the FETCH to the end of the written file. */
export type DownloadResult = number

/** What one RESPONSE acknowledges, at least half a window being left to the daemon. */
const ACKNOWLEDGE_BYTES = 1024 * 1024

async function download({ access, fid, chunkSizeBytes, path }: DownloadTask): Promise<DownloadResult> {
  const link = await Link.open(access, 'msgpack')
  try {
    await logIn(link, access)
    const output = createWriteStream(path, { highWaterMark: 4 * 1024 * 1024 })
    const startMs = performance.now()
    await receive(link, fid, chunkSizeBytes, bytes => output.write(bytes))
    output.end()
    await once(output, 'finish')
    return (performance.now() - startMs) / 1000
  } finally {
    link.close()
  }
}

/** Resolves when the daemon says that all was answered. Rejects for a chunk that is not the next one. */
function receive(link: Link, fid: string, chunkSizeBytes: number, take: (bytes: Uint8Array) => void): Promise<void> {
  const ids = chunkIdsOf(fid)
  const messageId = randomUUID()
  let count = 0
  let chunksPerAnswer = 1
  let received = 0
  let answered = 0
  return new Promise((resolve, reject) => {
    const takeChunk = ({ chunk, data, messageId: latest }: Transfer): void => {
      if (ids.decode(chunk)?.chunk !== received) reject(new Error(`not the chunk number ${received}`))
      take(data)
      received += 1
      if (received - answered < chunksPerAnswer && received < count) return
      const runs = [[0, answered, received - answered]] as const
      answered = received
      link.send({ type: MESSAGE_TYPE.RESPONSE, messageId: latest, response: 'Ok', fid, chunks: runs })
    }
    link.failed = reject
    link.hook = (payload, type) => {
      const { message } = decodeMessage(type, payload)
      if (message.type === MESSAGE_TYPE.TRANSFER) takeChunk(message)
      else if (message.type !== MESSAGE_TYPE.RESPONSE || message.response !== 'Ok') reject(new Error(`FETCH: ${JSON.stringify(message)}`))
      else if (message.done === true) resolve()
      else {
        count = Math.ceil((message.sizeBytes ?? 0) / chunkSizeBytes)
        chunksPerAnswer = Math.max(1, Math.min(ACKNOWLEDGE_BYTES / chunkSizeBytes, (message.window ?? 1) / 2, ACK_RUNS_MAX))
      }
      return true
    }
    link.send({ type: MESSAGE_TYPE.FETCH, messageId, fid, file: 0, chunkSizeBytes, acks: 'ranges' })
  })
}

answerTasks<DownloadTask, DownloadResult>(download)
