/**
 * What a user may have, and the one rule that says when it is too much. How the figures are kept is each catalog's business; a catalog
 * asks here inside the change that would add to them, so that of two changes that race for the last byte one wins.
 */
import { TallyError } from '../../protocol/errors.ts'
import { SIZE_BYTES_MAX } from '../../protocol/limits.ts'
import { countText, sizeText } from '../../protocol/quantities.ts'

/**
 * What counts for a user. Bytes: those of each distinct stored content once, and the announced sizes of unfinished files (of one whose
 * size is not told yet, the bytes that are marked). Files: all that were not removed.
 */
export interface Usage {
  readonly bytes: number
  readonly files: number
}

export interface Quota {
  readonly bytesMax: number
  readonly filesMax: number
}

/** The bound that sums of sizes need in any case: beyond it a number is not exact. */
export const NO_QUOTA: Quota = { bytesMax: SIZE_BYTES_MAX, filesMax: SIZE_BYTES_MAX }

/**
 * Throws `quota-exceeded` where the growth leads beyond the quota, with `unit`, the `limit` and what is `used` before it. What does not
 * grow is never refused: a lowered quota takes nothing away.
 */
export function checkQuota(used: Usage, growth: Usage, quota: Quota = NO_QUOTA): void {
  if (growth.files > 0 && used.files + growth.files > quota.filesMax) throw exceeded('files', quota.filesMax, used.files, growth.files)
  if (growth.bytes > 0 && used.bytes + growth.bytes > quota.bytesMax) throw exceeded('bytes', quota.bytesMax, used.bytes, growth.bytes)
}

/** How much is too much is told by itself: of rounded figures that look alike one may be a byte above the other. */
function exceeded(unit: 'bytes' | 'files', limit: number, used: number, more: number): TallyError {
  const text = unit === 'bytes' ? sizeText : (count: number) => countText(count, 'file')
  const excess = `${text(used + more - limit)} too ${unit === 'bytes' ? 'much' : 'many'}`
  const reason = `the quota is ${text(limit)}, with ${text(used)} in use: there is no room for ${text(more)} more, which is ${excess}`
  return new TallyError('quota-exceeded', reason, { unit, limit, used })
}
