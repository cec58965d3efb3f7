/**
 * TAG: adds tags to a file, or to all files of a transfer, and takes tags away (docs/protocol.md, TAG). Its Ok is as durable as a chunk's.
 * It is judged before the next message, so that a FIND sent after it sees what it changed.
 */
import { type Encoding, MESSAGE_TYPE, type Tag } from '../../protocol/messages.ts'
import { checkScope } from '../auth/rights.ts'
import type { Session } from '../session.ts'
import { withKnownTransfer } from './known.ts'

export async function handleTag(session: Session, message: Tag, encoding: Encoding): Promise<void> {
  const identity = session.identity()
  checkScope(identity, MESSAGE_TYPE.TAG)
  await withKnownTransfer(session, identity.user, message.fid, async transfer => {
    const tags = await transfer.tag(message.file, message.add, message.remove)
    session.ok(message.messageId, encoding, { tags })
  })
}
