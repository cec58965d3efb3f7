/** What `sha256:…` means to commands that change files: every file of the user that has this content. */
import { TallyError } from '../../protocol/index.ts'
import type { Tally } from '../index.ts'

/** Newest first, at least one. Throws `not-found`. */
export async function filesOfDigest(tally: Tally, wanted: string, signal: AbortSignal): Promise<readonly { fid: string; file: number }[]> {
  const found: { fid: string; file: number }[] = []
  for await (const { fid, file, digest } of tally.find({}, { signal })) if (digest === wanted) found.push({ fid, file })
  if (found.length === 0) throw new TallyError('not-found', 'no file has this digest')
  return found
}
