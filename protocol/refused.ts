/**
 * A message that is refused for its form, with what is needed to answer it: the answer repeats the `message-id` in the encoding that
 * the message had (docs/protocol.md, "Payloads").
 */
import { type ErrorCode, type ErrorDetails, TallyError } from './errors.ts'
import type { Encoding } from './messages.ts'

/** `messageId` and `encoding` are there when both could be told; else the answer bears the nil UUID. Never fatal: the frame was good. */
export class RefusedMessage extends TallyError {
  readonly messageId?: string
  readonly encoding?: Encoding

  constructor(code: ErrorCode, reason: string, details: ErrorDetails, told?: { messageId: string; encoding: Encoding }) {
    super(code, reason, details, { fatal: false })
    this.name = 'RefusedMessage'
    if (told !== undefined) {
      this.messageId = told.messageId
      this.encoding = told.encoding
    }
  }
}

/** `malformed`, with the field's name where it is known; becomes a `RefusedMessage` once the message-id is known. */
export function malformed(reason: string, field?: string, limit?: number): TallyError {
  const details: Record<string, string | number> = {}
  if (field !== undefined) details.field = field
  if (limit !== undefined) details.limit = limit
  return new TallyError('malformed', reason, details)
}
