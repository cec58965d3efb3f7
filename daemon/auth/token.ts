/**
 * From a JWT to a user (protocol, section 5). Owns the rules about claims; signatures, `exp`, `nbf`, `iss` and `aud` are checked by
 * jsonwebtoken, with the algorithms that follow from our key and never from the token.
 */
import jwt from 'jsonwebtoken'
import { TallyError } from '../../protocol/errors.ts'
import { TOKEN_BYTES_MAX, USER_NAME_BYTES_MAX } from '../../protocol/limits.ts'
import type { Keys } from './keys.ts'
import { DEFAULT_SCOPE, SCOPES, type Scope } from './rights.ts'

/** Who a token stands for, and what it allows. */
export interface Identity {
  /** 1–256 bytes, no control characters. */
  readonly user: string
  readonly scope: ReadonlySet<Scope>
  readonly quotaBytes?: number
  /** Of the key that the token was checked with (`TokenKey.id`). */
  readonly keyId: string
  /** When the token ends, in ms since 1970, without the tolerance; absent: never. */
  readonly expiresMs?: number
}

export interface TokenRules {
  readonly keys: Keys
  readonly issuer?: string
  readonly audience?: string
  readonly requireExp?: boolean
  /** The claim that names the user, instead of `sub` or `uid`. */
  readonly userClaim?: string
}

/** How far the clocks of issuer and daemon may be apart. */
export const EXPIRY_TOLERANCE_MS = 5000
const CONTROL_CHARACTER = /\p{Cc}/u

/** Checks one token at one moment. Throws `token-expired` where only its time is over, `token-invalid` for everything else. */
export function verifyToken(token: string, rules: TokenRules, nowMs: number): Identity {
  const { claims, keyId } = verified(token, rules, nowMs)
  const { exp, quota } = claims
  if (exp === undefined && rules.requireExp === true) throw invalid('the token has no exp')
  if (exp !== undefined && !Number.isFinite(exp)) throw invalid('exp is not a time')
  if (quota !== undefined && !(Number.isSafeInteger(quota) && (quota as number) >= 0)) throw invalid('quota is not a number of bytes')
  return {
    user: userOf(claims, rules.userClaim),
    scope: scopeOf(claims['scope']),
    keyId,
    ...(quota === undefined ? {} : { quotaBytes: quota as number }),
    ...(exp === undefined ? {} : { expiresMs: (exp as number) * 1000 }),
  }
}

type Claims = Readonly<Record<string, unknown>>

/** The claims of a token whose signature, time, issuer and audience are right. */
function verified(token: string, { keys, issuer, audience }: TokenRules, nowMs: number): { claims: Claims; keyId: string } {
  if (token.length > TOKEN_BYTES_MAX) throw invalid('the token is too long')
  try {
    const header = jwt.decode(token, { complete: true })?.header
    if (header === undefined) throw invalid('the token is no JWT')
    if ('crit' in header) throw invalid('the token relies on an extension that is not known here')
    if (header.kid !== undefined && typeof header.kid !== 'string') throw invalid('kid is not a string')
    const key = keys.find(header.kid)
    if (key === undefined) throw invalid('no key is known by that kid')
    const claims: unknown = jwt.verify(token, key.key, {
      algorithms: [...key.algorithms],
      clockTolerance: EXPIRY_TOLERANCE_MS / 1000,
      clockTimestamp: Math.max(nowMs, 1) / 1000, // 0 would mean the library's own clock
      ...(issuer === undefined ? {} : { issuer }),
      ...(audience === undefined ? {} : { audience }),
    })
    if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) throw invalid('the claims are no object')
    return { claims: claims as Claims, keyId: key.id }
  } catch (error) {
    if (error instanceof TallyError) throw error
    if (error instanceof jwt.TokenExpiredError) throw new TallyError('token-expired', 'the token has expired', {}, { cause: error })
    throw invalid('the token is not valid here', error)
  }
}

function userOf(claims: Claims, userClaim: string | undefined): string {
  const claim = userClaim ?? (own(claims, 'sub') === undefined ? 'uid' : 'sub')
  const value = own(claims, claim)
  const isNumber = claim !== 'sub' && Number.isSafeInteger(value) && (value as number) >= 0
  if (userClaim === undefined && claim === 'uid' && !isNumber) throw invalid('the token names no user')
  const user = isNumber ? String(value) : value
  if (typeof user !== 'string' || user === '' || !user.isWellFormed() || CONTROL_CHARACTER.test(user)) throw invalid('the token names no user')
  if (Buffer.byteLength(user) > USER_NAME_BYTES_MAX) throw invalid(`a user's name has at most ${USER_NAME_BYTES_MAX} bytes`)
  return user
}

/** Words that are not ours belong to someone else's service and give nothing here. */
function scopeOf(claim: unknown): ReadonlySet<Scope> {
  if (claim === undefined) return DEFAULT_SCOPE
  if (typeof claim !== 'string') throw invalid('scope is not a string')
  const words = claim.split(' ')
  return new Set(SCOPES.filter(scope => words.includes(scope)))
}

function own(claims: Claims, name: string): unknown {
  return Object.hasOwn(claims, name) ? claims[name] : undefined
}

function invalid(reason: string, cause?: unknown): TallyError {
  return new TallyError('token-invalid', reason, {}, { cause })
}
