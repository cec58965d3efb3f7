/**
 * Builds, starts and stops the parts of tallyd: the one file that knows them all. Stopping drains: nothing new is accepted, what was
 * received is marked and answered, then the store is closed.
 */
import { TallyError } from '../protocol/errors.ts'
import type { Identity } from './auth/token.ts'
import { Counts } from './counts.ts'
import type { Connection } from './connection.ts'
import { Dispatcher } from './dispatch.ts'
import { FlowLimits } from './flow.ts'
import { CONNECTIONS_MAX, type LimitsOf, NO_LIMITS, OPERATOR_CONNECTIONS, type UserLimits } from './limits.ts'
import { Listener } from './listener.ts'
import type { Logger } from './log.ts'
import type { Gauges } from './metrics/metrics.ts'
import { OverLimit } from './over-limit.ts'
import { Rate } from './rate.ts'
import { type Operator, type Services, Session } from './session.ts'
import { rangesOf } from './storage/blocks.ts'
import type { Store } from './storage/storage.ts'
import { Damage } from './transfers/damage.ts'
import { Feed } from './transfers/feed.ts'
import type { SocketAccess } from './unix-socket.ts'
import { Housekeeping, UNFINISHED_KEPT_MS } from './transfers/housekeeping.ts'
import { KnownContent } from './transfers/known-content.ts'
import { Library } from './transfers/library.ts'
import { Registry } from './transfers/registry.ts'
import { Scrub } from './transfers/scrub.ts'
import { Underway } from './transfers/underway.ts'
import { Users } from './users.ts'

/** How long a stop waits for what was received to be stored; what is not done by then goes on after the next start. */
const DRAIN_MS_MAX = 10_000

export interface DaemonOptions {
  readonly store: Store
  readonly socketPaths: readonly string[]
  readonly socketAccess?: SocketAccess
  /** Sockets that are listening already. */
  readonly socketFds?: readonly number[]
  readonly verifyToken: (token: string) => Identity
  readonly log: Logger
  /** Absent: there is no configuration and no disk to speak of. */
  readonly operator?: Operator
  readonly limits: Limits
  /** Milliseconds since 1970. */
  readonly nowMs: () => number
  /** One connection more is answered `busy`. */
  readonly connectionsMax?: number
  /** Files of all transfers in memory; one user may take half of it. */
  readonly liveFilesMax?: number
}

/** What may change while the daemon runs. */
export interface Limits {
  readonly fileBytesMax: number
  /** What the scrub reads; absent: there is none. */
  readonly scrubBytesPerSecond?: number
  /** How long an unfinished transfer is kept without a chunk; absent: 7 days. */
  readonly unfinishedKeptMs?: number
  /** Of each user; absent: nobody has any. */
  readonly userLimits?: UserLimits
  /** Of users who have their own. */
  readonly limitsByUser?: ReadonlyMap<string, UserLimits>
  /** How long files with a tag are kept, where they do not say it themselves. */
  readonly keptMsByTag?: ReadonlyMap<string, number>
  /** Of chunks that come, in all; absent: no limit. */
  readonly bytesPerSecond?: number
}

export class Daemon {
  readonly #options: DaemonOptions
  readonly counts = new Counts()
  readonly #flow = new FlowLimits(new Rate(() => this.#limits.bytesPerSecond ?? Infinity))
  readonly #registry: Registry
  readonly #housekeeping: Housekeeping
  readonly #scrub: Scrub
  readonly #listener: Listener
  readonly #sessions = new Set<Session>()
  #sessionCount = 0
  #stopping: Promise<void> | undefined
  #limits: Limits
  /** Undefined: those of the start. */
  #keyIds: ReadonlySet<string> | undefined
  #isReady = false

