#!/usr/bin/env node
/**
 * The program `tallyd`: what its arguments ask for. The daemon (`serve.ts`) runs in the foreground and ends with exit code 0 after INT or
 * TERM, 2 for a usage error, 1 for everything else. Its commands (`tallyd fsck`) have exit codes of their own.
 */
import { homedir } from 'node:os'
import { resolve } from 'node:path'
import { asOwner } from './as-owner.ts'
import { COMMAND_EXIT, type CommandExit, runCommand } from './commands/command.ts'
import { type Config, UsageError, WrongConfigError, readConfig } from './config.ts'
import { helpText } from './flags.ts'
import type { Settings } from './settings.ts'
import { NotOwnerError } from './storage/local/owner.ts'
import { StoreThreads } from './storage/local/threads.ts'
import { refuseOldNode, version } from './version.ts'
import { warningsOf } from './warnings.ts'

/** Before anything uses the pool: writes and syncs of many files wait for each other on four threads (+ 60 % with 100 busy files). */
process.env['UV_THREADPOOL_SIZE'] ??= '16'

async function main(): Promise<void> {
  const args = process.argv.slice(2)
  if (args[0] !== undefined && !args[0].startsWith('-')) {
    process.exitCode = await runStoreCommand(args).catch(commandFailed)
    return
  }
  refuseOldNode()
  const command = readConfig(args, process.env, homedir())
  if (command.run === 'help') process.stdout.write(helpText((await import('./commands/index.ts')).commandRows))
  else if (command.run === 'version') process.stdout.write(`${version()}\n`)
  else if (command.run === 'migrate') process.stdout.write(await migrated(command.storePath))
  else if (command.run === 'print-config') process.stdout.write(command.text)
  else if (command.run === 'check-config') tellChecked(command.config, command.settings)
  else await runDaemon(command.config, command.settings, args)
}

async function runStoreCommand(args: readonly string[]): Promise<CommandExit> {
  refuseOldNode()
  const { commandOf } = await import('./commands/index.ts')
  return runCommand(commandOf(args), args.slice(1), process.env)
}

/** Everything is right; what may be meant otherwise is told all the same. */
function tellChecked(config: Config, settings: Settings): void {
  process.stderr.write(warningsOf(config, settings).map(warning => `tallyd: warning: ${warning}\n`).join(''))
  process.stdout.write('the configuration is right\n')
}

/** The store's threads start while this one loads what it serves with: that is a fifth of the time until it answers. */
async function runDaemon(config: Config, settings: Settings, args: readonly string[]): Promise<void> {
  const threads = new StoreThreads({ directory: resolve(config.storePath), durability: config.durability })
  threads.start()
  const [{ LiveConfig }, { serve }] = await Promise.all([import('./live-config.ts'), import('./serve.ts')])
  await serve(new LiveConfig(config, settings, args, process.env), threads)
}

async function migrated(storePath: string): Promise<string> {
  const { migrateStore } = await import('./storage/local/migrate.ts')
  const { STORE_VERSION } = await import('./storage/local/version.ts')
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
  if (error instanceof UsageError) {
    const warnings = error instanceof WrongConfigError ? warningsOf(error.config, error.settings) : []
    return [...error.mistakes, ...warnings.map(warning => `warning: ${warning}`)]
  }
  if (!(error instanceof Error)) return [String(error)]
  if (!(error instanceof NotOwnerError)) return [error.message]
  return [error.message, `as ${error.owner}: ${asOwner(error, process.argv.slice(2), process.geteuid?.() === 0)}`]
}

main().catch(fail)
