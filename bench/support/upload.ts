/** The uploading clients as things with a rate: the lean one, which hashes nothing, and the library, which is what a user meets. */
import { setTimeout } from 'node:timers/promises'
import type { Acks } from '../../protocol/index.ts'
import type { LibraryResult, LibraryTask, StoredFile } from '../clients/library.ts'
import type { UploadResult, UploadTask } from '../clients/upload.ts'
import type { Child } from './child.ts'
import type { Access } from './daemon.ts'
import type { BenchContext } from './figure.ts'
import { Link, logIn } from './link.ts'
import { SETTLE_MS } from './pipe.ts'
import { clients } from './programs.ts'
import type { InputFile } from './workspace.ts'

export class LeanUpload {
  readonly #child: Child<UploadTask, UploadResult>

  constructor(context: BenchContext) {
    this.#child = clients.upload(context)
  }

  run(task: UploadTask): Promise<UploadResult> {
    return this.#child.run(task)
  }

  /** Puts the file and removes it again; MB/s until it was stored. */
  async rate(access: Access, input: InputFile, chunkSizeBytes: number, acks: Acks): Promise<number> {
    const { seconds } = await this.run({ access, input, chunkSizeBytes, acks })
    await setTimeout(SETTLE_MS)
    return input.sizeBytes / seconds / 1e6
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#child.stop()
  }
}

export class LibraryClient {
  readonly #child: Child<LibraryTask, LibraryResult>

  constructor(context: BenchContext) {
    this.#child = clients.library(context)
  }

  run(task: LibraryTask): Promise<LibraryResult> {
    return this.#child.run(task)
  }

  /**
   * Puts the files, each over a connection of its own, and removes them again; MB/s until the last was stored. Throws where a digest is not
   * the input's.
   */
  async rate(access: Access, inputs: readonly InputFile[]): Promise<number> {
    const { seconds, files } = await this.run({ access, do: 'put', paths: inputs.map(({ path }) => path) })
    checkDigests(files, inputs)
    await setTimeout(SETTLE_MS)
    return inputs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) / seconds / 1e6
  }

  /** Puts a file that stays; answers it with the chunk size that the library chose. */
  async keep(access: Access, input: InputFile): Promise<StoredFile & { readonly chunkSizeBytes: number }> {
    const { files: [file] } = await this.run({ access, do: 'put', paths: [input.path], keep: true })
    if (file === undefined) throw new Error('nothing was stored')
    checkDigests([file], [input])
    const link = await Link.open(access, 'msgpack')
    try {
      const { chunkSizeBytes } = await logIn(link, access, { fid: file.fid })
      if (chunkSizeBytes === undefined) throw new Error('the report tells no chunk size')
      return { ...file, chunkSizeBytes }
    } finally {
      link.close()
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#child.stop()
  }
}

export function checkDigests(files: readonly StoredFile[], inputs: readonly InputFile[]): void {
  for (const [i, { digest }] of inputs.entries()) {
    if (files[i]?.digest !== digest) throw new Error(`a file has the digest ${files[i]?.digest}, not ${digest}`)
  }
}
