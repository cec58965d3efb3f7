/** What each failure means to a shell: the exit codes, and the sentence that goes with it. */
import { TallyError } from '../../protocol/index.ts'
import { ClientError } from '../errors.ts'
import { UsageError } from './arguments.ts'

export const EXIT = { DONE: 0, FAILED: 1, USAGE: 2, NOT_FOUND: 3, DENIED: 4, INCOMPLETE: 5, INTERRUPTED: 130 } as const
export type ExitCode = typeof EXIT[keyof typeof EXIT]

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
  'gave-up': EXIT.INCOMPLETE,
  'connection-lost': EXIT.INCOMPLETE,
  'connection-silent': EXIT.INCOMPLETE,
  'shutting-down': EXIT.INCOMPLETE,
  'busy': EXIT.INCOMPLETE,
  'no-space': EXIT.INCOMPLETE,
}

/** The user pressed a key, or the process was told to end. */
export class Interrupted extends Error {
  override name = 'Interrupted'
}

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof UsageError) return EXIT.USAGE
  if (error instanceof Interrupted) return EXIT.INTERRUPTED
  if (error instanceof TallyError && error.code === 'conflict' && error.details['state'] === 'gone') return EXIT.NOT_FOUND
  if (error instanceof TallyError || error instanceof ClientError) return BY_CODE[error.code] ?? EXIT.FAILED
  return EXIT.FAILED
}

/** As JSON shows it. */
export function errorValue(error: unknown): { code: string; reason: string } {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'failed'
  return { code, reason: error instanceof Error ? error.message : String(error) }
}
