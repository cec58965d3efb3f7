/**
 * A worker thread as something to call: requests with answers, and hints without. When the worker dies unexpectedly every pending
 * and later call rejects with `storage-failed`. A worker starts when it is first needed, and keeps the process alive only while a
 * call is pending.
 */
import { parentPort, Worker } from 'node:worker_threads'
import { TallyError } from '../../../protocol/errors.ts'
import { fromPlain, toPlain } from './failures.ts'
import type { PlainError } from './failures.ts'

interface Request {
  /** 0: a hint that is not answered. */
  readonly id: number
  readonly op: string
  readonly args: readonly unknown[]
}

type Answer = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: PlainError }

interface Waiting {
  resolve(value: unknown): void
  reject(error: TallyError): void
}

/** The URL of a worker beside the calling module, in sources as in the build. */
export function workerUrl(importMetaUrl: string, name: string): URL {
  return new URL(`./${name}${importMetaUrl.endsWith('.ts') ? '.ts' : '.js'}`, importMetaUrl)
}

export class WorkerLink {
  readonly #url: URL
  readonly #workerData: unknown
  readonly #waiting = new Map<number, Waiting>()
  #worker: Worker | undefined
  #lastId = 0
  #death: TallyError | undefined
  #closing: Promise<void> | undefined

  constructor(url: URL, workerData: unknown) {
    this.#url = url
    this.#workerData = workerData
  }

  /** Rejects with what the worker threw, or with `storage-failed` when it is gone. */
  call(op: string, args: readonly unknown[]): Promise<unknown> {
    if (this.#death !== undefined) return Promise.reject(this.#death)
    const worker = this.#started()
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      if (this.#waiting.size === 0) worker.ref()
      this.#waiting.set(id, { resolve, reject })
      worker.postMessage({ id, op, args } satisfies Request)
    })
  }

  hint(op: string, args: readonly unknown[]): void {
    if (this.#death === undefined) this.#started().postMessage({ id: 0, op, args } satisfies Request)
  }

  /** Lets the worker finish what it was asked, close what it has open, and end. Nothing can be asked after it. */
  close(): Promise<void> {
    this.#closing ??= this.#end()
    return this.#closing
  }

  /** Ends the worker in the middle of whatever it does: its pending calls reject. */
  async abort(): Promise<void> {
    this.#died(undefined)
    await this.#worker?.terminate()
  }

  async #end(): Promise<void> {
    const worker = this.#worker
    if (worker !== undefined && this.#death === undefined) await this.call('close', []).catch(() => {})
    this.#death ??= new TallyError('storage-failed', 'the store is closed')
    await worker?.terminate()
  }

  #started(): Worker {
    if (this.#worker === undefined) {
      this.#worker = new Worker(this.#url, { workerData: this.#workerData })
      this.#worker.on('message', (answer: Answer) => this.#answered(answer))
      this.#worker.on('error', cause => this.#died(cause))
      this.#worker.on('exit', () => this.#died(undefined))
      this.#worker.unref()
    }
    return this.#worker
  }

  #answered(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if (this.#waiting.size === 0) this.#worker?.unref()
    if ('error' in answer) waiting?.reject(fromPlain(answer.error))
    else waiting?.resolve(answer.value)
  }

  #died(cause: unknown): void {
    this.#death ??= new TallyError('storage-failed', 'a thread of the store ended unexpectedly', {}, { cause })
    for (const waiting of this.#waiting.values()) waiting.reject(this.#death)
    this.#waiting.clear()
  }
}

/** The worker's side: answers each request with what its operation returns or throws. */
export function serveLink(operations: Readonly<Record<string, (...args: never[]) => unknown>>): void {
  const port = parentPort
  if (port === null) throw new Error('this module runs in a worker thread')
  port.on('message', async ({ id, op, args }: Request) => {
    let answer: Answer
    try {
      answer = { id, value: await operations[op]?.(...args as never[]) }
    } catch (cause) {
      answer = { id, error: toPlain(cause) }
    }
    if (id !== 0) port.postMessage(answer)
  })
}
