#!/usr/bin/env node
/**
 * The program `tallyd`: what its arguments ask for. The daemon (`serve.ts`) runs in the foreground and ends with exit code 0 after INT or
 * TERM, 2 for a usage error, 1 for everything else. Its commands (`tallyd fsck`) have exit codes of their own.
 */
import { homedir } from 'node:os'
import { asOwner } from './as-owner.ts'
import { COMMAND_EXIT, type CommandExit, runCommand } from './commands/command.ts'
import { commandOf, commandRows } from './commands/index.ts'
import { UsageError, readConfig } from './config.ts'
import { helpText } from './flags.ts'
import { LiveConfig } from './live-config.ts'
import { limitsThatNeverHold } from './never-holds.ts'
import { serve } from './serve.ts'
import type { Settings } from './settings.ts'
import { migrateStore } from './storage/local/migrate.ts'
import { NotOwnerError } from './storage/local/owner.ts'
import { STORE_VERSION } from './storage/local/version.ts'
import { version } from './version.ts'

/** Before anything uses the pool: writes and syncs of many files wait for each other on four threads (+ 60 % with 100 busy files). */
process.env['UV_THREADPOOL_SIZE'] ??= '16'

async function main(): Promise<void> {
  const args = process.argv.slice(2)
  const storeCommand = commandOf(args)
  if (storeCommand !== undefined) {
    process.exitCode = await runCommand(storeCommand, args.slice(1), process.env).catch(commandFailed)
    return
  }
  const command = readConfig(args, process.env, homedir())
  if (command.run === 'help') process.stdout.write(helpText(commandRows))
  else if (command.run === 'version') process.stdout.write(`${version()}\n`)
  else if (command.run === 'migrate') process.stdout.write(migrated(command.storePath))
  else if (command.run === 'print-config') process.stdout.write(command.text)
  else if (command.run === 'check-config') tellChecked(command.settings)
  else await serve(new LiveConfig(command.config, command.settings, args, process.env))
}

/** Everything is right; what may be meant otherwise is told all the same. */
function tellChecked(settings: Settings): void {
  process.stderr.write(limitsThatNeverHold(settings).map(warning => `tallyd: warning: ${warning}\n`).join(''))
  process.stdout.write('the configuration is right\n')
}

function migrated(storePath: string): string {
  const from = migrateStore(storePath)
  return from === STORE_VERSION ? `${storePath} has version ${from} already\n` : `${storePath}: from version ${from} to ${STORE_VERSION}\n`
}

function fail(error: unknown): void {
  say(error)
  process.exit(error instanceof UsageError ? 2 : 1)
}

/** A command's exit code 1 says something about the store; that it could not be asked is another matter. */
function commandFailed(error: unknown): CommandExit {
  say(error)
  return COMMAND_EXIT.FAILED
}

function say(error: unknown): void {
  process.stderr.write(linesOf(error).map(line => `tallyd: ${line}\n`).join(''))
}

/** One for each thing that is wrong, and one with what to do. */
function linesOf(error: unknown): readonly string[] {
  if (error instanceof UsageError) return error.mistakes
  if (!(error instanceof Error)) return [String(error)]
  if (!(error instanceof NotOwnerError)) return [error.message]
  return [error.message, `as ${error.owner}: ${asOwner(error, process.argv.slice(2), process.geteuid?.() === 0)}`]
}

main().catch(fail)
