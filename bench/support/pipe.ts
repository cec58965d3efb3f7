/** Both ends of the baseline `pipe` as one thing with a rate. */
import { setTimeout } from 'node:timers/promises'
import type { PipeResult, PipeTask } from '../baselines/pipe.ts'
import type { Child } from './child.ts'
import { baselines } from './programs.ts'
import type { InputFile, Workspace } from './workspace.ts'

/** After each run of anything, for the deletion of what it wrote. */
export const SETTLE_MS = 100

export class Pipe {
  readonly #workspace: Workspace
  readonly #socketPath: string
  readonly #outputPath: string
  readonly #sink: Child<PipeTask, PipeResult> = baselines.pipe()
  readonly #source: Child<PipeTask, PipeResult> = baselines.pipe()

  private constructor(workspace: Workspace) {
    this.#workspace = workspace
    this.#socketPath = workspace.socketPath('pipe')
    this.#outputPath = workspace.path('output')
  }

  static async start(workspace: Workspace): Promise<Pipe> {
    const pipe = new Pipe(workspace)
    await pipe.#sink.run({ role: 'sink', socketPath: pipe.#socketPath, path: pipe.#outputPath })
    return pipe
  }

  /** The process of the receiving side. */
  get sinkPid(): number {
    return this.#sink.pid
  }

  /** Sends the file once; MB/s. */
  async rate({ path, sizeBytes }: InputFile): Promise<number> {
    const seconds = await this.#source.run({ role: 'source', socketPath: this.#socketPath, path })
    await this.#workspace.drop(this.#outputPath)
    await setTimeout(SETTLE_MS)
    return sizeBytes / seconds / 1e6
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#sink.stop(), this.#source.stop()])
  }
}
