/**
 * Some MiB of real bytes that are given up when the disk is full, so that a removal has room to be written down; they are made again
 * once there is room.
 */
import fs from 'node:fs'
import path from 'node:path'

/**
 * What one removal takes of SQLite's log at most, as long as no tags are announced for the whole transfer: 4,096 files with short names
 * took 0.7 MB, with names and tags that fill an announcement (400 bytes each) 4.5 MB.
 */
export const RESERVE_BYTES = 8 * 1024 * 1024
/** Not zeros: some file systems keep those without taking any room. In pieces, as V8 would keep all of it for as long as nothing happens. */
const PIECE = Buffer.alloc(65_536, 'kept so that removal works on a full disk\n')

export class Reserve {
  readonly #file: string
  #isThere = false

  constructor(directory: string) {
    this.#file = path.join(directory, 'reserve')
  }

  /** As the last call left it. */
  get isThere(): boolean {
    return this.#isThere
  }

  /** Answers whether there was anything to give up. */
  giveUp(): boolean {
    this.#isThere = false
    try {
      fs.unlinkSync(this.#file)
      return true
    } catch {
      return false
    }
  }

  /** Makes it unless it is there; a disk without room is no error, the next call tries again. */
  restore(): void {
    if (fs.statSync(this.#file, { throwIfNoEntry: false })?.size === RESERVE_BYTES) {
      this.#isThere = true
      return
    }
    try {
      write(this.#file)
      this.#isThere = true
    } catch {
      this.giveUp()
    }
  }
}

/** Anew, and synced on return. */
function write(file: string): void {
  const descriptor = fs.openSync(file, 'w', 0o600)
  try {
    for (let bytes = 0; bytes < RESERVE_BYTES; bytes += PIECE.length) fs.writeFileSync(descriptor, PIECE)
    fs.fsyncSync(descriptor)
  } finally {
    fs.closeSync(descriptor)
  }
}
