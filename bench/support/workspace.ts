/**
 * The directory of one run of the bench: input, baselines' output and stores, all on one file system, and gone afterwards whatever
 * happened. It lies beside the sources unless told otherwise, because a temporary directory may be in memory and then has no syncs.
 */
import { createHash, randomFillSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface InputFile {
  readonly path: string
  readonly sizeBytes: number
  /** `sha256:` and hex, computed while it was written. */
  readonly digest: string
}

const BLOCK_BYTES = 1024 * 1024

export class Workspace {
  readonly directory: string
  /** A Unix socket's path has at most 107 bytes, which the workspace's may exceed; so sockets have a short one. */
  readonly #socketDirectory: string
  #counter = 0

  constructor(parent: string) {
    this.directory = mkdtempSync(join(parent, '.bench-'))
    this.#socketDirectory = mkdtempSync(join(tmpdir(), 'tb-'))
  }

  /** A path that nothing uses yet. */
  path(name: string): string {
    return join(this.directory, `${this.#counter++}-${name}`)
  }

  socketPath(name: string): string {
    return join(this.#socketDirectory, `${this.#counter++}-${name}`)
  }

  async makeDirectory(name: string): Promise<string> {
    const path = this.path(name)
    await mkdir(path, { mode: 0o700 })
    return path
  }

  /** Random bytes, so that nothing below can compress them; in the page cache afterwards. */
  async makeInput(sizeBytes: number): Promise<InputFile> {
    const path = this.path('input')
    const hash = createHash('sha256')
    const file = await open(path, 'w')
    try {
      for (let offset = 0; offset < sizeBytes; offset += BLOCK_BYTES) {
        const block = randomFillSync(Buffer.allocUnsafe(Math.min(BLOCK_BYTES, sizeBytes - offset)))
        hash.update(block)
        await file.write(block)
      }
      // Written back now, or the kernel would do it in the middle of the first pairs.
      await file.sync()
    } finally {
      await file.close()
    }
    return { path, sizeBytes, digest: `sha256:${hash.digest('hex')}` }
  }

  async drop(path: string): Promise<void> {
    await rm(path, { recursive: true, force: true })
  }

  /** Removes what is in a directory, but not the directory. */
  async empty(path: string): Promise<void> {
    await Promise.all((await readdir(path)).map(name => this.drop(join(path, name))))
  }

  /** Safe to call twice, and from an exit handler. */
  remove(): void {
    rmSync(this.directory, { recursive: true, force: true })
    rmSync(this.#socketDirectory, { recursive: true, force: true })
  }
}
