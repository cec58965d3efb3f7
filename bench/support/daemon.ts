/**
 * A `tallyd` of the bench's own: a process on its own socket, store and secret, started from the sources, stopped in order. Owns
 * nothing of the protocol but the token that its clients present.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import jwt from 'jsonwebtoken'
import type { BenchContext } from './figure.ts'

const MAIN = fileURLToPath(new URL('../../daemon/main.ts', import.meta.url))
const START_TIMEOUT_MS = 15_000
const STOP_TIMEOUT_MS = 15_000

export type Durability = 'power' | 'process'

/** Where a client finds a daemon and with what it logs in. */
export interface Access {
  readonly socketPath: string
  readonly token: string
}

export class Daemon {
  readonly access: Access
  readonly #process: ChildProcess
  readonly #store: string

  private constructor(child: ChildProcess, access: Access, store: string) {
    this.#process = child
    this.access = access
    this.#store = store
  }

  /** Resolves when it accepts connections. What it logs goes to the bench's stderr only if it fails to start. */
  static async start({ workspace, profileDirectory }: BenchContext, durability: Durability): Promise<Daemon> {
    const store = await workspace.makeDirectory('store')
    const secret = randomBytes(32).toString('hex')
    const secretPath = workspace.path('secret')
    await writeFile(secretPath, secret, { mode: 0o600 })
    const socketPath = workspace.socketPath('tally.sock')
    const profiling = profileDirectory === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDirectory}`]
    const child = spawn(process.execPath, [
      ...profiling, MAIN, '--socket', socketPath, '--store', store, '--secret-file', secretPath, '--durability', durability,
    ], { stdio: ['ignore', 'ignore', 'pipe'] })
    let log = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-8192)
    })
    const daemon = new Daemon(child, { socketPath, token: jwt.sign({ sub: 'bench' }, secret, { expiresIn: '1h' }) }, store)
    for (const deadlineMs = performance.now() + START_TIMEOUT_MS; !(await accepts(socketPath)); ) {
      if (child.exitCode !== null || performance.now() > deadlineMs) {
        child.kill('SIGKILL')
        throw new Error(`the daemon did not start:\n${log}`)
      }
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    return daemon
  }

  /** Ends it with SIGTERM, so that it drains (and writes its profile), and removes its store. */
  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const exit = once(this.#process, 'exit')
      this.#process.kill('SIGTERM')
      const timer = setTimeout(() => this.#process.kill('SIGKILL'), STOP_TIMEOUT_MS)
      await exit
      clearTimeout(timer)
    }
    await rm(this.#store, { recursive: true, force: true })
  }
}

function accepts(socketPath: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(socketPath)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
