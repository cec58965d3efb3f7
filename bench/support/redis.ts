/** The baseline `redis`: a server that syncs before each answer, and its own benchmark as the client, over a Unix socket. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { runProgram, startProgram } from './tools.ts'
import type { Workspace } from './workspace.ts'

const VALUE_BYTES = 1024
const START_TIMEOUT_MS = 15_000

export class Redis {
  readonly #socketPath: string
  readonly #directory: string
  readonly #server: ReturnType<typeof startProgram>

  private constructor(socketPath: string, directory: string) {
    this.#socketPath = socketPath
    this.#directory = directory
    this.#server = startProgram(
      'redis-server', '--port', '0', '--unixsocket', socketPath, '--dir', directory, '--save', '', '--appendonly', 'yes',
      '--appendfsync', 'always', '--auto-aof-rewrite-percentage', '0', '--daemonize', 'no',
    )
  }

  /** Resolves when it answers. */
  static async start(workspace: Workspace): Promise<Redis> {
    const redis = new Redis(workspace.socketPath('redis'), await workspace.makeDirectory('redis'))
    for (const deadlineMs = performance.now() + START_TIMEOUT_MS; ; await setTimeout(20)) {
      try {
        await runProgram('redis-cli', '-s', redis.#socketPath, 'ping')
        return redis
      } catch (cause) {
        if (performance.now() > deadlineMs) throw cause
      }
    }
  }

  /** SETs of 1 KiB a second over one connection with so many unanswered. Throws where the log on the disk did not grow by them. */
  async setsPerSecond(window: number, count: number): Promise<number> {
    const before = await this.#logBytes()
    const output = await runProgram(
      'redis-benchmark', '-s', this.#socketPath, '-t', 'set', '-d', String(VALUE_BYTES), '-c', '1', '-P', String(window), '-n', String(count), '--csv',
    )
    const rate = Number(/"SET","([\d.]+)"/.exec(output)?.[1])
    if (!(rate > 0) || await this.#logBytes() - before < count * VALUE_BYTES) throw new Error(`redis-benchmark said: ${output}`)
    return rate
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server.stop()
  }

  async #logBytes(): Promise<number> {
    const directory = join(this.#directory, 'appendonlydir')
    const sizes = (await readdir(directory)).map(async name => (await stat(join(directory, name))).size)
    return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
  }
}
