/**
 * What each user has of this daemon just now, over all of their connections: how many those are, what they have pending, how fast bytes come.
 * Nothing durable: what a user has stored is the catalog's `usage`.
 */
import { TallyError } from '../protocol/errors.ts'
import type { LimitsOf } from './limits.ts'
import { Rate } from './rate.ts'

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

  constructor(limitsOf: LimitsOf) {
    this.#limitsOf = limitsOf
  }

  /** One connection more. Throws `busy`, fatal, with the `limit` where the user has as many as allowed. */
  enter(user: string): UserShare {
    const share = this.#shares.get(user) ?? { user, connections: 0, pendingBytes: 0, rate: new Rate(() => this.#limitsOf(user).bytesPerSecond) }
    const limit = this.#limitsOf(user).connectionsMax
    if (share.connections >= limit) {
      const reason = `a user may have ${limit} connections at once`
      throw new TallyError('busy', reason, { limit, used: share.connections, 'retry-after': 1_000 }, { fatal: true })
    }
    share.connections++
    this.#shares.set(user, share)
    return share
  }

  leave(share: UserShare): void {
    if (--share.connections > 0) return
    // What came too fast is not forgiven to who connects anew.
    setTimeout(() => {
      if (share.connections === 0 && this.#shares.get(share.user) === share) this.#shares.delete(share.user)
    }, share.rate.take(0)).unref()
  }
}
