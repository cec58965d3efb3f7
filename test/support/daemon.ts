/**
 * A real daemon for a test: a process of its own, in a folder of its own, that can be killed at any moment and started again on the
 * same store. What it wrote to stderr is kept for the report of a failure.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { RawClient, type RawClientOptions } from './raw-client.ts'
import { type Claims, mintToken } from './token.ts'

export const MAIN = join(import.meta.dirname, '../../daemon/main.ts')
const READY_TIMEOUT_MS = 30_000

export interface DaemonOptions {
  readonly durability?: 'power' | 'process'
  /** Default: a folder `store` in the daemon's own. */
  readonly store?: string
  readonly args?: readonly string[]
  /** Flags of node itself, such as `--import`. */
  readonly execArgv?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export class TestDaemon {
  readonly directory = mkdtempSync(join(tmpdir(), 'tally-test-'))
  readonly socket = join(this.directory, 'tally.sock')
  readonly secret = 'a-secret-of-at-least-32-bytes-for-hs256'
  readonly secretFile = join(this.directory, 'secret')
  readonly store: string
  readonly options: DaemonOptions
  /** Of all lives of the process so far. */
  stderr = ''
  #child: ChildProcess | undefined
  #exited: Promise<void> = Promise.resolve()

  constructor(options: DaemonOptions = {}) {
    this.options = options
    this.store = options.store ?? join(this.directory, 'store')
    writeFileSync(this.secretFile, `${this.secret}\n`, { mode: 0o600 })
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  get exited(): Promise<void> {
    return this.#exited
  }

  get exitCode(): number | null {
    return this.#child?.exitCode ?? null
  }

  /** What it died of. */
  get signal(): NodeJS.Signals | null {
    return this.#child?.signalCode ?? null
  }

  /** Spawns the process, with more flags and variables for this one life, and returns at once. */
  spawn(life: Pick<DaemonOptions, 'args' | 'env'> = {}): void {
    const { durability = 'process', args = [], execArgv = [], env = {} } = this.options
    const child = spawn(
      process.execPath,
      [
        ...execArgv, MAIN, '--socket', this.socket, '--store', this.store, '--secret-file', this.secretFile,
        '--durability', durability, ...args, ...life.args ?? [],
      ],
      { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env, ...life.env } },
    )
    child.stderr?.setEncoding('utf8').on('data', (text: string) => { this.stderr += text })
    this.#child = child
    this.#exited = new Promise(resolve => child.once('exit', () => resolve()))
  }

  /** Waits until the socket takes connections. Throws, with what the daemon said, when it ends before. */
  async ready(): Promise<void> {
    const until = performance.now() + READY_TIMEOUT_MS
    while (!(await canConnect(this.socket))) {
      if (!this.running) throw new DaemonEnded(`the daemon ended (${this.#child?.exitCode ?? this.#child?.signalCode}):\n${this.tail()}`)
      if (performance.now() > until) throw new Error(`the daemon is not ready after ${READY_TIMEOUT_MS} ms:\n${this.tail()}`)
      await sleep(4)
    }
  }

  async start(): Promise<void> {
    this.spawn()
    await this.ready()
  }

  /** Sends a signal that does not end it. */
  tell(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }

  /** Sends the signal and waits for the end of the process. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#child?.kill(signal)
    await this.#exited
  }

  async restart(): Promise<void> {
    await this.kill()
    await this.start()
  }

  /** Ends the process for good and removes its folder. */
  async dispose(): Promise<void> {
    await this.kill()
    rmSync(this.directory, { recursive: true, force: true })
  }

  tail(): string {
    return this.stderr.split('\n').filter(line => !line.includes('tallyd is ready')).join('\n').slice(-4000)
  }

  token(claims: Claims = { sub: 'ada' }): string {
    return mintToken(this.secret, claims)
  }

  client(options: RawClientOptions = {}): Promise<RawClient> {
    return RawClient.connect(this.socket, options)
  }

  /** What the process holds in memory, in bytes. */
  residentBytes(): number {
    const line = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))
    return Number(line?.[1]) * 1024
  }
}

export class DaemonEnded extends Error {}

/** Starts a daemon that is killed and removed when the test ends. */
export async function startDaemon(t: { teardown(after: () => Promise<void>): void }, options: DaemonOptions = {}): Promise<TestDaemon> {
  const daemon = new TestDaemon(options)
  t.teardown(() => daemon.dispose())
  await daemon.start()
  return daemon
}

function canConnect(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path)
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}
