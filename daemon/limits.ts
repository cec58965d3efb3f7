/**
 * What one user, and all of them together, may have and do here, and how it is joined with what their token says: the smallest holds.
 * Where the figures come from is config.ts's matter.
 */
import type { Identity } from './auth/token.ts'
import { NO_QUOTA, type Quota } from './storage/quota.ts'

/** Of all users together, where nobody says otherwise. */
export const CONNECTIONS_MAX = 10_000

/**
 * Beyond `connections`, and beyond each user's own, for tokens with the scope `admin`: an operator can look in when all are taken. Enough
 * for a few people with a few commands each.
 */
export const OPERATOR_CONNECTIONS = 8

export interface UserLimits {
  readonly quota: Quota
  /** At once. */
  readonly connectionsMax: number
  /** Open, with a file that is not whole yet. */
  readonly transfersMax: number
  /** Of chunks that come; Infinity: no limit. */
  readonly bytesPerSecond: number
}

/** The limits of a user, by name. */
export type LimitsOf = (user: string) => UserLimits

export const NO_LIMITS: UserLimits = { quota: NO_QUOTA, connectionsMax: Infinity, transfersMax: Infinity, bytesPerSecond: Infinity }

export function smallest(a: UserLimits, b: UserLimits): UserLimits {
  return {
    quota: { bytesMax: Math.min(a.quota.bytesMax, b.quota.bytesMax), filesMax: Math.min(a.quota.filesMax, b.quota.filesMax) },
    connectionsMax: Math.min(a.connectionsMax, b.connectionsMax),
    transfersMax: Math.min(a.transfersMax, b.transfersMax),
    bytesPerSecond: Math.min(a.bytesPerSecond, b.bytesPerSecond),
  }
}

/** What the bearer of a token may have. */
export function quotaOf({ user, quotaBytes }: Identity, limitsOf: LimitsOf): Quota {
  const { quota } = limitsOf(user)
  return quotaBytes === undefined || quotaBytes >= quota.bytesMax ? quota : { ...quota, bytesMax: quotaBytes }
}
