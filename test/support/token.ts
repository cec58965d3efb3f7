/**
 * Tokens for tests, minted by hand with HMAC from node:crypto, so that the daemon's own library is checked against another maker.
 */
import { createHmac } from 'node:crypto'

const HASHES = { HS256: 'sha256', HS384: 'sha384', HS512: 'sha512' } as const

export interface Claims {
  readonly sub?: string
  readonly uid?: number
  readonly login?: string
  /** Seconds since 1970. */
  readonly exp?: number
  readonly nbf?: number
  readonly scope?: string
  readonly quota?: number
  readonly [claim: string]: unknown
}

/** A signed JWT. `header` overrides what stands in it without changing how it is signed. */
export function mintToken(
  secret: string | Uint8Array,
  claims: Claims,
  algorithm: keyof typeof HASHES = 'HS256',
  header: Readonly<Record<string, unknown>> = {},
): string {
  const signed = `${part({ alg: algorithm, typ: 'JWT', ...header })}.${part(claims)}`
  return `${signed}.${createHmac(HASHES[algorithm], secret).update(signed).digest('base64url')}`
}

function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
