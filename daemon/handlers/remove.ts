/**
 * REMOVE: a file, or a whole transfer with all of its files, finished or not (docs/protocol.md, REMOVE). Its Ok is as durable as a
 * chunk's. It is judged before the next message, so that a chunk sent after it finds the file gone.
 */
import { TallyError } from '../../protocol/errors.ts'
import { type Encoding, MESSAGE_TYPE, type Remove } from '../../protocol/messages.ts'
import { checkScope } from '../auth/rights.ts'
import type { Session } from '../session.ts'

export async function handleRemove(session: Session, message: Remove, encoding: Encoding): Promise<void> {
  const identity = session.identity()
  checkScope(identity, MESSAGE_TYPE.REMOVE)
  const { registry, collectGarbage } = session.services
  const holder = {}
  const opened = await registry.open(holder, identity.user, message.fid).catch(cause => {
    // To whoever removes, what is gone is not there.
    if (cause instanceof TallyError && cause.code === 'conflict') return undefined
    throw cause
  })
  if (opened === undefined) throw new TallyError('not-found', 'there is no such transfer')
  try {
    const removed = await registry.remove(opened.transfer, message.file)
    session.ok(message.messageId, encoding, { removed })
    collectGarbage()
  } finally {
    await registry.leave(opened.transfer, holder)
  }
}
