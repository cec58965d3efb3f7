/**
 * Programs of the system that a figure compares with (socat, cp, redis and the like), and the packages of the baseline tus. What is not
 * there is said in a note, and the figure goes on without it.
 */
import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { BenchContext } from './figure.ts'

const TUS = fileURLToPath(new URL('../baselines/tus/', import.meta.url))
const INSTALL_TIMEOUT_MS = 120_000

/** Whether it can be run; if not, a note says which Debian package has it. */
export function hasProgram({ note }: BenchContext, program: string, debianPackage = program): boolean {
  const isThere = (process.env['PATH'] ?? '').split(':').some(directory => existsSync(`${directory}/${program}`))
  if (!isThere) note(`Without ${program}, which is not installed here (Debian's package ${debianPackage} has it).`)
  return isThere
}

/** Runs a program to its end. Rejects, with what it wrote to stderr, where its exit code is not 0; resolves with its output. */
export async function runProgram(program: string, ...args: readonly string[]): Promise<string> {
  return (await promisify(execFile)(program, args, { maxBuffer: 16 * 1024 * 1024 })).stdout
}

/** How long it ran, in seconds, its start included. */
export async function timeProgram(program: string, ...args: readonly string[]): Promise<number> {
  const startMs = performance.now()
  await runProgram(program, ...args)
  return (performance.now() - startMs) / 1000
}

/** A program that runs beside; `stop` ends it and resolves when it has. */
export function startProgram(program: string, ...args: readonly string[]): { readonly ended: Promise<void>; stop(): Promise<void> } {
  const child = spawn(program, args, { stdio: 'ignore' })
  const ended = new Promise<void>((resolve, reject) => child.once('error', reject).once('exit', () => resolve()))
  return {
    ended,
    stop: () => {
      child.kill('SIGTERM')
      return ended
    },
  }
}

/** Installs the baseline tus by its own lock file, once. False, with a note, where that cannot be done. */
export async function hasTus({ note }: BenchContext): Promise<boolean> {
  if (existsSync(`${TUS}node_modules/@tus/server`)) return true
  try {
    await promisify(execFile)('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: TUS, timeout: INSTALL_TIMEOUT_MS })
    return true
  } catch {
    note('Without tus, whose packages could not be fetched (`npm ci --ignore-scripts` in bench/baselines/tus).')
    return false
  }
}

/** Whether somebody listens there. */
export function accepts(socketPath: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(socketPath)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
