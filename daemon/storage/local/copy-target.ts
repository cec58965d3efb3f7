/**
 * The directory that a copy of a store is written into: what it must be, and what becomes of it where the copy cannot be finished. Half a
 * copy is no store, and nobody can tell what it lacks, so it does not stay.
 */
import fs from 'node:fs'
import path from 'node:path'
import { makeDirectories } from '../../make-directories.ts'
import { failureWords } from './failure-words.ts'
import { checkOwnDirectory } from './owner.ts'

/** What a copy is made of, in the order in which it is made. */
const PARTS = ['blobs', 'catalog.db', 'catalog.db-journal', 'catalog.db-wal', 'catalog.db-shm', 'version.new', 'version']

export class CopyTarget {
  readonly #directory: string
  #made: readonly string[] = []

  /** Of a copy of the store `from`. Throws an Error with a sentence for the operator where it is not fit for that; makes nothing. */
  constructor(from: string, directory: string) {
    this.#directory = directory
    checkOwnDirectory(directory)
    if (isInside(realPath(directory), realPath(from))) throw new Error(`${directory} lies in the store ${from}: a copy of it goes elsewhere`)
    const [stranger] = fs.existsSync(directory) ? fs.readdirSync(directory) : []
    if (stranger !== undefined) throw new Error(`${directory} is not empty (it holds ${stranger})`)
  }

  /** Runs what makes the copy in the directory. What it throws becomes a sentence for the operator, and of what was made nothing stays. */
  fill<T>(copy: () => T): T {
    try {
      this.#made = makeDirectories(this.#directory, 0o700)
      fs.chmodSync(this.#directory, 0o700)
      return copy()
    } catch (cause) {
      throw new Error(`the copy in ${this.#directory} could not be finished: ${failureWords(cause)}; ${this.#undo()}`, { cause })
    }
  }

  #undo(): string {
    try {
      for (const part of PARTS) fs.rmSync(path.join(this.#directory, part), { recursive: true, force: true })
      // Whatever others put there meanwhile keeps its directory.
      for (const directory of this.#made.toReversed()) fs.rmdirSync(directory)
      return 'what there was of it has been removed'
    } catch (cause) {
      return `what there is of it can be deleted (${failureWords(cause)})`
    }
  }
}

/** Without links, also of what is not there yet: then it will be in its nearest parent that is. */
function realPath(file: string): string {
  const absolute = path.resolve(file)
  try {
    return fs.realpathSync(absolute)
  } catch (cause) {
    if (!['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '')) throw cause
    return path.join(realPath(path.dirname(absolute)), path.basename(absolute))
  }
}

function isInside(file: string, directory: string): boolean {
  return file === directory || file.startsWith(directory.endsWith('/') ? directory : `${directory}/`)
}
