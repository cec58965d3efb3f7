/**
 * A worker thread as something to call: requests with answers, and hints without. When the worker dies unexpectedly every pending
 * and later call rejects with `storage-failed`; one that could not even start, for want of descriptors or memory, is started anew by the
 * next call. A worker starts when it is first needed, or told to before, and keeps the process alive only while a call is pending. What is
 * asked in one turn of the event loop is one message, and so are answers that are ready together: a message costs more than most of what is
 * asked.
 */
import { parentPort, Worker } from 'node:worker_threads'
import { TallyError } from '../../../protocol/errors.ts'
import { fromPlain, SQLITE_CANTOPEN, storageError, toPlain } from './failures.ts'
import type { PlainError } from './failures.ts'

interface Request {
  /** 0: a hint that is not answered. */
  readonly id: number
  readonly op: string
  readonly args: readonly unknown[]
}

/** The first thing that a worker says. */
const STARTED = 'started'

type Answer = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: PlainError }

interface Waiting {
  resolve(value: unknown): void
  reject(error: TallyError): void
}

/** The URL of a worker beside the calling module, in sources as in the build. */
export function workerUrl(importMetaUrl: string, name: string): URL {
  return new URL(`./${name}${importMetaUrl.endsWith('.ts') ? '.ts' : '.js'}`, importMetaUrl)
}

/** What a thread makes lives no longer than a call; V8 by itself lets this garbage grow to ten times as much before it looks. */
const YOUNG_MIB_MAX = 6
/** Answers do not wait longer than this for others of their message. */
const ANSWER_DELAY_MS = 1

export class WorkerLink {
  readonly #url: URL
  readonly #workerData: unknown
  readonly #waiting = new Map<number, Waiting>()
  #worker: Worker | undefined
  #hasStarted = false
  #asked: Request[] = []
  #lastId = 0
  #death: TallyError | undefined
  #closing: Promise<void> | undefined

  constructor(url: URL, workerData: unknown) {
    this.#url = url
    this.#workerData = workerData
  }

  /** Starts the worker before it is needed. */
  start(): void {
    if (this.#death === undefined) this.#started()
  }

  /** Rejects with what the worker threw, with `storage-failed` when it is gone, or with `busy` when it cannot start just now. */
  call(op: string, args: readonly unknown[]): Promise<unknown> {
    if (this.#death !== undefined) return Promise.reject(this.#death)
    const worker = this.#started()
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      if (this.#waiting.size === 0) worker.ref()
      this.#waiting.set(id, { resolve, reject })
      this.#ask(worker, { id, op, args })
    })
  }

  hint(op: string, args: readonly unknown[]): void {
    if (this.#death === undefined) this.#ask(this.#started(), { id: 0, op, args })
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

  #ask(worker: Worker, request: Request): void {
    if (this.#asked.push(request) > 1) return
    queueMicrotask(() => {
      worker.postMessage(this.#asked)
      this.#asked = []
    })
  }

  async #end(): Promise<void> {
    const worker = this.#worker
    if (worker !== undefined && this.#death === undefined) await this.call('close', []).catch(() => {})
    this.#death ??= new TallyError('storage-failed', 'the store is closed')
    await worker?.terminate()
  }

  #started(): Worker {
    if (this.#worker !== undefined) return this.#worker
    const worker = new Worker(this.#url, { workerData: this.#workerData, resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB_MAX } })
    worker.on('message', (message: readonly Answer[] | typeof STARTED) => {
      if (message === STARTED) this.#hasStarted = true
      else for (const answer of message) this.#answered(answer)
    })
    const ended = (cause: unknown): void => {
      // An older one's end is known.
      if (this.#worker === worker) this.#died(cause)
    }
    worker.on('error', ended)
    worker.on('exit', () => ended(undefined))
    worker.unref()
    this.#worker = worker
    return worker
  }

  #answered(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if (this.#waiting.size === 0) this.#worker?.unref()
    if ('error' in answer) waiting?.reject(fromPlain(answer.error))
    else waiting?.resolve(answer.value)
  }

  #died(cause: unknown): void {
    const death = want(cause) ?? new TallyError('storage-failed', 'a thread of the store ended unexpectedly', {}, { cause })
    if (this.#hasStarted || death.code !== 'busy') this.#death ??= death
    else this.#worker = undefined
    for (const waiting of this.#waiting.values()) waiting.reject(this.#death ?? death)
    this.#waiting.clear()
  }
}

/** What libuv calls EMFILE, ENFILE and ENOMEM. */
const WANT = /too many open files|file table overflow|not enough memory/

/**
 * `busy`, where descriptors or memory kept a thread from starting; undefined where something else did. Node has a code of its own where it
 * cannot make a thread, and says it only in words where it could not read what the thread runs; SQLite has one number for whatever keeps
 * it from opening a file.
 */
export function want(cause: unknown): TallyError | undefined {
  const { code, errcode, message } = (cause ?? {}) as { code?: unknown; errcode?: unknown; message?: unknown }
  const isWant = code === 'ERR_WORKER_INIT_FAILED' || errcode === SQLITE_CANTOPEN || WANT.test(String(message)) || storageError(cause).code === 'busy'
  return isWant ? new TallyError('busy', 'a thread of the store could not start', { 'retry-after': 1000 }, { cause }) : undefined
}

/** The worker's side: answers each request with what its operation returns or throws. */
export function serveLink(operations: Readonly<Record<string, (...args: never[]) => unknown>>): void {
  const port = parentPort
  if (port === null) throw new Error('this module runs in a worker thread')
  port.postMessage(STARTED)
  let answers: Answer[] = []
  const send = (): void => {
    if (answers.length > 0) port.postMessage(answers)
    answers = []
  }
  const answered = (id: number, answer: Answer): void => {
    if (id !== 0 && answers.push(answer) === 1) queueMicrotask(send)
  }
  port.on('message', (requests: readonly Request[]) => {
    let dueMs = performance.now() + ANSWER_DELAY_MS
    for (const { id, op, args } of requests) {
      try {
        const value = operations[op]?.(...args as never[])
        if (value instanceof Promise) value.then(result => answered(id, { id, value: result }), cause => answered(id, { id, error: toPlain(cause) }))
        else answered(id, { id, value })
      } catch (cause) {
        answered(id, { id, error: toPlain(cause) })
      }
      if (performance.now() < dueMs) continue
      send()
      dueMs = performance.now() + ANSWER_DELAY_MS
    }
  })
}
