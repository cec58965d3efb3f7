/** `tallyd gc` and `tallyd fsck` as processes of their own, that live to their end or are struck somewhere in it. */
import { spawn } from 'node:child_process'
import { MAIN } from '../support/daemon.ts'
import type { Random } from '../support/random.ts'
import { Violation } from '../support/record.ts'
import { type Step, stepOf } from './steps.ts'
import type { Victim } from './victims.ts'

/** The command reached its end; and was struck, in its midst or right after it, at a step or from outside. */
export interface Ran {
  readonly isDone: boolean
  readonly isStruck: boolean
  readonly isCut: boolean
  readonly step: Step | undefined
  /** What it printed as JSON last; empty unless it reached its end. */
  readonly summary: Readonly<Record<string, unknown>>
}

export interface Command {
  readonly victim: Victim
  readonly args: readonly string[]
  /** How far the clock is ahead. */
  readonly laterMs: number
  readonly random: Random
  readonly isStruck: boolean
  /** Of the command, when it is not struck. */
  readonly codes?: readonly number[]
}

/** Afterwards the machine is up, with the store as the blow left it. Throws `Violation` where the command failed by itself. */
export async function runCommand({ victim, args, laterMs, random, isStruck, codes = [0] }: Command): Promise<Ran> {
  const byItself = isStruck && random.chance(0.8)
  const { store, options: { execArgv = [] } } = victim.daemon
  const child = spawn(process.execPath, [...execArgv, MAIN, ...args, '--json', '--store', store], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TALLY_TEST_LATER_MS: String(laterMs), ...(byItself ? victim.ownBlow(random) : {}) },
  })
  let [words, output] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => { output += text })
  child.stderr.setEncoding('utf8').on('data', (text: string) => { words += text })
  const ended = new Promise<number | null>(resolve => child.once('close', code => resolve(code)))
  if (isStruck && !byItself) victim.strikeAt(child, random)
  const code = await ended
  const isDone = code !== null && codes.includes(code)
  // What it did is durable when it has ended.
  if (isStruck && isDone && random.chance(0.5)) victim.strike(random)
  const isCut = await victim.recover()
  const wasStruck = isCut || (isStruck && child.signalCode === 'SIGKILL')
  if (!isDone && !wasStruck) throw new Violation(`tallyd ${args.join(' ')} ended with ${code ?? child.signalCode}: ${words}`)
  const summary = isDone ? JSON.parse(output.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown> : {}
  return { isDone, isStruck: wasStruck, isCut, step: stepOf(words), summary }
}
