/**
 * RESPONSE from a client: it answers a chunk of a FETCH, or a run of them, or ends a FETCH early. A RESPONSE is never answered
 * (docs/protocol.md, RESPONSE).
 */
import type { Response } from '../../protocol/messages.ts'
import type { Session } from '../session.ts'

export function handleResponse(session: Session, message: Response): void {
  session.identity()
  if (message.response === 'Error' && session.downloads.has(message.messageId)) {
    session.endDownload(message.messageId)
    session.closeIfDone()
    return
  }
  const download = session.sentChunks.get(message.messageId)
  if (download === undefined) return
  session.sentChunks.delete(message.messageId)
  if (message.response === 'Error' || message.chunks === undefined) download.answered(1)
  else download.answered(message.chunks.reduce((sum, [, , count]) => sum + count, 0))
}
