/**
 * Whether a socket may be told our token (protocol, 5): it and its directory belong to us, to root or to a configured user, and nobody else
 * may have put them there.
 */
import type { Stats } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ClientError } from './errors.ts'

const WORLD_WRITABLE = 0o002

/** Throws `connect-failed` where nothing is there, `untrusted-socket` where it must not be trusted. */
export async function checkSocket(path: string, trustedUids: readonly number[] = []): Promise<void> {
  const trusted = new Set([0, process.getuid?.() ?? 0, ...trustedUids])
  for (const checked of [path, dirname(path)]) {
    let found: Stats
    try {
      found = await stat(checked)
    } catch (cause) {
      throw new ClientError('connect-failed', `no tallyd listens at ${path}`, { cause })
    }
    if (checked === path && !found.isSocket()) throw new ClientError('untrusted-socket', `${path} is not a socket`)
    if (!trusted.has(found.uid)) {
      throw new ClientError('untrusted-socket', `${checked} belongs to the user ${found.uid}, to whom no token is sent`)
    }
    if ((found.mode & WORLD_WRITABLE) !== 0) {
      throw new ClientError('untrusted-socket', `${checked} is writable by everybody; no token is sent there`)
    }
  }
}
