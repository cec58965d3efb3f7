/**
 * The file operations that contents are made of, as a small interface: a test can hand in one that fails, writes short, or only
 * pretends to sync. Those whose names end with `Now` run on the calling thread, all others on the thread pool; all fail with Node's
 * system errors.
 */
import fs from 'node:fs'
import { promisify } from 'node:util'

export interface FileSystem {
  /** Makes the file (0600) where it is absent and keeps what is there. Answers a descriptor for reading and writing. */
  openForWriting(path: string): Promise<number>
  openForReading(path: string): Promise<number>
  /** Writes some of the pieces' bytes, one piece after the other; answers how many. */
  write(fd: number, pieces: readonly Uint8Array[], offsetBytes: number): Promise<number>
  /** The same on the calling thread: cheaper than the way to the pool and back while there are few bytes. */
  writeNow(fd: number, pieces: readonly Uint8Array[], offsetBytes: number): number
  /** Reads some bytes into the buffer; answers how many, 0 at the end. */
  read(fd: number, buffer: Uint8Array, offsetBytes: number): Promise<number>
  /** The same on the calling thread, for what was written a moment ago. */
  readNow(fd: number, buffer: Uint8Array, offsetBytes: number): number
  /** The file's bytes and its length are durable on return. */
  syncData(fd: number): Promise<void>
  /** The directory's names are durable on return. */
  syncDirectory(path: string): Promise<void>
  /** 0700; one that exists is no error. */
  makeDirectory(path: string): Promise<void>
  close(fd: number): Promise<void>
  /** The same at once, where the file has another name left: the last close of a removed one may take long. */
  closeNow(fd: number): void
  unlink(path: string): Promise<void>
}

const open = promisify(fs.open)
const close = promisify(fs.close)

export const realFileSystem: FileSystem = {
  openForWriting: path => open(path, fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_NOFOLLOW, 0o600),
  openForReading: path => open(path, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW),
  write: (fd, pieces, offsetBytes) => new Promise((resolve, reject) => {
    fs.writev(fd, pieces, offsetBytes, (error, written) => (error === null ? resolve(written) : reject(error)))
  }),
  writeNow: (fd, pieces, offsetBytes) => {
    const [only] = pieces
    return pieces.length === 1 && only !== undefined ? fs.writeSync(fd, only, 0, only.length, offsetBytes) : fs.writevSync(fd, pieces, offsetBytes)
  },
  read: (fd, buffer, offsetBytes) => new Promise((resolve, reject) => {
    fs.read(fd, buffer, 0, buffer.length, offsetBytes, (error, bytesRead) => (error === null ? resolve(bytesRead) : reject(error)))
  }),
  readNow: (fd, buffer, offsetBytes) => fs.readSync(fd, buffer, 0, buffer.length, offsetBytes),
  syncData: fd => new Promise((resolve, reject) => {
    fs.fdatasync(fd, error => (error === null ? resolve() : reject(error)))
  }),
  syncDirectory: async path => {
    const fd = await open(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
    try {
      await new Promise<void>((resolve, reject) => {
        fs.fsync(fd, error => (error === null ? resolve() : reject(error)))
      })
    } finally {
      await close(fd)
    }
  },
  makeDirectory: async path => {
    await fs.promises.mkdir(path, { recursive: true, mode: 0o700 })
  },
  close: fd => close(fd),
  closeNow: fd => fs.closeSync(fd),
  unlink: path => fs.promises.unlink(path),
}
