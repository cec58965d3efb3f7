/**
 * A small file whose content is at hand, brought under its name by the thread that calls: whole or not at all, over nothing that is there
 * unless told, and through no link. Each call of the file system may wait for the disk, so this is no code for an app's own thread.
 */
import { linkSync, lstatSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'

export interface NewFile {
  readonly path: string
  /** The hidden name, of this file alone, under which it is written. */
  readonly partial: string
  readonly bytes: Uint8Array
  /** Replace what is there. */
  readonly force: boolean
}

/**
 * False where something stands in the way, which is for others to look at. Throws what the file system says, EEXIST where the name was
 * taken meanwhile; the hidden name is gone then.
 */
export function makeNow({ path, partial, bytes, force }: NewFile): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found !== undefined && (!force || found.isDirectory())) return false
  try {
    writeFileSync(partial, bytes, { flag: 'wx' })
    // Unlike a rename, a link never replaces what somebody put there meanwhile.
    if (force) renameSync(partial, path)
    else linkSync(partial, path)
  } catch (cause) {
    dropNow(partial)
    throw cause
  }
  if (!force) dropNow(partial)
  return true
}

function dropNow(partial: string): void {
  try {
    unlinkSync(partial)
  } catch {
    // It was not made; or it has its own name beside this one, which harms nobody.
  }
}
