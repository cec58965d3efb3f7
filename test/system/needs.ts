/**
 * Tests that need root and Debian packages: without them they are skipped on a developer's machine, and fail where CI=true.
 */
import type { Test } from 'tap'

/** True when the test has to stop here; it was then skipped or failed, with the reason. */
export function lacks(t: Test, obstacle: string | undefined): boolean {
  if (obstacle === undefined) return false
  if (process.env['CI'] === 'true') t.fail(obstacle)
  else t.comment(`SKIPPED: ${obstacle}`)
  return true
}
