/** The way of TAG and REMOVE to the transfer that they name: their user's own, whether a connection has it open or not. */
import { TallyError } from '../../protocol/errors.ts'
import type { Session } from '../session.ts'
import type { LiveTransfer } from '../transfers/live-transfer.ts'

/**
 * Does the work with the transfer, which stays in memory meanwhile. Throws `not-found` where the user has none of this fid, or it is gone.
 */
export async function withKnownTransfer(
  session: Session, user: string, fid: string, work: (known: LiveTransfer) => Promise<void>,
): Promise<void> {
  const { registry } = session.services
  const holder = {}
  const opened = await registry.open(holder, user, fid).catch(cause => {
    // To whoever asks for it here, what is gone is not there.
    if (cause instanceof TallyError && cause.code === 'conflict') return undefined
    throw cause
  })
  if (opened === undefined) throw new TallyError('not-found', 'there is no such transfer')
  try {
    await work(opened.transfer)
  } finally {
    await registry.leave(opened.transfer, holder)
  }
}
