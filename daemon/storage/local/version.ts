/**
 * The store's directory and the number of its format, which is checked before anything else in it is opened. A directory that is
 * neither empty nor a store is refused: nobody's home directory becomes one by a slip.
 */
import fs from 'node:fs'
import path from 'node:path'
import { makeDirectories } from '../../make-directories.ts'
import { refuseReadOnly } from './cannot-open.ts'
import { failureWords } from './failure-words.ts'
import { checkOwner } from './owner.ts'

export const STORE_VERSION = 2
const VERSION_FILE = 'version'
/** What an unfinished first start, or the file system itself, may have left in a directory that is not a store yet. */
const TOLERATED = new Set(['version.new', 'lost+found'])

/** Makes the directory (0700) and its version, durably; throws an Error with a sentence for the operator where it must not be used. */
export function prepareDirectory(directory: string): void {
  checkOwner(directory)
  makeDurably(directory)
  refuseReadOnly(directory)
  const found = readVersion(directory)
  if (found === undefined) {
    const strangers = fs.readdirSync(directory).filter(name => !TOLERATED.has(name) && name !== VERSION_FILE)
    if (strangers.length > 0) throw new Error(`${directory} is neither empty nor a tally store (it holds ${strangers[0]})`)
    writeVersion(directory)
  } else if (found !== STORE_VERSION) {
    throw new Error(otherVersion(directory, found))
  }
  fs.chmodSync(directory, 0o700)
}

function makeDurably(directory: string): void {
  try {
    for (const made of makeDirectories(directory, 0o700)) syncDirectory(path.dirname(made))
  } catch (cause) {
    throw new Error(`the store's directory ${directory} cannot be made: ${failureWords(cause)}`, { cause })
  }
}

/** Throws an Error with a sentence for the operator unless there is a store of this version; makes nothing. */
export function checkVersion(directory: string): void {
  const found = readVersion(directory)
  if (found === undefined) throw new Error(`there is no tally store in ${directory}`)
  if (found !== STORE_VERSION) throw new Error(otherVersion(directory, found))
}

/** Makes the names in a directory durable. */
export function syncDirectory(directory: string): void {
  const fd = fs.openSync(directory, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
  try {
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

/** Why a store of this version is not opened, for the operator. */
export function otherVersion(directory: string, found: number): string {
  if (found > STORE_VERSION) return `${directory} is a store of version ${found}; this tallyd reads version ${STORE_VERSION}`
  return `${directory} is a store of version ${found}; \`tallyd --migrate\` brings it to version ${STORE_VERSION} (copy it first)`
}

/** The number of the store's format; undefined where there is no store. */
export function readVersion(directory: string): number | undefined {
  let text: string
  try {
    text = fs.readFileSync(path.join(directory, VERSION_FILE), 'latin1')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  if (!/^[1-9][0-9]{0,8}\n$/.test(text)) throw new Error(`${path.join(directory, VERSION_FILE)} holds no version number`)
  return Number(text)
}

/** Renamed into place, so that a version is whole or absent. */
export function writeVersion(directory: string): void {
  const fresh = path.join(directory, 'version.new')
  const fd = fs.openSync(fresh, 'w', 0o600)
  try {
    fs.writeSync(fd, `${STORE_VERSION}\n`)
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
  fs.renameSync(fresh, path.join(directory, VERSION_FILE))
  syncDirectory(directory)
}
