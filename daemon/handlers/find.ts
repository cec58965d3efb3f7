/** FIND: the user's files that match, newest first, a page at a time (docs/protocol.md, FIND). */
import { type Encoding, type Find, MESSAGE_TYPE } from '../../protocol/messages.ts'
import { checkScope } from '../auth/rights.ts'
import { answerLater } from './later.ts'
import type { Session } from '../session.ts'

export function handleFind(session: Session, message: Find, encoding: Encoding): void {
  const identity = session.identity()
  checkScope(identity, MESSAGE_TYPE.FIND)
  answerLater(session, message, encoding, async () => {
    for (let limit = message.limit; ; limit = Math.ceil(limit / 2)) {
      const found = await session.services.library.find(identity.user, { ...message, limit })
      // Files with much `meta` may not fit into one frame: then the page is shorter, and `next` says where it goes on.
      const payload = session.fittingOk(message.messageId, encoding, found)
      if (payload !== undefined || limit === 1) return payload ?? found
    }
  })
}
