/**
 * Partial files of downloads, and who may write into one: its first writer, until it is closed, also where others are in other processes.
 * So nothing is written into a file once it has got its name.
 */
import { constants } from 'node:fs'
import { type FileHandle, lstat, open } from 'node:fs/promises'
import { type Server, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { ClientError } from './errors.ts'
import { ignoreAbsent } from './target-file.ts'

/** For how long a partial file may have a second name. */
const NAMED_TRIES = 20
const NAMED_WAIT_MS = 5

export interface PartialFile {
  readonly handle: FileHandle
  /** Closes it and lets others write. */
  close(): Promise<void>
}

/**
 * A new file, or our own partial one, for us alone; undefined where somebody writes into it already. A link is not followed, and a file
 * with other names or another owner not touched. Throws `unsafe-target`, `no-space`, what the file system says.
 */
export async function openPartial(path: string): Promise<PartialFile | undefined> {
  for (let another = NAMED_TRIES; ; another--) {
    const handle = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o666).catch(notOpened)
    const { dev, ino } = await handle.stat()
    const lock = await lockOf(`${dev}-${ino}`)
    const found = await handle.stat()
    const isNamed = lock !== undefined && await isNameOf(path, handle)
    if (isNamed && found.isFile() && found.nlink === 1 && found.uid === (process.geteuid?.() ?? found.uid)) {
      return { handle, close: () => handle.close().finally(() => lock.close()) }
    }
    await handle.close()
    lock?.close()
    if (lock === undefined) return undefined
    // Another get of the same content gave it its name: then it has two of them for a moment, or this one none.
    if (!found.isFile() || found.nlink > 2 || another === 0) {
      throw new ClientError('unsafe-target', `${path} is not a file of our own making`)
    }
    await sleep(NAMED_WAIT_MS)
  }
}

/** Whether this path, without following a link, is the file that is open. */
export async function isNameOf(path: string, handle: FileHandle): Promise<boolean> {
  const [own, found] = await Promise.all([handle.stat(), lstat(path).catch(ignoreAbsent)])
  return found !== undefined && found.ino === own.ino && found.dev === own.dev
}

/** Throws what writing met; a full disk has a code of its own, as making room is all that it takes to go on. */
export function notWritten(cause: NodeJS.ErrnoException): never {
  if (cause.code === 'ENOSPC' || cause.code === 'EDQUOT') throw new ClientError('no-space', 'there is no room on the local disk', { cause })
  throw cause
}

/** Throws what opening a partial file met. */
function notOpened(cause: NodeJS.ErrnoException): never {
  if (cause.code === 'ELOOP') throw new ClientError('unsafe-target', `${cause.path ?? 'the partial file'} is a link`, { cause })
  return notWritten(cause)
}

/**
 * Undefined where another holds it. Node has no flock: an abstract socket, whose name the kernel gives to one only and takes back when the
 * process dies, however it does. Elsewhere than on Linux there are none, and only this process is looked at.
 */
async function lockOf(name: string): Promise<Pick<Server, 'close'> | undefined> {
  if (held.has(name)) return undefined
  held.add(name)
  const server = process.platform === 'linux' ? await listening(`\0tally-partial-${name}`) : createServer()
  if (server === undefined) held.delete(name)
  else server.once('close', () => held.delete(name))
  return server
}

const held = new Set<string>()

function listening(path: string): Promise<Server | undefined> {
  return new Promise(resolve => {
    const server = createServer(socket => socket.destroy())
    server.once('error', () => resolve(undefined))
    server.listen({ path, exclusive: true }, () => resolve(server.unref()))
  })
}
