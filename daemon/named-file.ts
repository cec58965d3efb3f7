/** Reads a file that the operator named; where that fails, the words say what is wrong with the file, not which call failed. */
import { readFileSync } from 'node:fs'

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file', ENOTDIR: 'there is no such file', EISDIR: 'it is a directory', EACCES: 'permission denied', ELOOP: 'its links go in circles',
}

/** The file's bytes. Throws an Error that says why not, without the path. */
export function readNamedFile(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    const { code = '', message } = cause as NodeJS.ErrnoException
    throw new Error(WORDS[code] ?? message, { cause })
  }
}
