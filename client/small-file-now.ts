/**
 * Small files, made and read whole by the thread that calls. Each call of the file system may wait for the disk, so this is no code for an
 * app's own thread.
 */
import { closeSync, fstatSync, linkSync, lstatSync, openSync, readSync, renameSync, statSync, unlinkSync, writeFileSync } from 'node:fs'

export interface NewFile {
  readonly path: string
  /** The hidden name, of this file alone, under which it is written. */
  readonly partial: string
  readonly bytes: Uint8Array
  /** Replace what is there. */
  readonly force: boolean
}

/** A file as it was in one moment. */
export interface ReadFile {
  readonly bytes: Uint8Array
  readonly modifiedMs: number
}

/**
 * Brings a file under its name: whole or not at all, over nothing that is there unless told, and through no link. False where something
 * stands in the way, which is for others to look at. Throws what the file system says, EEXIST where the name was taken meanwhile; the
 * hidden name is gone then.
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

/** Undefined where it is no file of at most so many bytes, or changes while it is read. Throws what the file system says. */
export function readNow(path: string, bytesMax: number): ReadFile | undefined {
  // Before it is opened: opening a FIFO waits for its writer.
  const before = statSync(path, { bigint: true })
  if (!before.isFile() || before.size > bytesMax) return undefined
  const fd = openSync(path, 'r')
  try {
    const sizeBytes = Number(before.size)
    const bytes = Buffer.allocUnsafeSlow(sizeBytes + 1)
    const bytesRead = readSync(fd, bytes, 0, sizeBytes + 1, 0)
    const after = fstatSync(fd, { bigint: true })
    if (bytesRead !== sizeBytes || after.mtimeNs !== before.mtimeNs || after.ino !== before.ino) return undefined
    return { bytes: bytes.subarray(0, sizeBytes), modifiedMs: Number(before.mtimeNs / 1_000_000n) }
  } finally {
    closeSync(fd)
  }
}

function dropNow(partial: string): void {
  try {
    unlinkSync(partial)
  } catch {
    // It was not made; or it has its own name beside this one, which harms nobody.
  }
}
