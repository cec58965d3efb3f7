/**
 * WATCH: tells what happens to the user's files that match, from a number on or from now on, until either side ends it
 * (docs/protocol.md, WATCH).
 */
import { v4 as uuidV4 } from 'uuid'
import { TallyError, asTallyError } from '../../protocol/errors.ts'
import { type Encoding, MESSAGE_TYPE, type Watch } from '../../protocol/messages.ts'
import { checkScope } from '../auth/rights.ts'
import { type OpenWatch, STEM_CHARS, type Session } from '../session.ts'
import { answerLater } from './later.ts'

const WATCHES_MAX = 16

export function handleWatch(session: Session, message: Watch, encoding: Encoding): void {
  const { user, ...identity } = session.identity()
  checkScope(identity, MESSAGE_TYPE.WATCH)
  const { messageId, since } = message
  if (session.watches.has(messageId)) throw new TallyError('malformed', 'a WATCH with this id is under way', { field: 'message-id' })
  if (session.watches.size >= WATCHES_MAX) {
    throw new TallyError('busy', `a connection may have ${WATCHES_MAX} watches`, { limit: WATCHES_MAX, 'retry-after': 100 })
  }
  const { tags, anyTags, notTags, name, state } = message
  const query = { tags, anyTags, notTags, ...(name === undefined ? {} : { name }), ...(state === undefined ? {} : { state }) }
  // Message-ids of our own are a random stem and a counter: unique, and made without a random number for each.
  const stem = uuidV4().slice(0, STEM_CHARS)
  let sent = 0
  const watch = session.services.feed.open(user, query, {
    isReady: () => !session.connection.isBehind,
    event: ({ event, sequence, file }) => {
      // The token may hold no longer.
      if (session.ended() !== undefined) return
      const id = `${stem}${(sent++).toString(16).padStart(12, '0')}`
      const numbered = sequence === undefined ? {} : { sequence }
      session.send({ type: MESSAGE_TYPE.EVENT, messageId: id, watch: messageId, event, ...numbered, ...file }, encoding)
    },
    done: () => {
      session.endWatch(messageId)
      session.closeIfDone()
    },
    failed: cause => session.endWatch(messageId, asTallyError(cause)),
  })
  const open: OpenWatch = { watch, user, encoding, isAnswered: false }
  session.watches.set(messageId, open)
  answerLater(session, message, encoding, async () => {
    try {
      const { sequence, isTruncated } = await watch.prepare(since)
      // The client, its connection or its user may have gone since.
      if (session.watches.get(messageId) !== open) throw new TallyError('not-found', 'the WATCH was ended')
      open.isAnswered = true
      // After the Ok, which is sent when this returns.
      setImmediate(() => {
        watch.begin()
        if (session.isInputOver) watch.endWhenTold()
      })
      return { sequence, ...(isTruncated ? { truncated: true as const } : {}) }
    } catch (cause) {
      if (session.watches.get(messageId) === open) session.endWatch(messageId)
      throw cause
    }
  })
}
