/**
 * Tests that need root and Debian packages: without them they are skipped on a developer's machine, and fail where CI=true.
 */
import type { Test } from 'tap'
import { type FileSystemName, PowerDisk } from '../faults/power-disk.ts'

/** True where the kernel has no such file system, which no package changes; the test was then skipped. */
export function lacksFileSystem(t: Test, name: FileSystemName): boolean {
  if (PowerDisk.isKnown(name)) return false
  t.comment(`SKIPPED: the kernel has no ${name}`)
  return true
}

/** True when the test has to stop here; it was then skipped or failed, with the reason. */
export function lacks(t: Test, obstacle: string | undefined): boolean {
  if (obstacle === undefined) return false
  if (process.env['CI'] === 'true') t.fail(obstacle)
  else t.comment(`SKIPPED: ${obstacle}`)
  return true
}
