/**
 * A relay for a test: `tally relay` as a process of its own, between two Unix sockets, that can be killed at any moment and started again.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'

const MAIN = join(import.meta.dirname, '../../client/cli/main.ts')

export class RelayProcess {
  readonly socket: string
  readonly #to: string
  #child: ChildProcess | undefined
  #exited: Promise<unknown> = Promise.resolve()
  #said = ''

  /** @param socket in a directory that nobody else writes to */
  constructor(socket: string, to: string) {
    this.socket = socket
    this.#to = to
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Resolves when it listens. Throws, with what it said, when it ends before. */
  async start(): Promise<void> {
    const child = spawn(process.execPath, [MAIN, 'relay', '--json', '--listen', this.socket, '--to', this.#to], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    this.#said = ''
    this.#exited = new Promise(resolve => child.once('exit', resolve))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => { this.#said += text })
    await new Promise<void>((resolve, reject) => {
      child.stdout?.setEncoding('utf8').on('data', (text: string) => {
        this.#said += text
        if (text.includes('"listening"')) resolve()
      })
      void this.#exited.then(() => reject(new Error(`the relay ended:\n${this.#said}`)))
    })
  }

  /** Lines of JSON, as it told them. */
  get said(): string {
    return this.#said
  }

  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL')
    await this.#exited
  }

  async restart(): Promise<void> {
    await this.kill()
    await this.start()
  }
}
