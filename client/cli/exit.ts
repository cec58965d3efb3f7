/** What each failure means to a shell: the exit codes, and the sentence that goes with it. */
import { TallyError } from '../../protocol/index.ts'
import { ClientError } from '../errors.ts'
import { UsageError } from './arguments.ts'

export const EXIT = { DONE: 0, FAILED: 1, USAGE: 2, NOT_FOUND: 3, DENIED: 4, INCOMPLETE: 5, INTERRUPTED: 130 } as const
export type ExitCode = typeof EXIT[keyof typeof EXIT]

/** By the code of the daemon's refusal, of our own, or of the system. Whatever is not here: 1. */
const BY_CODE: Readonly<Record<string, ExitCode>> = {
  'not-found': EXIT.NOT_FOUND,
  'unknown-fid': EXIT.NOT_FOUND,
  'unauthenticated': EXIT.DENIED,
  'token-invalid': EXIT.DENIED,
  'token-expired': EXIT.DENIED,
  'forbidden': EXIT.DENIED,
  'no-token': EXIT.DENIED,
  'untrusted-socket': EXIT.DENIED,
  'access-denied': EXIT.DENIED,
  'EACCES': EXIT.DENIED,
  'EPERM': EXIT.DENIED,
  'EROFS': EXIT.DENIED,
  'gave-up': EXIT.INCOMPLETE,
  'connection-lost': EXIT.INCOMPLETE,
  'connection-silent': EXIT.INCOMPLETE,
  'shutting-down': EXIT.INCOMPLETE,
  'busy': EXIT.INCOMPLETE,
  'storage-full': EXIT.INCOMPLETE,
  'no-space': EXIT.INCOMPLETE,
  'ENOSPC': EXIT.INCOMPLETE,
  'EDQUOT': EXIT.INCOMPLETE,
}

/** What the system's codes say to people; the path is told beside it. */
const SYSTEM_REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'a part of this path is not a directory',
  EISDIR: 'this is a directory',
  EEXIST: 'this is there already',
  EACCES: 'permission denied',
  EPERM: 'this is not permitted',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'your share of the disk is full',
  ENAMETOOLONG: 'this path is too long',
  ELOOP: 'too many links lead on from here',
  EMFILE: 'too many files are open (ulimit -n)',
  EIO: 'the disk failed',
}

/** The user pressed a key, or the process was told to end. */
export class Interrupted extends Error {
  override name = 'Interrupted'
  readonly code = 'interrupted'
}

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof UsageError) return EXIT.USAGE
  if (error instanceof Interrupted) return EXIT.INTERRUPTED
  if (error instanceof TallyError && error.code === 'conflict' && error.details['state'] === 'gone') return EXIT.NOT_FOUND
  return BY_CODE[codeOf(error)] ?? EXIT.FAILED
}

/** A sentence of its own, where nothing beside it says which path it is about. */
export function reasonWithPath(error: unknown): string {
  const isSystems = error instanceof Error && 'path' in error && typeof error.path === 'string' && codeOf(error) in SYSTEM_REASONS
  return `${isSystems ? `${error.path}: ` : ''}${reasonOf(error)}`
}

/** As JSON shows it: a stable code, a sentence, and the details that the code comes with. */
export function errorValue(error: unknown): { code: string; reason: string } {
  const details = error instanceof TallyError ? error.details : {}
  return { ...details, code: codeOf(error), reason: reasonOf(error) }
}

/** A sentence for people, with what caused it; not escaped. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const own = SYSTEM_REASONS[codeOf(error)] ?? error.message
  if (!(error instanceof ClientError) || error.cause === undefined) return own
  const cause = reasonOf(error.cause)
  return cause === '' || own.includes(cause) ? own : `${own} (${cause})`
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'failed'
}
