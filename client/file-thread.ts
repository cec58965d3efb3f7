/**
 * Makes or reads the small files of one call in a thread of its own, once there are many of them. Each takes five or six calls of the file
 * system, of some 10 µs; through the thread pool each costs 20 µs more to hand over, and four threads that change one directory wait for one
 * another, spinning. On the app's own thread they would hold up everything else for as long as a slow disk takes. What it passes on is
 * for the caller to do without it.
 */
import { Worker } from 'node:worker_threads'
import { ClientError } from './errors.ts'
import type { NewFile, ReadFile } from './small-file-now.ts'

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

/** Copied to the thread, an array costs less than an object with the names of its fields. */
export type Request =
  | readonly [id: number, what: 'make', path: string, partial: string, bytes: Uint8Array, force: boolean]
  | readonly [id: number, what: 'read', path: string, bytesMax: number]

export type Answer =
  | readonly [id: number, what: 'made' | 'passed']
  | readonly [id: number, what: 'read', bytes: Uint8Array, modifiedMs: number]
  /** What the file system said: the fields of a `NodeJS.ErrnoException`. */
  | readonly [id: number, what: 'failed', error: Readonly<Record<string, unknown>> & { readonly message: string }]

export interface Answers {
  readonly answers: readonly Answer[]
  /** How long all of them took. */
  readonly tookMs: number
}

interface Waiting {
  resolve(answer: Answer): void
  reject(error: Error): void
}

export class FileThread {
  readonly #slowMs: number
  /** How long a file took lately. */
  #meanMs = 0
  #files = 0
  #worker: Worker | undefined
  /** It runs; where it cannot, files are made and read without it. */
  #isThere = false
  #lastId = 0
  #asked: Request[] = []
  readonly #waiting = new Map<number, Waiting>()

  constructor(slowMs = SLOW_MS) {
    this.#slowMs = slowMs
  }

  /** Counts a file of so many bytes that is to be made, and says whether to make it here. */
  takes(sizeBytes: number): boolean {
    return sizeBytes <= SMALL_BYTES_MAX && this.#counted()
  }

  /** As `makeNow`, in the thread. False also where it passes it on. */
  async make({ path, partial, bytes, force }: NewFile): Promise<boolean> {
    if (this.#isBusy) return false
    const [, what] = await this.#ask([++this.#lastId, 'make', path, partial, bytes, force])
    return what === 'made'
  }

  /** As `readNow`, in the thread. Undefined also where it passes it on. */
  async read(path: string): Promise<ReadFile | undefined> {
    if (!this.#counted() || this.#isBusy) return undefined
    const answer = await this.#ask([++this.#lastId, 'read', path, SMALL_BYTES_MAX])
    return answer[1] === 'read' ? { bytes: answer[2], modifiedMs: answer[3] } : undefined
  }

  /** Ends it. To be called when nothing is waited for. */
  async close(): Promise<void> {
    await this.#worker?.terminate()
  }

  /** Files take long, and it has one already: the pool's threads work beside it. */
  get #isBusy(): boolean {
    return this.#meanMs > this.#slowMs && this.#waiting.size > 0
  }

  #counted(): boolean {
    if (++this.#files === FILES_BEFORE) this.#start()
    return this.#isThere
  }

  /** What is asked for in one turn of the event loop is one message. */
  #ask(request: Request): Promise<Answer> {
    const worker = this.#worker
    if (worker === undefined) return Promise.reject(gone())
    return new Promise((resolve, reject) => {
      if (this.#waiting.size === 0) worker.ref()
      this.#waiting.set(request[0], { resolve, reject })
      if (this.#asked.push(request) > 1) return
      setImmediate(() => {
        worker.postMessage(this.#asked)
        this.#asked = []
      })
    })
  }

  #start(): void {
    try {
      const url = new URL(`./file-thread-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)
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
    const [id, what] = answer
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (this.#waiting.size === 0) this.#worker?.unref()
    if (what === 'failed') waiting?.reject(Object.assign(new Error(answer[2].message), answer[2]))
    else waiting?.resolve(answer)
  }

  #ended(cause?: unknown): void {
    this.#isThere = false
    this.#worker = undefined
    for (const { reject } of this.#waiting.values()) reject(gone(cause))
    this.#waiting.clear()
  }
}

function gone(cause?: unknown): ClientError {
  return new ClientError('closed', 'the thread of small files has ended', { cause })
}
