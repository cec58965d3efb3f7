/**
 * Runs the daemon from its start to its end: opens the store, listens, answers monitors where that is wanted, and does what signals ask:
 * INT and TERM stop it in order (the second one at once), HUP reads the settings again.
 */
import { isatty } from 'node:tty'
import type { ValueMap } from '../protocol/messages.ts'
import { verifyToken } from './auth/token.ts'
import { groupOf, labelOf } from './config.ts'
import { Daemon } from './daemon.ts'
import type { Change, LiveConfig } from './live-config.ts'
import { boundHeapGrowth } from './heap-growth.ts'
import { createLogger, type Logger, stderrWriter } from './log.ts'
import { withoutRepeats } from './log-repeats.ts'
import { createMetrics } from './metrics/metrics.ts'
import type { MetricsAddress } from './metrics/server.ts'
import { UsageError } from './mistakes.ts'
import { notifyManager, passedSockets } from './service-manager.ts'
import { type LocalStore, openLocalStore } from './storage/local/index.ts'
import type { StoreThreads } from './storage/local/threads.ts'
import { turnClock } from './turn-clock.ts'
import { ListenError, type SocketAccess } from './unix-socket.ts'
import { version } from './version.ts'
import { warningsOf } from './warnings.ts'

const STDERR = 2
/** As much of a key's fingerprint as `tally settings` shows. */
const KEY_CHARS = 16

/** Resolves when it is ready; ends the process when it is told to. `threads`: the store's. Throws what keeps it from starting. */
export async function serve(live: LiveConfig, threads: StoreThreads): Promise<void> {
  boundHeapGrowth()
  const { config } = live
  const log = liveLogger(live)
  if (live.hasMadeSecret) log.info('made a secret for tokens', { path: config.keySource.path })
  warn(warningsOf(config, live.atStart), log)
  const socketAccess = socketAccessOf(live)
  const store = await openLocalStore({
    path: config.storePath,
    durability: config.durability,
    minFreeBytes: config.minFreeBytes,
    threads,
    log: (event, details) => (event === 'storage-failed' ? log.error : log.info)(event, details),
  })
  const socketFds = passedSockets(process.env, process.pid)
  const daemon: Daemon = new Daemon({
    store,
    socketPaths: socketFds.length > 0 && config.areSocketsDefault ? [] : config.sockets,
    socketFds,
    socketAccess,
    verifyToken: token => verifyToken(token, live.rules, Date.now()),
    log,
    limits: config,
    connectionsMax: config.connectionsMax,
    operator: {
      settings: () => live.described(),
      reload: () => reload(live, daemon, log),
      store: () => storeFigures(config.storePath, store),
    },
    nowMs: turnClock(),
  })
  const unready = (): string | undefined => (daemon.isReady ? store.room().refusal?.message : 'starting or stopping')
  onSignals(live, daemon, log)
  try {
    // First, so that nobody is served by a daemon that cannot stay.
    if (config.metrics !== undefined) await answerMonitors(config.metrics, daemon, live, unready)
    await daemon.start()
  } catch (error) {
    await daemon.stop()
    throw error
  }
  const { storePath, durability } = config
  const sockets = [...daemon.socketPaths, ...socketFds.map(fd => `fd:${fd}`)].join(' ')
  log.info('tallyd is ready', { sockets, store: storePath, durability, pid: process.pid, version: version() })
  notifyManager('READY=1', log)
}

/** As docs/protocol.md has them ("Operator's messages"). */
function storeFigures(path: string, store: LocalStore): ValueMap {
  const { freeBytes, minFreeBytes, refusal } = store.room()
  const refused = refusal === undefined ? {} : { code: refusal.code, reason: refusal.message }
  return { path, 'free': freeBytes, 'min-free': minFreeBytes, ...refused }
}

function socketAccessOf({ config, atStart }: LiveConfig): SocketAccess {
  const groupId = groupOf(config, atStart)
  return { ...(groupId === undefined ? {} : { groupId }), mode: config.socketMode }
}

/** Level and format as they are set now; what repeats is counted. */
function liveLogger(live: LiveConfig): Logger {
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
  return withoutRepeats(log, Date.now)
}

async function answerMonitors(
  address: MetricsAddress, daemon: Daemon, live: LiveConfig, unready: () => string | undefined,
): Promise<void> {
  const metrics = await createMetrics(daemon.counts, () => daemon.gauges, live.config.storePath)
  // Node's HTTP brings all of its client along: 10 ms and some MB that only monitors need.
  const { MetricsServer } = await import('./metrics/server.ts')
  const server = new MetricsServer({ metrics, unready })
  await server.listen(address).catch((cause: unknown) => {
    throw new ListenError(`${labelOf('metrics', live.atStart)}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  })
  // Until the very end: who waits for us to stop asks here.
  process.on('exit', () => server.stop())
}

function onSignals(live: LiveConfig, daemon: Daemon, log: Logger): void {
  let isStopping = false
  const stop = (signal: string): void => {
    if (isStopping) process.exit(1) // asked twice: at once, as after a crash
    isStopping = true
    log.info('stopping', { signal })
    notifyManager('STOPPING=1', log)
    daemon.stop().then(() => {
      log.info('stopped')
      process.exit(0)
    }, (error: unknown) => {
      log.error('the daemon could not be stopped in order', { cause: String(error) })
      process.exit(1)
    })
  }
  process.on('SIGINT', () => stop('SIGINT'))
  process.on('SIGTERM', () => stop('SIGTERM'))
  const onTerminal = isatty(STDERR)
  process.on('SIGHUP', () => {
    // The terminal that we ran on was closed: whoever started us has gone.
    if (onTerminal && !isatty(STDERR)) stop('SIGHUP')
    else reload(live, daemon, log)
  })
}

/** What is wrong changes nothing: a service must not end, or open up, because of a slip in a file. */
function reload(live: LiveConfig, daemon: Daemon, log: Logger): ValueMap {
  try {
    const { changed, waiting } = live.reload()
    const ended = daemon.reconfigure(live.config, live.rules.keys.ids)
    log.info('settings and keys were read again', { changed: textOf(changed), ended })
    if (waiting.length > 0) log.warn('these settings hold from the next start on', { settings: textOf(waiting) })
    const warnings = warningsOf(live.config, live.settings)
    warn(warnings, log)
    const names = (changes: readonly Change[]): string[] => changes.map(({ name }) => name)
    const changes = [...changed, ...waiting].map(change => ({ ...change }))
    return { changed: names(changed), waiting: names(waiting), changes, ended, warnings }
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error)
    log.error('settings and keys stay as they were', { reason: failure })
    return { failure, mistakes: error instanceof UsageError ? error.mistakes : [failure] }
  }
}

function warn(warnings: readonly string[], log: Logger): void {
  for (const warning of warnings) log.warn('a setting may be meant otherwise', { reason: warning })
}

function textOf(changes: readonly Change[]): string {
  return changes.map(({ name, before, after }) => {
    const shown = (value: string): string => (name === 'keys' ? `${value.slice(0, KEY_CHARS)}…` : value)
    const text = (values: readonly string[]): string => values.map(shown).join(' ') || 'not set'
    return `${name} ${text(before)} → ${text(after)}`
  }).join(', ')
}
