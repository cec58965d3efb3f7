/**
 * Makes the small files of one `getAll` in a thread of its own, once there are many of them. Each takes six calls of the file system, of some
 * 10 µs; through the thread pool each costs 20 µs more to hand over, and four threads that change one directory wait for one another,
 * spinning. On the app's own thread they would hold up everything else for as long as a slow disk takes.
 */
import { Worker } from 'node:worker_threads'
import { ClientError } from './errors.ts'
import type { NewFile } from './new-file.ts'

/** A file of more is not held up by how it is handed over. */
const SMALL_BYTES_MAX = 65_536
/** For fewer files a thread is not worth its start. */
const FILES_BEFORE = 64
/** Where a file takes longer than this, as over a network, most of it is waiting, which several threads can do at once. */
const SLOW_MS = 1
/** So many files decide how long one takes. */
const MEAN_OF_FILES = 64
/** What the thread makes lives no longer than a message; V8 by itself lets this garbage grow before it looks. */
const YOUNG_MIB_MAX = 6

/** With the number of the request. Copied to the thread, an array costs less than an object with the names of its fields. */
export type Request = readonly [id: number, path: string, partial: string, bytes: Uint8Array, force: boolean]

/** The number of the request whose file was made; or why it was not. */
export type Answer = number | {
  readonly id: number
  /** What the file system said: the fields of a `NodeJS.ErrnoException`; absent where something stood in the way. */
  readonly failure?: Readonly<Record<string, unknown>> & { readonly message: string }
}

export interface Answers {
  readonly answers: readonly Answer[]
  /** How long all of them took. */
  readonly tookMs: number
}

interface Waiting {
  resolve(isMade: boolean): void
  reject(error: Error): void
}

export class FileMaker {
  readonly #slowMs: number
  /** How long a file took lately. */
  #meanMs = 0
  #files = 0
  #worker: Worker | undefined
  /** The thread runs; where it cannot, files are made without it. */
  #isThere = false
  #lastId = 0
  #asked: Request[] = []
  readonly #waiting = new Map<number, Waiting>()

  constructor(slowMs = SLOW_MS) {
    this.#slowMs = slowMs
  }

  /** Counts a file of so many bytes, and says whether it is to be made here. */
  takes(sizeBytes: number): boolean {
    if (sizeBytes > SMALL_BYTES_MAX) return false
    if (++this.#files === FILES_BEFORE) this.#start()
    return this.#isThere
  }

  /**
   * As `makeNow`, in the thread; false also where files take long and it has one already: then the pool's threads work beside it. What is
   * asked for in one turn of the event loop is one message.
   */
  make({ path, partial, bytes, force }: NewFile): Promise<boolean> {
    const worker = this.#worker
    if (worker === undefined) return Promise.reject(gone())
    if (this.#meanMs > this.#slowMs && this.#waiting.size > 0) return Promise.resolve(false)
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      if (this.#waiting.size === 0) worker.ref()
      this.#waiting.set(id, { resolve, reject })
      if (this.#asked.push([id, path, partial, bytes, force]) > 1) return
      setImmediate(() => {
        worker.postMessage(this.#asked)
        this.#asked = []
      })
    })
  }

  /** Ends the thread. To be called when nothing is waited for. */
  async close(): Promise<void> {
    await this.#worker?.terminate()
  }

  #start(): void {
    try {
      const url = new URL(`./file-maker-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)
      const worker = new Worker(url, { resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB_MAX } })
      worker.on('message', ({ answers, tookMs }: Answers) => {
        // The first message, without an answer, says that it runs.
        this.#isThere = true
        const share = Math.min(1, answers.length / MEAN_OF_FILES)
        this.#meanMs += share * (tookMs / Math.max(1, answers.length) - this.#meanMs)
        for (const answer of answers) this.#answered(answer)
      })
      worker.on('error', cause => this.#ended(cause))
      worker.on('exit', () => this.#ended())
      worker.unref()
      this.#worker = worker
    } catch {
      // No thread may be had, or this process may make none.
    }
  }

  #answered(answer: Answer): void {
    const id = typeof answer === 'number' ? answer : answer.id
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (this.#waiting.size === 0) this.#worker?.unref()
    if (typeof answer === 'number') waiting?.resolve(true)
    else if (answer.failure === undefined) waiting?.resolve(false)
    else waiting?.reject(Object.assign(new Error(answer.failure.message), answer.failure))
  }

  #ended(cause?: unknown): void {
    this.#isThere = false
    this.#worker = undefined
    for (const { reject } of this.#waiting.values()) reject(gone(cause))
    this.#waiting.clear()
  }
}

function gone(cause?: unknown): ClientError {
  return new ClientError('closed', 'the thread that makes files has ended', { cause })
}
