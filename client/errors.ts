/**
 * What can go wrong on the client's side of the wire, where no daemon gave a code. Refusals by the daemon are `TallyError`s with a code
 * of the protocol's table; these have a code of this one.
 */
import { type ErrorCode, type ErrorDetails, type ErrorResponse, TallyError } from '../protocol/index.ts'

/** Closed list; a code is stable, the text is for people. */
export type ClientErrorCode =
  | 'connect-failed' // nobody listens, or the socket is absent
  | 'access-denied' // the socket is there, and the file system does not let us use it
  | 'connection-lost'
  | 'connection-silent' // no answer for `answerTimeoutMs`
  | 'untrusted-socket' // who may have put the socket there is not who we trust
  | 'no-token' // neither a token nor a readable secret
  | 'not-a-file' // only regular files have a size and a state to resume by
  | 'file-changed' // its size, mtime or inode changed while it was sent; the daemon was told to remove it
  | 'gave-up' // no progress for `retryForMs`; `cause` is the last failure, and the transfer can be resumed
  | 'not-bytes' // a stream that was put gave something else than bytes, such as text
  | 'no-space' // the local disk, or our share of it, is full; what is there stays, and the same get goes on
  | 'exists' // the target is there and `force` was not given
  | 'unsafe-target' // a partial file is a link, not ours, or was exchanged while we wrote
  | 'closed' // `close()` was called

export class ClientError extends Error {
  readonly code: ClientErrorCode

  constructor(code: ClientErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'ClientError'
    this.code = code
  }
}

/** The details that a code comes with, where it has any (protocol, section 4). A daemon may leave one out. */
export interface DetailsByCode {
  'malformed': { readonly field?: string }
  'message-too-large': { readonly limit?: number }
  'unsupported-type': { readonly type?: number | string }
  'forbidden': { readonly scope?: string }
  'name-invalid': { readonly field?: string; readonly limit?: number }
  'tag-invalid': { readonly field?: string; readonly limit?: number }
  'too-many-files': { readonly field?: string; readonly limit?: number }
  /** Bytes. */
  'file-too-big': { readonly limit?: number }
  /** Bytes; `used` is the user's own. */
  'quota-exceeded': { readonly limit?: number; readonly used?: number }
  'conflict': { readonly state?: string }
  'chunk-length': { readonly expected?: number }
  'crc-mismatch': { readonly expected?: number }
  'digest-mismatch': { readonly expected?: string; readonly actual?: string }
  'content-damaged': { readonly file?: number }
  /** `retry-after` in milliseconds. */
  'busy': { readonly limit?: number; readonly 'retry-after'?: number }
}

/** A daemon's refusal, one type for each code: comparing `code` tells which details there may be. */
export type DaemonError = {
  [Code in ErrorCode]: TallyError & {
    readonly code: Code
    readonly details: ErrorDetails & (Code extends keyof DetailsByCode ? DetailsByCode[Code] : unknown)
  }
}[ErrorCode]

/** Whether this library threw it on purpose: the daemon's refusal, or a failure on our side. The codes of the two do not overlap. */
export function isTallyError(error: unknown): error is DaemonError | ClientError {
  return error instanceof TallyError || error instanceof ClientError
}

/** What a daemon's Error says, as something to throw. */
export function errorOf({ code, reason, details, fatal }: ErrorResponse): TallyError {
  return new TallyError(code ?? 'internal', reason, details ?? {}, fatal === undefined ? {} : { fatal })
}

/** What was thrown, as an `Error`: whoever throws something else loses nothing but its type. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown })
}