  constructor(options: DaemonOptions) {
    this.#options = options
    this.#limits = options.limits
    const fileBytesMax = (): number => this.#limits.fileBytesMax
    const { store, log, nowMs } = options
    const feed = new Feed(store.catalog, nowMs)
    const underway = new Underway()
    this.#registry = new Registry({
      store,
      nowMs,
      get fileBytesMax() {
        return fileBytesMax()
      },
      onArrival: (user, file) => feed.arrived(user, file),
      onCommitFailure: ({ code, message, cause }) => {
        this.counts.cyclesFailed++
        log.error('a commit cycle failed: its chunks were refused', { code, reason: message, cause: String(cause ?? '') })
      },
      onCommit: (chunks, bytes, durationMs) => this.counts.cycle(chunks, bytes, durationMs),
      onStored: (transfer, file) => {
        this.counts.filesStored++
        log.debug('stored', { transfer, file })
      },
    }, options.liveFilesMax, (user, fid) => underway.dropped(user, fid))
    const unfinishedKeptMs = (): number => this.#limits.unfinishedKeptMs ?? UNFINISHED_KEPT_MS
    this.#housekeeping = new Housekeeping(store, this.#registry, nowMs, unfinishedKeptMs, (what, cause) => log.error(`${what} failed`, { cause: String(cause) }))
    const damage = new Damage(store, {
      found: ({ fid, file, sizeBytes }, runs) => {
        this.counts.contentsDamaged++
        const [first] = rangesOf(runs, sizeBytes)
        log.error('content is damaged: send it again, or ask tallyd fsck', { fid, file, offset: first?.[0], length: first?.[1], ranges: runs.length })
      },
      failed: ({ fid, file }, cause) => log.error('a damaged content could not be checked', { fid, file, cause: String(cause) }),
    })
    const limitsOf: LimitsOf = user => this.#limits.limitsByUser?.get(user) ?? this.#limits.userLimits ?? NO_LIMITS
    this.#scrub = new Scrub({
      store,
      damage,
      nowMs,
      bytesPerSecond: () => this.#limits.scrubBytesPerSecond ?? 0,
      isBusy: () => this.#flow.totalBytes > 0 || [...this.#sessions].some(({ downloads }) => downloads.size > 0),
      onPass: read => log.info('the scrub has read every stored content', { ...read }),
      onFailure: cause => log.error('the scrub failed', { cause: String(cause) }),
    })
    const services: Services = {
      registry: this.#registry,
      library: new Library(store, damage),
      knownContent: new KnownContent(store, damage, nowMs),
      feed,
      flow: this.#flow,
      users: new Users(limitsOf),
      underway,
      unfinishedKeptMs,
      sessions: () => this.#sessions,
      operator: options.operator ?? { settings: () => ({}), reload: () => ({}), store: () => ({}) },
      log,
      counts: this.counts,
      get fileBytesMax() {
        return fileBytesMax()
      },
      nowMs,
      limitsOf,
      keptMs: tag => this.#limits.keptMsByTag?.get(tag),
      isKeyKnown: id => this.#keyIds?.has(id) ?? true,
      verifyToken: options.verifyToken,
      collectGarbage: () => this.#housekeeping.collect(),
    }
    const connectionsMax = options.connectionsMax ?? CONNECTIONS_MAX
    const serve = (connection: Connection, onClosed = () => {}): Dispatcher => {
      this.counts.connections++
      const session = new Session(++this.#sessionCount, connection, services)
      this.#sessions.add(session)
      log.debug('connected', { connection: session.id })
      return new Dispatcher(session, () => {
        this.#sessions.delete(session)
        onClosed()
        log.debug('disconnected', { connection: session.id })
      })
    }
    let operators = 0
    this.#listener = new Listener((connection, isOverLimit) => (isOverLimit ? new OverLimit(connection, {
      connectionsMax,
      refused: () => this.counts.connectionsRefused++,
      letIn: token => {
        // Who has not shown such a token takes none of these places.
        if (operators >= OPERATOR_CONNECTIONS || !this.#isOperator(token)) return undefined
        operators++
        return serve(connection, () => operators--)
      },
    }) : serve(connection)), nowMs, connectionsMax)
  }

  /** Listens, and takes up what an earlier run left undone. Throws `ListenError`. */
  async start(): Promise<void> {
    for (const path of this.#options.socketPaths) await this.#listener.listen(path, this.#options.socketAccess)
    for (const fd of this.#options.socketFds ?? []) await this.#listener.listenOn(fd)
    this.#isReady = true
    // Clients need not wait for that; what goes wrong is logged.
    void this.#housekeeping.start()
    this.#scrub.start()
  }

  /** Where it listens, besides the sockets that it was given. */
  get socketPaths(): readonly string[] {
    return this.#options.socketPaths
  }

  /** It listens, and is not stopping. */
  get isReady(): boolean {
    return this.#isReady
  }

  /** What can be read at any moment. */
  get gauges(): Gauges {
    return { connections: this.#sessions.size, transfersInMemory: this.#registry.count, pendingBytes: this.#flow.totalBytes }
  }

  /**
   * Limits hold for what comes from now on. Tokens are checked with these keys (`TokenKey.id`) only: whose key went is told
   * `token-invalid`. Answers how many connections that concerned.
   */
  reconfigure(limits: Limits, keyIds: ReadonlySet<string>): number {
    this.#limits = limits
    this.#keyIds = keyIds
    // Who waits for what a slower rate allowed does not wait any longer.
    this.#flow.turns.give()
    return [...this.#sessions].filter(session => session.keysChanged(keyIds)).length
  }

  /** What the clock does to connections that keep silent; called every second, and by tests with a clock of their own. */
  closeSilent(): void {
    this.#listener.closeSilent()
  }

  /** Drains and closes. Every connection gets `shutting-down` after the answers to what was received. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    this.#isReady = false
    this.#listener.stopAccepting()
    for (const { connection } of this.#sessions) connection.pause('stopping')
    this.#flow.turns.stop()
    const drained = this.#registry.settled()
    await Promise.race([drained, new Promise(resolve => setTimeout(resolve, DRAIN_MS_MAX).unref())])
    const error = new TallyError('shutting-down', 'the daemon is stopping; what was acknowledged is safe')
    for (const session of this.#sessions) {
      session.endWatches(error)
      session.refuse(error)
    }
    await this.#connectionsClosed()
    this.#listener.stop()
    await this.#scrub.stop()
    await this.#housekeeping.stop()
    await this.#options.store.close()
  }

  #isOperator(token: string): boolean {
    try {
      return this.#options.verifyToken(token).scope.has('admin')
    } catch {
      return false
    }
  }

  /** The last answers are on their way; a peer that does not read them is not waited for. */
  async #connectionsClosed(): Promise<void> {
    const untilMs = Date.now() + 1_000
    while (this.#sessions.size > 0 && Date.now() < untilMs) await new Promise(resolve => setTimeout(resolve, 5))
  }
}
