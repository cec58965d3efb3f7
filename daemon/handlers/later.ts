/**
 * Requests that are answered on their own time, beside what else the connection does: they wait for nobody and nobody waits for them,
 * up to a number.
 */
import { TallyError, asTallyError } from '../../protocol/errors.ts'
import { type Encoding, MESSAGE_TYPE, type OkFields } from '../../protocol/messages.ts'
import type { Session } from '../session.ts'

const REQUESTS_MAX = 64

/** An Ok's fields, or its payload (`Session.fittingOk`) where it was encoded already, to see whether it fits. */
export type LaterOk = OkFields | Uint8Array

/**
 * Answers the message with what the work gives, and calls `after` then, or with its error. Throws `busy` where too many are under way on
 * this connection.
 */
export function answerLater(
  session: Session, message: { messageId: string }, encoding: Encoding, work: () => Promise<LaterOk>, after: () => void = () => {},
): void {
  if (session.requests >= REQUESTS_MAX) {
    throw new TallyError('busy', `a connection may have ${REQUESTS_MAX} requests under way`, { limit: REQUESTS_MAX, 'retry-after': 100 })
  }
  const { messageId } = message
  session.requests++
  void work()
    .then(ok => {
      if (ok instanceof Uint8Array) session.connection.send(MESSAGE_TYPE.RESPONSE, ok)
      else session.ok(messageId, encoding, ok)
      after()
    })
    .catch(cause => session.refuse(asTallyError(cause), { messageId, encoding }))
    .finally(() => {
      session.requests--
      session.closeIfDone()
    })
}
