/** The campaign's clock: the daemon's is the machine's, put forward now and then, never back, as time itself. */
import { join } from 'node:path'

/** For `node --import`. */
export const LATER = join(import.meta.dirname, 'later.ts')

export class CampaignClock {
  /** How far it is ahead of the machine's. */
  laterMs = 0

  readonly nowMs = (): number => Date.now() + this.laterMs
}
