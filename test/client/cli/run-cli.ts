/** The program `tally` as a process, in a directory of its own, beside a real daemon: what the tests of its commands share. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { type TestDaemon, startDaemon } from '../../support/daemon.ts'

export const MAIN = join(import.meta.dirname, '../../../client/cli/main.ts')

export interface Outcome {
  /** null: killed. */
  code: number | null
  stdout: Buffer
  stderr: string
  /** With `--json`: a value a line. */
  json: Record<string, unknown>[]
}

export interface RunOptions {
  readonly input?: Uint8Array
  readonly started?: (child: ChildProcess) => void
  /** Beside what every run has. */
  readonly env?: Readonly<Record<string, string>>
}

export interface Setting {
  daemon: TestDaemon
  /** Where the program runs, removed when the test ends. */
  directory: string
  run(args: readonly string[], options?: RunOptions): Promise<Outcome>
}

export async function setUp(t: Test, daemonArgs: readonly string[] = []): Promise<Setting> {
  const daemon = await startDaemon(t, { args: daemonArgs })
  const directory = mkdtempSync(join(tmpdir(), 'tally-cli-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const env = { PATH: process.env['PATH'], TALLY_SOCKET: daemon.socket, TALLY_SECRET_FILE: daemon.secretFile }
  const run: Setting['run'] = async (args, { input, started, env: more } = {}) => {
    const child = spawn(process.execPath, [MAIN, ...args], { cwd: directory, env: { ...env, ...more }, stdio: ['pipe', 'pipe', 'pipe'] })
    started?.(child)
    const pieces: Buffer[] = []
    let stderr = ''
    child.stdout.on('data', (bytes: Buffer) => pieces.push(bytes))
    child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text })
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    const code = await new Promise<number | null>(resolve => child.once('close', resolve))
    const stdout = Buffer.concat(pieces)
    const lines = args.includes('--json') ? stdout.toString().split('\n').filter(line => line !== '') : []
    return { code, stdout, stderr, json: lines.map(line => JSON.parse(line) as Record<string, unknown>) }
  }
  return { daemon, directory, run }
}
