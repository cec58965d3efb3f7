/**
 * The protocol's table of contents: from a frame to the handler of its message. A new message is a type and its fields in
 * `protocol/messages.ts`, its form in `protocol/validate.ts` and `encode.ts`, a handler, and a line here.
 */
import { TallyError, asTallyError } from '../protocol/errors.ts'
import { type Decoded, RefusedMessage, decodeMessage } from '../protocol/index.ts'
import { type Encoding, MESSAGE_TYPE } from '../protocol/messages.ts'
import type { FrameType } from '../protocol/text-frame.ts'
import { handleAuthentication } from './handlers/authentication.ts'
import { handleFetch } from './handlers/fetch.ts'
import { handleFind } from './handlers/find.ts'
import { handleSettings, handleStatus, handleWhy } from './handlers/operator.ts'
import { handleRemove } from './handlers/remove.ts'
import { handleResponse } from './handlers/response.ts'
import { handleTag } from './handlers/tag.ts'
import { handleTransfer } from './handlers/transfer.ts'
import { handleWatch } from './handlers/watch.ts'
import type { Served } from './listener.ts'
import type { Session } from './session.ts'

/** Messages that are judged before the next one is looked at give a promise; others answer on their own time. */
function handle(session: Session, { message, encoding }: Decoded): void | Promise<void> {
  switch (message.type) {
    case MESSAGE_TYPE.AUTHENTICATION: return handleAuthentication(session, message, encoding)
    case MESSAGE_TYPE.RESPONSE: return handleResponse(session, message)
    case MESSAGE_TYPE.TRANSFER: return handleTransfer(session, message, encoding)
    case MESSAGE_TYPE.FIND: return handleFind(session, message, encoding)
    case MESSAGE_TYPE.FETCH: return handleFetch(session, message, encoding)
    case MESSAGE_TYPE.TAG: return handleTag(session, message, encoding)
    case MESSAGE_TYPE.REMOVE: return handleRemove(session, message, encoding)
    case MESSAGE_TYPE.WATCH: return handleWatch(session, message, encoding)
    case MESSAGE_TYPE.STATUS: return handleStatus(session, message, encoding)
    case MESSAGE_TYPE.WHY: return handleWhy(session, message, encoding)
    case MESSAGE_TYPE.SETTINGS: return handleSettings(session, message, encoding)
    case MESSAGE_TYPE.EVENT: throw new TallyError('unsupported-type', 'events come from the daemon', { type: message.type })
  }
}

/** A connection's messages, judged in order: the form first, then the right to send it, then what it asks. */
export class Dispatcher implements Served {
  readonly #session: Session
  readonly #onClosed: () => void

  constructor(session: Session, onClosed: () => void) {
    this.#session = session
    this.#onClosed = onClosed
  }

  get isAuthenticated(): boolean {
    return this.#session.state.state === 'ready'
  }

  receive(type: FrameType, payload: Uint8Array): void | Promise<void> {
    let decoded: Decoded
    try {
      decoded = decodeMessage(type, payload)
    } catch (cause) {
      const isResponse = type === MESSAGE_TYPE.RESPONSE
      // A RESPONSE is never answered once the peer has authenticated, not even one that cannot be read.
      if (!isResponse || !this.isAuthenticated) this.#refuse(cause, isResponse ? undefined : toldBy(cause))
      return
    }
    const session = this.#session
    session.services.counts.message(decoded.message.type, payload.length)
    session.note(decoded.encoding, decoded.usesExt)
    try {
      const judging = handle(session, decoded)
      if (judging === undefined) return
      return judging.catch(cause => this.#refuse(cause, subjectOf(decoded)))
    } catch (cause) {
      this.#refuse(cause, subjectOf(decoded))
    }
  }

  malformed(error: TallyError): void {
    this.#session.refuse(error)
  }

  drained(): void {
    for (const { download } of this.#session.downloads.values()) download?.resume()
    for (const { watch } of this.#session.watches.values()) watch.resume()
  }

  passTime(): void {
    this.#session.ended()
  }

  ended(): void {
    this.#session.isInputOver = true
    // No answer will come any more: what is being fetched goes out as far as its window allows.
    for (const { download } of this.#session.downloads.values()) download?.endWhenStalled()
    // Nobody would end a WATCH any more.
    for (const { watch } of this.#session.watches.values()) watch.endWhenTold()
    this.#session.closeIfDone()
  }

  closed(): void {
    this.#session.closed()
    this.#onClosed()
  }

  #refuse(cause: unknown, told: { messageId: string; encoding: Encoding } | undefined): void {
    try {
      this.#session.refuse(asTallyError(cause), told)
    } catch (error) {
      // An answer that cannot be written, such as one over the limit of a frame.
      this.#session.services.log.error('an answer could not be sent', { connection: this.#session.id, cause: String(error) })
    }
  }
}

/** A RESPONSE is never answered, so an Error about one is about no message. */
function subjectOf({ message, encoding }: Decoded): { messageId: string; encoding: Encoding } | undefined {
  return message.type === MESSAGE_TYPE.RESPONSE ? undefined : { messageId: message.messageId, encoding }
}

function toldBy(cause: unknown): { messageId: string; encoding: Encoding } | undefined {
  if (!(cause instanceof RefusedMessage) || cause.messageId === undefined || cause.encoding === undefined) return undefined
  return { messageId: cause.messageId, encoding: cause.encoding }
}
