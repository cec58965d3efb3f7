/**
 * The secret that the first start makes when no key is configured, so that the same user's client can mint its tokens without any set-up.
 * Two daemons that start at once agree on one, and a crash leaves either none or a whole one.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, linkSync, openSync, unlinkSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { makeDirectories } from './make-directories.ts'

const SECRET_BYTES = 32

/** Makes the secret file (0600, hex) and its directory (0700) unless it is there; true where it was made. Durable on return. */
export function makeSecret(path: string): boolean {
  if (existsSync(path)) return false
  const directory = dirname(path)
  makeDirectories(directory, 0o700)
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`
  const file = openSync(temporary, 'wx', 0o600)
  try {
    writeSync(file, `${randomBytes(SECRET_BYTES).toString('hex')}\n`)
    fsyncSync(file) // before the name: a power cut must not leave an empty secret under it
    return linked(temporary, path)
  } finally {
    closeSync(file)
    unlinkSync(temporary)
    syncDirectory(directory)
  }
}

/** link, not rename: it fails where another starter was first, whose secret then holds for both. */
function linked(temporary: string, path: string): boolean {
  try {
    linkSync(temporary, path)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

function syncDirectory(path: string): void {
  const directory = openSync(path, 'r')
  try {
    fsyncSync(directory)
  } finally {
    closeSync(directory)
  }
}
