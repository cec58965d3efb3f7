/**
 * What the demonstration breaks: a daemon of its own, as a process that can be killed, and a wire to it that can be cut. Both live in the
 * demonstration's directory and end with it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type Server, type Socket, connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { daemonMain } from './places.ts'

const READY_MS = 30_000
const STOP_MS = 10_000

export class DemoDaemon {
  readonly socket: string
  readonly #args: readonly string[]
  #child: ChildProcess | undefined
  #said = ''

  constructor(socket: string, store: string, secretFile: string) {
    this.socket = socket
    this.#args = [daemonMain(), '--socket', socket, '--store', store, '--secret-file', secretFile]
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  /** Resolves when it takes connections. */
  async start(): Promise<void> {
    const child = spawn(process.execPath, this.#args, { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#child = child
    child.stderr?.setEncoding('utf8').on('data', (text: string) => { this.#said = (this.#said + text).slice(-4000) })
    for (const untilMs = performance.now() + READY_MS; !(await listens(this.socket));) {
      if (!this.#isRunning || performance.now() > untilMs) throw new Error(`tallyd did not start:\n${this.#said}`)
      await sleep(10)
    }
  }

  /** `kill -9`: no handler runs, nothing is flushed by the process. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async stop(): Promise<void> {
    const timer = setTimeout(() => this.#child?.kill('SIGKILL'), STOP_MS)
    await this.#end('SIGTERM')
    clearTimeout(timer)
  }

  get #isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#child === undefined || !this.#isRunning) return
    const exited = once(this.#child, 'exit')
    this.#child.kill(signal)
    await exited
  }
}

/** Carries bytes both ways between the client and the daemon until it is cut; the next connection works again. */
export class DemoWire {
  readonly path: string
  readonly #to: string
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined

  constructor(path: string, to: string) {
    this.path = path
    this.#to = to
  }

  async open(): Promise<void> {
    const server = createServer(near => {
      const far = connect(this.#to)
      for (const [from, into] of [[near, far], [far, near]] as const) {
        this.#sockets.add(from)
        from.pipe(into)
        from.on('error', () => into.destroy())
        from.on('close', () => {
          this.#sockets.delete(from)
          into.destroy()
        })
      }
    })
    this.#server = server
    server.listen(this.path)
    await once(server, 'listening')
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  close(): void {
    this.cut()
    this.#server?.close()
  }
}

async function listens(path: string): Promise<boolean> {
  const socket = connect(path)
  const answered = await once(socket, 'connect').then(() => true, () => false)
  socket.destroy()
  return answered
}
