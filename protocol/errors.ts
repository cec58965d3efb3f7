/**
 * The one table of error codes (protocol, section 4). A code is stable; the reason is a sentence for people; the details are
 * named fields that a program can use. Everything that is refused anywhere in tally is refused with a `TallyError`.
 */

/** Every code, with whether the daemon closes the connection after it (`malformed` is fatal only when the frame itself is bad). */
export const ERROR_CODES = {
  'malformed': { fatal: false },
  'message-too-large': { fatal: true },
  'unsupported-type': { fatal: false },
  'unauthenticated': { fatal: false },
  'token-invalid': { fatal: false },
  'token-expired': { fatal: false },
  'forbidden': { fatal: false },
  'name-invalid': { fatal: false },
  'tag-invalid': { fatal: false },
  'too-many-files': { fatal: false },
  'file-too-big': { fatal: false },
  'quota-exceeded': { fatal: false },
  'storage-full': { fatal: false },
  'storage-failed': { fatal: false },
  'conflict': { fatal: false },
  'unknown-fid': { fatal: false },
  'not-found': { fatal: false },
  'chunk-unknown': { fatal: false },
  'chunk-length': { fatal: false },
  'crc-mismatch': { fatal: false },
  'digest-mismatch': { fatal: false },
  'content-damaged': { fatal: false },
  'busy': { fatal: false },
  'shutting-down': { fatal: true },
  'internal': { fatal: false },
} as const

export type ErrorCode = keyof typeof ERROR_CODES

/** Named details of an error, as they stand on the wire beside `code` and `reason`. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null>>

/** A refusal with a code from the table. `cause` keeps the first failure. */
export class TallyError extends Error {
  readonly code: ErrorCode
  readonly details: ErrorDetails
  readonly fatal: boolean

  constructor(code: ErrorCode, reason: string, details: ErrorDetails = {}, options: { cause?: unknown; fatal?: boolean } = {}) {
    super(reason, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'TallyError'
    this.code = code
    this.details = details
    this.fatal = options.fatal ?? ERROR_CODES[code].fatal
  }
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(ERROR_CODES, value)
}

/** The refusal itself, or `internal` with what was thrown as its cause. */
export function asTallyError(cause: unknown): TallyError {
  if (cause instanceof TallyError) return cause
  return new TallyError('internal', 'the daemon met a fault of its own', {}, { cause })
}
