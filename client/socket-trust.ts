/**
 * Whether a socket may be told our token (protocol, 5): it and its directory belong to us, to root or to a configured user, and nobody else
 * may have put them there.
 */
import type { Stats } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ClientError } from './errors.ts'

const WORLD_WRITABLE = 0o002

/**
 * Throws `connect-failed` where nothing is there, `access-denied` where we may not look, `untrusted-socket` where it is not to be trusted.
 */
export async function checkSocket(path: string, trustedUids: readonly number[] = []): Promise<void> {
  const trusted = new Set([0, process.getuid?.() ?? 0, ...trustedUids])
  for (const checked of [path, dirname(path)]) {
    let found: Stats
    try {
      found = await stat(checked)
    } catch (cause) {
      throw notReached(path, cause)
    }
    if (checked === path && !found.isSocket()) throw new ClientError('untrusted-socket', `${path} is not a socket`)
    if (!trusted.has(found.uid)) {
      throw new ClientError('untrusted-socket', `${checked} belongs to the user ${found.uid}, to whom no token is sent (trusted-uids in [client])`)
    }
    if ((found.mode & WORLD_WRITABLE) !== 0) {
      throw new ClientError('untrusted-socket', `${checked} is writable by everybody; no token is sent there`)
    }
  }
}

/** What it means that a socket could not be looked at or connected to. */
export function notReached(path: string, cause: unknown): ClientError {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  if (code === 'EACCES' || code === 'EPERM') return new ClientError('access-denied', `we may not use the socket ${path}`, { cause })
  return new ClientError('connect-failed', `no tallyd listens at ${path}`, { cause })
}
