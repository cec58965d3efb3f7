/**
 * Where a client's token comes from: given, read from a file, or minted with the daemon's secret when that can be read. A source is asked
 * for each AUTHENTICATION, so a token that expired is followed by a fresh one.
 */
import { readFile } from 'node:fs/promises'
import jwt from 'jsonwebtoken'
import { ClientError } from './errors.ts'

export type TokenSource = () => Promise<string>

export interface Claims {
  readonly user: string
  /** Absent: the token does not expire. */
  readonly ttlSeconds?: number
  readonly scope?: readonly string[]
  readonly quotaBytes?: number
}

/** Long enough for clocks and pauses, short enough that a copy of it is worth little. */
const OWN_TOKEN_TTL_SECONDS = 600

/** Throws `no-token` where the secret cannot be read. */
export async function mintToken(secretFile: string, claims: Claims): Promise<string> {
  const secret = await readSecret(secretFile)
  const payload = {
    ...(claims.scope === undefined ? {} : { scope: claims.scope.join(' ') }),
    ...(claims.quotaBytes === undefined ? {} : { quota: claims.quotaBytes }),
  }
  return jwt.sign(payload, secret, {
    algorithm: 'HS256',
    subject: claims.user,
    ...(claims.ttlSeconds === undefined ? {} : { expiresIn: claims.ttlSeconds }),
  })
}

export function givenToken(token: string): TokenSource {
  return async () => token
}

/** The file is read again for each token, so whoever renews it needs to tell nobody. */
export function tokenFromFile(path: string): TokenSource {
  return async () => {
    try {
      return (await readFile(path, 'utf8')).trim()
    } catch (cause) {
      throw new ClientError('no-token', `the token file ${path} cannot be read`, { cause })
    }
  }
}

/** A short token of our own for each AUTHENTICATION; with a scope, one that may do only this. */
export function mintedToken(secretFile: string, user: string, scope?: readonly string[]): TokenSource {
  return () => mintToken(secretFile, { user, ttlSeconds: OWN_TOKEN_TTL_SECONDS, ...(scope === undefined ? {} : { scope }) })
}

/** The file's bytes without one trailing newline (protocol, 5). */
async function readSecret(path: string): Promise<Buffer> {
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch (cause) {
    throw new ClientError('no-token', `no token was given, and the secret ${path} cannot be read`, { cause })
  }
  return bytes.at(-1) === 0x0a ? bytes.subarray(0, -1) : bytes
}
