/**
 * A Unix socket's path before something listens on it: a directory that only its owner can write to, nothing left by a dead process, and
 * a mode that holds from the moment on when the path is visible.
 */
import { chmodSync, chownSync, lstatSync, statSync, unlinkSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { makeDirectories } from './make-directories.ts'

/** sockaddr_un has 108 bytes with the closing zero. */
export const SOCKET_PATH_BYTES_MAX = 107

/** Why a socket cannot be listened on, as a sentence for the operator. */
export class ListenError extends Error {}

/** Who may connect besides the owner. */
export interface SocketAccess {
  /** The socket's permissions; default 0600, or 0660 with a group. */
  readonly mode?: number
  /** The socket's, and that of a directory that is made for it (0750 then, else 0700). */
  readonly groupId?: number
}

/** A group's number, by name or number. Throws `ListenError`. */
export function groupIdOf(group: string): number {
  if (/^\d{1,9}$/.test(group)) return Number(group)
  const { stdout } = spawnSync('getent', ['group', '--', group], { encoding: 'utf8' })
  const [, id] = /^[^:]+:[^:]*:(\d+):/.exec(stdout ?? '') ?? []
  if (id === undefined) throw new ListenError(`there is no group ${JSON.stringify(group)}`)
  return Number(id)
}

/** Makes the way free for `listen`. Throws `ListenError` where the path is too long, in use, something else, or in an open directory. */
export async function preparePath(path: string, { groupId }: SocketAccess = {}): Promise<void> {
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX) {
    throw new ListenError(`the socket's path has ${Buffer.byteLength(path)} bytes; a Unix socket takes ${SOCKET_PATH_BYTES_MAX}: ${path}`)
  }
  prepareDirectory(dirname(path), groupId)
  await removeStale(path)
}

/**
 * Runs what creates the socket, synchronously, so that it has mode 0600 from the beginning; then the group, then the mode that the access
 * says: at no moment may anybody connect who is not meant to.
 */
export function createSocket(path: string, { mode, groupId }: SocketAccess, create: () => void): void {
  const umask = process.umask(0o177)
  try {
    create()
  } finally {
    process.umask(umask)
  }
  // What could not be created says so elsewhere.
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return
  if (groupId !== undefined) chownSync(path, -1, groupId)
  const wanted = mode ?? (groupId === undefined ? undefined : 0o660)
  if (wanted !== undefined) chmodSync(path, wanted)
}

/** Makes the directory; one that is there must not be writable for everybody: clients would refuse the socket. */
function prepareDirectory(path: string, groupId: number | undefined): void {
  // Also those made on the way: the group passes through each of them.
  for (const made of makeDirectories(path, 0o700)) {
    if (groupId !== undefined) chownSync(made, -1, groupId)
    chmodSync(made, groupId === undefined ? 0o700 : 0o750)
  }
  if ((statSync(path).mode & 0o002) !== 0) {
    throw new ListenError(`the socket's directory is writable for everybody, so no client could trust the socket: ${path}`)
  }
}

/** Removes what a dead daemon left at the path. Throws where somebody answers there, or where it is no socket. */
async function removeStale(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return
  if (!stat.isSocket()) throw new ListenError(`there is something else at the socket's path: ${path}`)
  if (await answers(path)) throw new ListenError(`another process listens there already: ${path}`)
  unlinkSync(path)
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect(path)
    probe.on('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false)
      else reject(new ListenError(`cannot tell whether another process listens there: ${path}: ${error.message}`, { cause: error }))
    })
  })
}
