/**
 * One process of a bench and the tasks that it is given: both ends of the channel between them. A bench's clients and baselines are
 * processes of their own, as a daemon's clients are, and live through a figure's pairs, so that what is measured is warm.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

type Answer<Result> = { readonly result: Result } | { readonly failure: string }

/** A running process that answers one task at a time. */
export class Child<Task extends object, Result> {
  readonly #process: ChildProcess
  readonly #name: string

  /** Starts `module` (a .ts file that calls `answerTasks`). With a profile directory it writes a .cpuprofile there when it stops. */
  constructor(module: URL, profileDirectory?: string) {
    this.#name = module.pathname.split('/').slice(-2).join('/')
    const execArgv = profileDirectory === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDirectory}`]
    this.#process = fork(module, { execArgv, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  }

  /** Rejects where the task failed or the process went away. */
  run(task: Task): Promise<Result> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        this.#process.off('message', answered).off('exit', exited).off('error', reject)
      }
      const answered = (message: unknown): void => {
        settle()
        const answer = message as Answer<Result>
        if ('failure' in answer) reject(new Error(`${this.#name}: ${answer.failure}`))
        else resolve(answer.result)
      }
      const exited = (code: number | null, signal: string | null): void => {
        settle()
        reject(new Error(`${this.#name} ended with ${signal ?? code}`))
      }
      this.#process.once('message', answered).once('exit', exited).once('error', reject)
      this.#process.send(task)
    })
  }

  /** Of the running process. */
  get pid(): number {
    if (this.#process.pid === undefined) throw new Error(`${this.#name} did not start`)
    return this.#process.pid
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const exit = once(this.#process, 'exit')
    // The channel's end lets it leave by itself, which is when a profile is written; what hangs is killed.
    if (this.#process.connected) this.#process.disconnect()
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), 5000)
    await exit
    clearTimeout(timer)
  }
}

/** The other end: handles each task and answers it; ends the process when the bench lets go of it. */
export function answerTasks<Task, Result>(handle: (task: Task) => Promise<Result>): void {
  process.on('message', (task: Task) => {
    handle(task).then(
      result => process.send?.({ result } satisfies Answer<Result>),
      (cause: unknown) => process.send?.({ failure: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause) }),
    )
  })
  process.on('disconnect', () => process.exit(0))
  // An interrupt at the terminal reaches every process of the group; the bench itself ends the others in order.
  process.on('SIGINT', () => {})
}
