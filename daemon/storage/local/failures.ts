/**
 * What the disk's and SQLite's failures mean to the layers above, and the store's memory of them. After a failed write or sync the
 * kernel may have thrown away what it could not write, so a later sync that succeeds proves nothing: the store then refuses every
 * change until it is opened anew.
 */
import { TallyError } from '../../../protocol/errors.ts'
import type { ErrorCode, ErrorDetails } from '../../../protocol/errors.ts'

/** An error as it crosses from one thread to another. */
export interface PlainError {
  readonly code: ErrorCode
  readonly reason: string
  readonly details: ErrorDetails
  /** The first failure, for the log. */
  readonly cause: string
}

/** Something about the store that the operator should know. */
export type StoreLog = (event: string, details: Readonly<Record<string, string | number>>) => void

const SQLITE_BUSY = 5
const SQLITE_NOMEM = 7
export const SQLITE_READONLY = 8
const SQLITE_IOERR = 10
export const SQLITE_CORRUPT = 11
export const SQLITE_FULL = 13
export const SQLITE_CANTOPEN = 14
export const SQLITE_NOTADB = 26
/** The shared-memory file could not grow: what a full disk looks like there. */
const SQLITE_IOERR_SHMSIZE = 4874

const SYSTEM_CODES: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'storage-full',
  EDQUOT: 'storage-full',
  EFBIG: 'storage-full',
  EMFILE: 'busy',
  ENFILE: 'busy',
  ENOMEM: 'busy',
}

/** `storage-full`, `storage-failed`, `busy`, or `internal` where the disk has no part in it. */
export function storageError(cause: unknown): TallyError {
  if (cause instanceof TallyError) return cause
  const code = codeOf(cause)
  return new TallyError(code, REASONS[code] ?? 'the store met a fault of its own', code === 'busy' ? { 'retry-after': 1000 } : {}, { cause })
}

const REASONS: Partial<Record<ErrorCode, string>> = {
  'storage-full': 'the disk has no room',
  'storage-failed': 'the disk failed',
  'busy': 'the machine has too many files open or no memory left',
}

function codeOf(cause: unknown): ErrorCode {
  if (typeof cause !== 'object' || cause === null) return 'internal'
  if ('errcode' in cause && typeof cause.errcode === 'number') return sqliteCode(cause.errcode)
  if ('syscall' in cause && 'code' in cause && typeof cause.code === 'string') return SYSTEM_CODES[cause.code] ?? 'storage-failed'
  return 'internal'
}

function sqliteCode(extended: number): ErrorCode {
  if (extended === SQLITE_IOERR_SHMSIZE) return 'storage-full'
  switch (extended & 0xff) {
    case SQLITE_FULL: return 'storage-full'
    case SQLITE_BUSY:
    case SQLITE_NOMEM: return 'busy'
    case SQLITE_READONLY:
    case SQLITE_IOERR:
    case SQLITE_CORRUPT:
    case SQLITE_CANTOPEN:
    case SQLITE_NOTADB: return 'storage-failed'
    default: return 'internal'
  }
}

export function toPlain(cause: unknown): PlainError {
  const { code, message, details, cause: first } = storageError(cause)
  return { code, reason: message, details, cause: String(first ?? message) }
}

export function fromPlain({ code, reason, details, cause }: PlainError): TallyError {
  return new TallyError(code, reason, details, { cause })
}

/** Whether the store may still change. One for the whole store: bytes and records stand on the same disk. */
export class Health {
  readonly #log: StoreLog
  #failure: TallyError | undefined

  constructor(log: StoreLog) {
    this.#log = log
  }

  /** `storage-failed` once something failed. */
  get refusal(): TallyError | undefined {
    if (this.#failure === undefined) return undefined
    const reason = 'the disk failed earlier; the store takes no changes until it is opened anew'
    return new TallyError('storage-failed', reason, {}, { cause: this.#failure })
  }

  /** Throws the refusal, if there is one. */
  check(): void {
    const { refusal } = this
    if (refusal !== undefined) throw refusal
  }

  /** What a failed change is answered with; notes a failure of the disk. */
  failed(cause: unknown): TallyError {
    const error = storageError(cause)
    if (error.code === 'storage-failed' && this.#failure === undefined) {
      this.#failure = error
      this.#log('storage-failed', { cause: String(error.cause ?? error.message) })
    }
    return error
  }
}
