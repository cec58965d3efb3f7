/**
 * A `tallyd` of the bench's own: a process on its own socket, store and secret, stopped in order. Owns nothing of the protocol but the
 * tokens that its clients present.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import jwt from 'jsonwebtoken'
import type { BenchContext } from './figure.ts'
import { accepts } from './tools.ts'

const MAIN = fileURLToPath(new URL('../../daemon/main.ts', import.meta.url))
const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 30_000
const LOOK_EVERY_MS = 2

export type Durability = 'power' | 'process'

/** Where a client finds a daemon and with what it logs in. */
export interface Access {
  readonly socketPath: string
  readonly token: string
}

export interface DaemonOptions {
  /** Default: daemon/main.ts, the sources. */
  readonly main?: string
  /** A program with its arguments that runs the daemon's command line, which is appended; it ends with the daemon. */
  readonly under?: readonly string[]
}

export class Daemon {
  readonly access: Access
  readonly #context: BenchContext
  readonly #durability: Durability
  readonly #options: DaemonOptions
  readonly #secret = randomBytes(32).toString('hex')
  readonly #secretPath: string
  readonly #store: string
  #process: ChildProcess | undefined

  private constructor(context: BenchContext, durability: Durability, options: DaemonOptions, store: string) {
    this.#context = context
    this.#durability = durability
    this.#options = options
    this.#store = store
    this.#secretPath = context.workspace.path('secret')
    this.access = { socketPath: context.workspace.socketPath('tally.sock'), token: this.token('bench') }
  }

  /** Resolves when it accepts connections. What it logs goes to the bench's stderr only if it fails to start. */
  static async start(context: BenchContext, durability: Durability, options: DaemonOptions = {}): Promise<Daemon> {
    const daemon = new Daemon(context, durability, options, await context.workspace.makeDirectory('store'))
    await writeFile(daemon.#secretPath, daemon.#secret, { mode: 0o600 })
    await daemon.#start()
    return daemon
  }

  /** What another user presents. */
  token(user: string): string {
    return jwt.sign({ sub: user }, this.#secret, { expiresIn: '1h' })
  }

  /** The daemon's own, also where another program runs it. */
  get pid(): number {
    const pid = this.#process?.pid
    if (pid === undefined) throw new Error('the daemon does not run')
    if (this.#options.under === undefined) return pid
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0])
  }

  /** Kills it, as a crash would, and starts it again on its store; resolves when it accepts connections, with when the start began. */
  async restart(): Promise<number> {
    await this.#end('SIGKILL')
    const startMs = performance.now()
    await this.#start()
    return startMs
  }

  /** Ends it with SIGTERM, so that it drains (and writes its profile), and removes its store. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM')
    await rm(this.#store, { recursive: true, force: true })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #start(): Promise<void> {
    const { main = MAIN, under = [] } = this.#options
    const { profileDirectory } = this.#context
    const profiling = profileDirectory === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDirectory}`]
    const [program = '', ...args] = [
      ...under, process.execPath, ...profiling, main, '--socket', this.access.socketPath, '--store', this.#store,
      '--secret-file', this.#secretPath, '--durability', this.#durability,
    ]
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#process = child
    const kill = (): boolean => child.kill('SIGKILL')
    process.once('exit', kill)
    child.once('exit', () => process.off('exit', kill))
    let log = ''
    child.on('error', cause => {
      log += String(cause)
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-8192)
    })
    for (const deadlineMs = performance.now() + START_TIMEOUT_MS; !(await accepts(this.access.socketPath)); ) {
      if (child.pid === undefined || child.exitCode !== null || performance.now() > deadlineMs) {
        child.kill('SIGKILL')
        throw new Error(`the daemon did not start:\n${log}`)
      }
      await new Promise(resolve => setTimeout(resolve, LOOK_EVERY_MS))
    }
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#process
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    process.kill(this.pid, signal)
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await exit
    clearTimeout(timer)
  }
}
