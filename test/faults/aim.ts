/** What a campaign is about: how often which of the things happens that may happen in it, as probabilities. */
export interface Aim {
  /** Of a life: the clock goes on before or in it, so that much expires. */
  readonly expiry: number
  /** Of an expiry: it comes while the daemon serves, and not at its start. */
  readonly jump: number
  /** Of a file: it expires by itself. */
  readonly expiring: number
  /** Of a stopped store: `tallyd gc`, at most so many times. */
  readonly reclaims: number
  readonly reclaimsMax: number
  /** Of a stopped store: it is checked; a bit of it rots. */
  readonly checks: number
  readonly flips: number
}

export const EVERYTHING: Aim = { expiry: 0.25, jump: 0.4, expiring: 0.1, reclaims: 0.15, reclaimsMax: 1, checks: 0.35, flips: 0.4 }

/** Expiry, and what `tallyd gc` does with it. */
export const RECLAIMING: Aim = { expiry: 0.9, jump: 0.4, expiring: 0.6, reclaims: 0.9, reclaimsMax: 2, checks: 0.35, flips: 0.15 }
