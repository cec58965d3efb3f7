/**
 * REMOVE: a file, or a whole transfer with all of its files, finished or not (docs/protocol.md, REMOVE). Its Ok is as durable as a
 * chunk's. It is judged before the next message, so that a chunk sent after it finds the file gone.
 */
import { type Encoding, MESSAGE_TYPE, type Remove } from '../../protocol/messages.ts'
import { checkScope } from '../auth/rights.ts'
import type { Session } from '../session.ts'
import { withKnownTransfer } from './known.ts'

export async function handleRemove(session: Session, message: Remove, encoding: Encoding): Promise<void> {
  const identity = session.identity()
  checkScope(identity, MESSAGE_TYPE.REMOVE)
  const { registry, collectGarbage } = session.services
  await withKnownTransfer(session, identity.user, message.fid, async transfer => {
    const removed = await registry.remove(transfer, message.file)
    session.ok(message.messageId, encoding, { removed })
    collectGarbage()
  })
}
