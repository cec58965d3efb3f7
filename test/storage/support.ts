/**
 * What the local store's own tests share: a directory of their own, and file systems that misbehave in a way the test chooses.
 */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { Test } from 'tap'
import type { FileSystem } from '../../daemon/storage/local/file-system.ts'
import { realFileSystem } from '../../daemon/storage/local/file-system.ts'
import { openLocalStore } from '../../daemon/storage/local/index.ts'
import type { Durability } from '../../daemon/storage/storage.ts'
import type { StoreUnderTest } from './conformance.ts'

/** A fresh directory that goes with the test. */
export function freshDirectory(t: Test): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'tally-store-'))
  t.teardown(() => fs.rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** An error as Node gives it for a failed system call. */
export function systemError(code: string, syscall: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: made by a test, ${syscall}`), { code, syscall })
}

/** An error as node:sqlite gives it. */
export function sqliteError(errcode: number): Error {
  return Object.assign(new Error('made by a test'), { code: 'ERR_SQLITE_ERROR', errcode })
}

/**
 * A disk that forgets at a power cut what was not synced, bytes as well as names. It works on real files; `survivors` says what would
 * be there: the files under `root` whose names, and whose directories' names, are durable, with the bytes of their last sync.
 */
export class ForgetfulDisk {
  readonly fileSystem: FileSystem
  readonly #root: string
  readonly #paths = new Map<number, string>()
  readonly #syncedBytes = new Map<string, Buffer>()
  readonly #durableNames = new Set<string>()
  openMax = 0

  constructor(root: string, overrides: Partial<FileSystem> = {}) {
    this.#root = root
    const opened = (fd: number, file: string): number => {
      this.#paths.set(fd, file)
      this.openMax = Math.max(this.openMax, this.#paths.size)
      return fd
    }
    this.fileSystem = {
      ...realFileSystem,
      openForWriting: async file => opened(await realFileSystem.openForWriting(file), file),
      syncData: async fd => {
        const file = this.#paths.get(fd) as string
        const bytes = fs.readFileSync(file)
        await realFileSystem.syncData(fd)
        this.#syncedBytes.set(file, bytes)
      },
      syncDirectory: async directory => {
        const names = fs.readdirSync(directory)
        await realFileSystem.syncDirectory(directory)
        for (const durable of [...this.#durableNames]) {
          if (path.dirname(durable) === directory && !names.includes(path.basename(durable))) this.#durableNames.delete(durable)
        }
        for (const name of names) this.#durableNames.add(path.join(directory, name))
      },
      close: async fd => {
        this.#paths.delete(fd)
        await realFileSystem.close(fd)
      },
      closeNow: fd => {
        this.#paths.delete(fd)
        realFileSystem.closeNow(fd)
      },
      ...overrides,
    }
  }

  survivors(): Map<string, Buffer> {
    const survivors = new Map<string, Buffer>()
    for (const file of this.#durableNames) {
      let isThere = true
      for (let at = path.dirname(file); at !== this.#root; at = path.dirname(at)) isThere &&= this.#durableNames.has(at)
      // A name without synced bytes: the file is there, and empty.
      if (isThere) survivors.set(file, this.#syncedBytes.get(file) ?? Buffer.alloc(0))
    }
    return survivors
  }
}

/** A local store in a directory of its own. */
export async function openLocal(durability: Durability): Promise<StoreUnderTest> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'tally-store-'))
  let store = await openLocalStore({ path: directory, durability })
  return {
    store,
    reopen: async () => {
      await store.close()
      store = await openLocalStore({ path: directory, durability })
      return store
    },
    end: async () => {
      await store.close()
      fs.rmSync(directory, { recursive: true })
    },
  }
}
