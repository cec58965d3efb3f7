#!/usr/bin/env node
/**
 * The program `tally`: finds the command in the table, reads its arguments, runs it, and ends with the exit code that its outcome has.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ClientError } from '../errors.ts'
import { UsageError, checkVariables, commandFirst, readArguments, unknown } from './arguments.ts'
import { COMMON_FLAGS, type Command } from './command.ts'
import { COMMANDS } from './commands.ts'
import { EXIT, type ExitCode, Interrupted, errorValue, exitCodeOf, reasonOf, reasonWithPath } from './exit.ts'
import { helpOf, overview } from './help.ts'
import { Output } from './output.ts'
import { packageRoot } from './places.ts'
import { escaped, jsonText } from './text.ts'

/** What most often is wrong with the set-up. */
const SET_UP_CODES: ReadonlySet<string> = new Set(['connect-failed', 'access-denied', 'untrusted-socket', 'no-token'])

/** How long what was said before an interruption may take to be read. */
const LAST_WORDS_MS = 1000

let outlivesReader = false
// Whoever read our output has gone: that is their decision, and no failure to speak of. What changes something is not left half done.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE' && outlivesReader) return
  if (error.code === 'EPIPE') process.exit(EXIT.DONE)
  process.stderr.write(`tally: standard output: ${escaped(reasonOf(error))}\n`)
  // Only who moves content has something that is incomplete.
  const exit = exitCodeOf(error)
  process.exit(exit === EXIT.INCOMPLETE && !resumes(process.argv.slice(2)) ? EXIT.FAILED : exit)
})
process.stderr.on('error', () => {})
process.exitCode = await run(process.argv.slice(2))
if (process.exitCode === EXIT.INTERRUPTED) setTimeout(() => process.exit(), LAST_WORDS_MS).unref()
// A read of standard input that is under way would keep the process; nothing else does.
process.stdin.unref?.()

async function run(args: readonly string[]): Promise<ExitCode> {
  const json = args.includes('--json')
  try {
    return await dispatch(args)
  } catch (error) {
    const value = errorValue(error)
    process.stderr.write(`tally: ${escaped(reasonWithPath(error))}${hintFor(error, args)}\n`)
    if (json) process.stdout.write(`${jsonText({ error: value })}\n`)
    return exitCodeOf(error)
  }
}

async function dispatch(line: readonly string[]): Promise<ExitCode> {
  const [name, ...args] = commandFirst(line, COMMON_FLAGS)
  if (name === undefined || name === 'help') return help(args[0])
  if (name.startsWith('-') && (line.includes('--help') || line.includes('-h'))) return help(undefined)
  if (name === '--version') {
    const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string }
    process.stdout.write(`tally ${version}\n`)
    return EXIT.DONE
  }
  const command = commandOf(name)
  const given = readArguments(args, [...command.flags, ...COMMON_FLAGS], `tally ${name} --help`)
  if (given.has('help')) return help(name)
  checkVariables(process.env)
  outlivesReader = command.outlivesReader?.(given) === true
  const output = new Output(given.has('json'))
  try {
    return await command.run({ given, output, signal: interruption() })
  } finally {
    output.done()
  }
}

function help(name: string | undefined): ExitCode {
  process.stdout.write(name === undefined ? overview(COMMANDS) : helpOf(commandOf(name)))
  return EXIT.DONE
}

function commandOf(name: string): Command {
  const command = COMMANDS.find(each => each.name === name)
  if (COMMON_FLAGS.some(flag => name.split('=')[0] === `--${flag.name}`)) throw new UsageError('which command? `tally help` lists them')
  if (command !== undefined) return command
  const { message } = unknown(name.startsWith('-') ? 'flag' : 'command', name, COMMANDS.map(each => each.name))
  throw new UsageError(`${message} (tally --help lists all)`)
}

/** The first signal ends the work in order, the second one at once. */
function interruption(): AbortSignal {
  const controller = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(EXIT.INTERRUPTED)
      controller.abort(new Interrupted(`interrupted by ${signal}`))
    })
  }
  return controller.signal
}

/** What to do next. */
function hintFor(error: unknown, args: readonly string[]): string {
  if (error instanceof Interrupted) return resumes(args) ? '; run the same command again to continue' : ''
  if (error instanceof ClientError && SET_UP_CODES.has(error.code)) return '; `tally doctor` looks into it'
  return ''
}

/** Of a stream the same command would read other bytes. */
function resumes(args: readonly string[]): boolean {
  const [name] = commandFirst(args, COMMON_FLAGS)
  return COMMANDS.find(command => command.name === name)?.resumes === true && !args.includes('-')
}
