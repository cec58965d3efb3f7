#!/usr/bin/env node
/**
 * tallyd's arguments and signals. It runs in the foreground, says in one line where it listens and what holds, reads its settings again at HUP,
 * and ends with exit code 0 after INT or TERM, 2 for a usage error, 1 for everything else. Its commands (`tallyd fsck`) have exit codes of their own.
 */
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { isatty } from 'node:tty'
import { loadKeys } from './auth/keys.ts'
import { verifyToken } from './auth/token.ts'
import { COMMAND_EXIT, type CommandExit, runCommand } from './commands/command.ts'
import { commandOf, commandRows } from './commands/index.ts'
import { type Config, UsageError, readConfig } from './config.ts'
import { Daemon } from './daemon.ts'
import { helpText } from './flags.ts'
import { LiveConfig } from './live-config.ts'
import { createLogger, type Logger, stderrWriter } from './log.ts'
import { openLocalStore } from './storage/local/index.ts'
import { migrateStore } from './storage/local/migrate.ts'
import { STORE_VERSION } from './storage/local/version.ts'

/** Before anything uses the pool: writes and syncs of many files wait for each other on four threads (+ 60 % with 100 busy files). */
process.env['UV_THREADPOOL_SIZE'] ??= '16'

const STDERR = 2

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
  else if (command.run === 'check-config') process.stdout.write(checked(command.config))
  else await run(new LiveConfig(command.config, command.settings, args, process.env))
}

/** The settings are right, as far as can be told without starting: the keys are read, too, unless the first start is to make them. */
function checked({ keySource, makeSecret }: Config): string {
  try {
    if (!makeSecret || existsSync(keySource.path)) loadKeys(keySource)
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
  return 'the configuration is right\n'
}

async function run(live: LiveConfig): Promise<void> {
  const { config } = live
  const log = createLogger({
    get level() {
      return live.config.logLevel
    },
    get format() {
      return live.config.logFormat
    },
    write: stderrWriter(),
    nowMs: Date.now,
  })
  if (live.hasMadeSecret) log.info('made a secret for tokens', { path: config.keySource.path })
  const store = await openLocalStore({
    path: config.storePath,
    durability: config.durability,
    log: (event, details) => (event === 'storage-failed' ? log.error : log.info)(event, details),
  })
  const daemon = new Daemon({
    store,
    socketPaths: config.sockets,
    verifyToken: token => verifyToken(token, live.rules, Date.now()),
    log,
    limits: config,
    nowMs: Date.now,
  })
  let isStopping = false
  const stop = (signal: string) => {
    if (isStopping) process.exit(1) // asked twice: at once, as after a crash
    isStopping = true
    log.info('stopping', { signal })
    daemon.stop().then(() => {
      log.info('stopped')
      process.exit(0)
    }, fail)
  }
  process.on('SIGINT', () => stop('SIGINT'))
  process.on('SIGTERM', () => stop('SIGTERM'))
  const onTerminal = isatty(STDERR)
  process.on('SIGHUP', () => {
    // The terminal that we ran on was closed: whoever started us has gone.
    if (onTerminal && !isatty(STDERR)) stop('SIGHUP')
    else reload(live, daemon, log)
  })
  try {
    await daemon.start()
  } catch (error) {
    await store.close()
    throw error
  }
  const { sockets, storePath, durability } = config
  log.info('tallyd is ready', { sockets: sockets.join(' '), store: storePath, durability, pid: process.pid, version: version() })
}

/** What is wrong changes nothing: a service must not end, or open up, because of a slip in a file. */
function reload(live: LiveConfig, daemon: Daemon, log: Logger): void {
  try {
    const { changed, waiting } = live.reload()
    const ended = daemon.reconfigure(live.config, live.rules.keys.ids)
    log.info('settings and keys were read again', { changed: changed.join(' '), ended })
    if (waiting.length > 0) log.warn('these settings hold from the next start on', { settings: waiting.join(' ') })
  } catch (error) {
    log.error('settings and keys stay as they were', { reason: error instanceof Error ? error.message : String(error) })
  }
}

function migrated(storePath: string): string {
  const from = migrateStore(storePath)
  return from === STORE_VERSION ? `${storePath} has version ${from} already\n` : `${storePath}: from version ${from} to ${STORE_VERSION}\n`
}

/** The package's, from the sources as well as from `dist/`. */
function version(): string {
  const path = [new URL('../package.json', import.meta.url), new URL('../../package.json', import.meta.url)].find(url => existsSync(url))
  const { version } = JSON.parse(readFileSync(path as URL, 'utf8')) as { version: string }
  return version
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
  process.stderr.write(`tallyd: ${error instanceof Error ? error.message : String(error)}\n`)
}

main().catch(fail)
