/** The ids that people give on the command line, and what they mean to commands that change files. */
import { TallyError } from '../../protocol/index.ts'
import { type FileId, parseFileId } from '../file-id.ts'
import type { FoundFile, Tally } from '../index.ts'
import { UsageError } from './arguments.ts'

/** Throws UsageError. */
export function parseId(text: string): FileId {
  try {
    return parseFileId(text)
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

export function labelOf(id: FileId): string {
  return 'digest' in id ? id.digest : id.file === undefined ? id.fid : `${id.fid}/${id.file}`
}

/** As error lines name it: a listed file with its name. */
export function subjectOf(file: FoundFile | FileId): { readonly id: string; readonly name?: string } {
  return 'name' in file ? { id: `${file.fid}/${file.file}`, name: file.name } : { id: labelOf(file) }
}

/** What `sha256:…` means: every file of the user that has this content, newest first, at least one. Throws `not-found`. */
export async function filesOfDigest(tally: Tally, wanted: string, signal: AbortSignal): Promise<readonly { fid: string; file: number }[]> {
  const found: { fid: string; file: number }[] = []
  for await (const { fid, file, digest } of tally.find({}, { signal })) if (digest === wanted) found.push({ fid, file })
  if (found.length === 0) throw new TallyError('not-found', 'no file has this digest')
  return found
}
