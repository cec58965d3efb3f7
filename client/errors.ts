/**
 * What can go wrong on the client's side of the wire, where no daemon gave a code. Refusals by the daemon are `TallyError`s with a code
 * of the protocol's table; these have a code of this one.
 */
import { type ErrorResponse, TallyError } from '../protocol/index.ts'

/** Closed list; a code is stable, the text is for people. */
export type ClientErrorCode =
  | 'connect-failed' // nobody listens, or the socket is absent
  | 'connection-lost'
  | 'connection-silent' // no answer for `answerTimeoutMs`
  | 'untrusted-socket' // who may have put the socket there is not who we trust
  | 'no-token' // neither a token nor a readable secret
  | 'not-a-file' // only regular files have a size and a state to resume by
  | 'file-changed' // its size, mtime or inode changed while it was sent; the daemon was told to remove it
  | 'gave-up' // no progress for `retryForMs`; `cause` is the last failure, and the transfer can be resumed
  | 'exists' // the target is there and `force` was not given
  | 'unsafe-target' // a partial file is a link, or not ours
  | 'closed' // `close()` was called

export class ClientError extends Error {
  readonly code: ClientErrorCode

  constructor(code: ClientErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'ClientError'
    this.code = code
  }
}

/** What a daemon's Error says, as something to throw. */
export function errorOf({ code, reason, details, fatal }: ErrorResponse): TallyError {
  return new TallyError(code ?? 'internal', reason, details ?? {}, fatal === undefined ? {} : { fatal })
}
