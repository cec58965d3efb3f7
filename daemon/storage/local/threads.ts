/**
 * The threads that a store cannot do without, as something to start before it is opened: a thread takes about as long to start as the
 * process takes to load the rest, and they open nothing before they are told to.
 */
import type { Durability } from '../storage.ts'
import { workerUrl, WorkerLink } from './worker-link.ts'
import type { WriterOptions } from './writer.ts'

export class StoreThreads {
  readonly reader: WorkerLink
  readonly writer: WorkerLink
  readonly #durability: Durability

  constructor(options: WriterOptions) {
    this.#durability = options.durability
    this.reader = new WorkerLink(workerUrl(import.meta.url, 'reader-worker'), options)
    this.writer = new WorkerLink(workerUrl(import.meta.url, 'writer-worker'), options)
  }

  /** Whether the catalog's changes need a thread: with `process` there is no sync to wait for, and two thread hops per commit are saved. */
  get hasWriter(): boolean {
    return this.#durability === 'power'
  }

  start(): void {
    if (this.hasWriter) this.writer.start()
    this.reader.start()
  }

  /** Ends them in the middle of whatever they do. */
  async abort(): Promise<void> {
    await Promise.all([this.reader.abort(), this.writer.abort()])
  }
}
