/**
 * AUTHENTICATION: who the user is, and which transfer this is about, announced, told more of, or opened to see what is missing
 * (docs/protocol.md, AUTHENTICATION). One that fails changes nothing.
 */
import { v4 as uuidV4 } from 'uuid'
import { TallyError } from '../../protocol/errors.ts'
import { encodeMessage } from '../../protocol/index.ts'
import { FRAME_BYTES_MAX, PLAIN_FRAME_BYTES_MAX } from '../../protocol/limits.ts'
import { type Authentication, type Encoding, type FileReport, MESSAGE_TYPE, type OkResponse, type Place } from '../../protocol/messages.ts'
import { checkScope } from '../auth/rights.ts'
import type { Identity } from '../auth/token.ts'
import { windowChunks } from '../flow.ts'
import { quotaOf } from '../limits.ts'
import { HEADER_BYTES_MAX, type Session } from '../session.ts'
import { newTransfer } from '../transfers/announcement.ts'
import type { LiveTransfer } from '../transfers/live-transfer.ts'
import type { Opened } from '../transfers/registry.ts'
import type { UserShare } from '../users.ts'

export async function handleAuthentication(session: Session, message: Authentication, encoding: Encoding): Promise<void> {
  const identity = session.services.verifyToken(message.token)
  const share = session.enter(identity)
  try {
    if (message.files.length > 0 || message.fid !== undefined) await openAndReport(session, message, encoding, identity, share)
    else {
      session.become(identity, share)
      session.ok(message.messageId, encoding, { user: identity.user })
      session.services.log.debug('logged in', { connection: session.id, messageId: message.messageId, user: identity.user })
    }
  } finally {
    session.giveUp(share)
  }
}

async function openAndReport(
  session: Session, message: Authentication, encoding: Encoding, identity: Identity, share: UserShare,
): Promise<void> {
  // Whoever may not put may still ask what there is.
  const mayPut = identity.scope.has('put')
  if (message.files.length > 0 || message.tags.length > 0) checkScope(identity, MESSAGE_TYPE.TRANSFER)
  // Held by this message until the session has it: a failure must not close what the session had open before.
  const { registry } = session.services
  const holder = {}
  const { transfer, isNew } = await openTransfer(session, holder, message, identity)
  try {
    if (isNew) await transfer.emptyFilesStored()
    else if (mayPut) await transfer.amend(message, quotaOf(identity, session.services.limitsOf))
    session.become(identity, share)
    session.open(transfer, message.acks ?? transfer.acks, mayPut)
    // Whatever came before, on any connection, is marked or missing by now: a report never promises what is only in memory.
    await transfer.settled()
    session.connection.send(MESSAGE_TYPE.RESPONSE, fittingReport(session, message, encoding, transfer, identity.user))
    const { fid, uploads } = transfer
    const about = { connection: session.id, messageId: message.messageId, transfer: fid, user: identity.user, files: uploads.length }
    session.services.log.debug(isNew ? 'announced' : 'opened', about)
  } finally {
    await registry.leave(transfer, holder)
  }
}

/** The transfer, known or new. Throws `unknown-fid`, `conflict`, and what an announcement is refused for. */
async function openTransfer(session: Session, holder: object, message: Authentication, identity: Identity): Promise<Opened> {
  const { registry, fileBytesMax, nowMs, limitsOf, underway, keptMs, knownContent } = session.services
  const { user } = identity
  const fid = message.fid ?? uuidV4()
  const announce = message.files.length === 0 ? undefined : async () => {
    const wanted = newTransfer(message, user, fid, fileBytesMax, nowMs(), keptMs)
    await knownContent.look(user, wanted.files)
    return { ...wanted, quota: quotaOf(identity, limitsOf) }
  }
  const opened = await underway.open(user, fid, limitsOf(user).transfersMax, () => registry.open(holder, user, fid, announce))
  if (opened === undefined) throw new TallyError('unknown-fid', 'there is no such transfer')
  return opened
}

/**
 * The Ok with as much of the report as fits into one frame to this peer: an entry for every file, and of the runs as many as then fit;
 * where not even the entries do, as thousands to an original client, the first files.
 */
function fittingReport(session: Session, message: Authentication, encoding: Encoding, transfer: LiveTransfer, user: string): Uint8Array {
  const bytesMax = (session.connection.usesExt ? FRAME_BYTES_MAX : PLAIN_FRAME_BYTES_MAX) - HEADER_BYTES_MAX
  const head = {
    type: MESSAGE_TYPE.RESPONSE,
    messageId: message.messageId,
    response: 'Ok',
    fid: transfer.fid,
    user,
    chunkSizeBytes: transfer.chunkSizeBytes,
    window: windowChunks(transfer.chunkSizeBytes),
  } as const
  const files = transfer.uploads.length
  const runs = session.reportRunsMax
  const withAtMost = (runsMax: number, filesMax: number): Uint8Array | undefined => {
    const report = transfer.report(runsMax, message.missingAfter)
    const payload = encodeMessage(cut({ ...head, ...report }, report.files, filesMax, report.more), encoding)
    return payload.length <= bytesMax ? payload : undefined
  }
  const payload = withAtMost(runs, files)
    ?? largest(runs, runsMax => withAtMost(runsMax, files))
    ?? largest(files, filesMax => withAtMost(runs, filesMax))
  if (payload === undefined) throw new Error('one file with all of its runs fits into any frame')
  return payload
}

/** What `give` gives for nearly the largest count below `max` for which it gives something; undefined where it gives nothing for 1. */
function largest<T>(max: number, give: (count: number) => T | undefined): T | undefined {
  let best = give(1)
  let [good, bad] = [1, max]
  // Within 2 % is near enough: each attempt costs a whole report.
  while (best !== undefined && bad - good > 1 + (bad >> 6)) {
    const middle = (good + bad) >> 1
    const given = give(middle)
    if (given === undefined) bad = middle
    else [best, good] = [given, middle]
  }
  return best
}

/** Lists only the first files; `more` then says where the report goes on. */
function cut(message: OkResponse, files: readonly FileReport[], filesMax: number, more: Place | undefined): OkResponse {
  if (filesMax >= files.length) return message
  const last = filesMax - 1
  const end = (files[last]?.missing.at(-1) ?? [0, 1]).reduce((sum, count) => sum + count, -1)
  return { ...message, files: files.slice(0, filesMax), more: more !== undefined && more[0] < last ? more : [last, end] }
}
