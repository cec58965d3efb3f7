/** What failed, in words for whoever runs the store: which call of which library it was says nothing to them. */
import { SQLITE_CANTOPEN, SQLITE_CORRUPT, SQLITE_FULL, SQLITE_NOTADB, SQLITE_READONLY } from './failures.ts'

const SYSTEM: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk has no room',
  EDQUOT: 'the user\'s share of the disk is used up',
  EFBIG: 'a file may not become that large there',
  EROFS: 'the file system is read-only',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENOENT: 'the file system lets nothing be made there',
  ENOTDIR: 'something on its path is no directory',
  EEXIST: 'something else is there',
  EIO: 'the disk failed',
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open',
}

const SQLITE: Readonly<Record<number, string>> = {
  [SQLITE_FULL]: 'the disk has no room',
  [SQLITE_READONLY]: 'the catalog can only be read',
  [SQLITE_CANTOPEN]: 'the catalog cannot be opened',
  [SQLITE_CORRUPT]: 'the catalog is damaged',
  [SQLITE_NOTADB]: 'the catalog is damaged, or something else',
}

/** Of what a call of the file system or SQLite threw; of anything else its own message. */
export function failureWords(cause: unknown): string {
  const { code, errcode, syscall, message } = (cause ?? {}) as { code?: unknown; errcode?: unknown; syscall?: unknown; message?: unknown }
  const ofSqlite = typeof errcode === 'number' ? SQLITE[errcode & 0xff] : undefined
  const ofSystem = typeof code === 'string' && syscall !== undefined ? SYSTEM[code] : undefined
  return ofSqlite ?? ofSystem ?? String(message ?? cause)
}
