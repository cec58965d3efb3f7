/**
 * RESPONSE from a client: it answers a chunk of a FETCH, or a run of them, or ends a FETCH or a WATCH early. A RESPONSE is never answered
 * (docs/protocol.md, RESPONSE).
 */
import { TallyError } from '../../protocol/errors.ts'
import type { Response } from '../../protocol/messages.ts'
import { STEM_CHARS, type Session } from '../session.ts'

export function handleResponse(session: Session, message: Response): void {
  if (session.state.state !== 'ready') throw new TallyError('unauthenticated', 'an AUTHENTICATION has to come first')
  const { messageId } = message
  if (message.response === 'Error' && session.downloads.has(messageId)) {
    session.endDownload(messageId)
    session.closeIfDone()
    return
  }
  if (message.response === 'Error' && session.watches.has(messageId)) {
    session.endWatch(messageId)
    session.closeIfDone()
    return
  }
  const stem = messageId.slice(0, STEM_CHARS).toLowerCase()
  for (const open of session.downloads.values()) {
    if (open.stem !== stem) continue
    if (session.ended() === undefined) open.download?.answered(answeredCount(message))
    return
  }
}

/** A refused chunk is answered too: the client asks for it again with `missing`. */
function answeredCount(message: Response): number {
  if (message.response === 'Error' || message.chunks === undefined) return 1
  return message.chunks.reduce((sum, [, , count]) => sum + count, 0)
}
