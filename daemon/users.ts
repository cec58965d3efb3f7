/**
 * What each user has of this daemon just now, over all of their connections: how many those are, what they have pending, how fast bytes
 * come. Nothing durable: what a user has stored is the catalog's `usage`.
 */
import { TallyError } from '../protocol/errors.ts'
import { countText } from '../protocol/quantities.ts'
import type { Identity } from './auth/token.ts'
import { type LimitsOf, OPERATOR_CONNECTIONS } from './limits.ts'
import { Rate } from './rate.ts'
import { DELAY_MS_MAX } from './turns.ts'

export interface UserShare {
  readonly user: string
  connections: number
  /** Read and not answered yet. */
  pendingBytes: number
  readonly rate: Rate
}

export class Users {
  readonly #limitsOf: LimitsOf
  readonly #shares = new Map<string, UserShare>()
  /** Those without a connection that are remembered for what came too fast. */
  readonly #leaving = new Set<UserShare>()

  constructor(limitsOf: LimitsOf) {
    this.#limitsOf = limitsOf
  }

  /** One connection more. Throws `busy` with the `limit` where the user has as many as allowed; an operator may have a few more. */
  enter({ user, scope }: Pick<Identity, 'user' | 'scope'>): UserShare {
    const share = this.#shares.get(user) ?? { user, connections: 0, pendingBytes: 0, rate: new Rate(() => this.#limitsOf(user).bytesPerSecond) }
    const limit = this.#limitsOf(user).connectionsMax
    if (share.connections >= limit + (scope.has('admin') ? OPERATOR_CONNECTIONS : 0)) {
      const reason = `a user may have ${countText(limit, 'connection')} at once (user-connections)`
      throw new TallyError('busy', reason, { limit, used: share.connections, 'retry-after': 1_000 })
    }
    share.connections++
    this.#shares.set(user, share)
    return share
  }

  leave(share: UserShare): void {
    share.connections--
    this.#forgetWhenRested(share)
  }

  /** What came fast is not forgiven to who connects anew, nor is the burst given again. */
  #forgetWhenRested(share: UserShare): void {
    if (share.connections > 0 || this.#leaving.has(share)) return
    const restedMs = share.rate.restedMs
    if (restedMs === 0) {
      this.#shares.delete(share.user)
      return
    }
    this.#leaving.add(share)
    setTimeout(() => {
      this.#leaving.delete(share)
      this.#forgetWhenRested(share)
    }, Math.min(restedMs, DELAY_MS_MAX)).unref()
  }
}
