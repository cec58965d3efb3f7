/**
 * Makes directories one by one. Node's own recursion goes on for ever where a file system answers ENOENT to whoever makes something there,
 * as /proc does.
 */
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/** Makes the directory and those above it that are not there; answers which it made, the topmost first. */
export function makeDirectories(directory: string, mode: number): readonly string[] {
  const missing: string[] = []
  for (let at = resolve(directory); !existsSync(at) && at !== dirname(at); at = dirname(at)) missing.unshift(at)
  return missing.filter(each => made(each, mode))
}

/** False where another one was faster. */
function made(directory: string, mode: number): boolean {
  try {
    mkdirSync(directory, { mode })
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true) return false
    throw error
  }
}
