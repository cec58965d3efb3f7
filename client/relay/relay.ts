/**
 * A relay: listens at one endpoint and serves each connection with links to another. What all connections share is here: their number, the
 * memory of unfinished frames and of frames that wait, and the end.
 */
import { type MemoryBudget, TallyError } from '../../protocol/index.ts'
import { TIMINGS_DEFAULT, type Timings } from '../timings.ts'
import { Conduit, type ConduitTeller } from './conduit.ts'
import { type TlsIdentity, dial } from './dial.ts'
import type { Endpoint } from './endpoint.ts'
import { type Listening, listen } from './listen.ts'
import { WaitingTotal } from './outlet.ts'

export type RelayEvent =
  | { readonly type: 'listening'; readonly at: Endpoint; readonly to: Endpoint }
  /** Connections are numbered from 1. */
  | { readonly type: 'broken'; readonly connection: number; readonly reason: string }
  | { readonly type: 'restored'; readonly connection: number; readonly attempts: number; readonly downMs: number }
  | { readonly type: 'refused'; readonly connection: number; readonly reason: string }
  /** Too many connections: one was closed at once. */
  | { readonly type: 'turned-away'; readonly connectionsMax: number }

export interface RelayOptions {
  readonly listen: Endpoint
  readonly to: Endpoint
  readonly identity?: TlsIdentity
  /** Default 1000. */
  readonly connectionsMax?: number
  readonly timings?: Partial<Timings>
  readonly onEvent?: (event: RelayEvent) => void
}

export const CONNECTIONS_MAX_DEFAULT = 1000
const UNFINISHED_BYTES_MAX = 67_108_864
const SWEEP_EVERY_MS = 1_000
/** How long the last answers may take when the relay ends. */
const ENDING_MS_MAX = 2_000

export class Relay {
  /** Where it listens. */
  readonly at: Endpoint
  readonly #listening: Listening
  readonly #conduits: Set<Conduit>
  readonly #sweep: NodeJS.Timeout

  private constructor(listening: Listening, conduits: Set<Conduit>) {
    this.at = listening.at
    this.#listening = listening
    this.#conduits = conduits
    this.#sweep = setInterval(() => { for (const conduit of conduits) conduit.check() }, SWEEP_EVERY_MS)
  }

  /** Resolves when connections are taken. Throws `ListenError`. */
  static async start(
    { listen: near, to, identity = {}, connectionsMax = CONNECTIONS_MAX_DEFAULT, timings, onEvent }: RelayOptions,
  ): Promise<Relay> {
    const conduits = new Set<Conduit>()
    const shared = { budget: new UnfinishedBudget(), waiting: new WaitingTotal(), timings: { ...TIMINGS_DEFAULT, ...timings } }
    let lastNumber = 0
    const listening = await listen(near, identity, socket => {
      const tell = tellerOf(++lastNumber, onEvent)
      const conduit = new Conduit({ ...shared, near: socket, dial: signal => dial(to, identity, signal), tell })
      conduits.add(conduit)
      socket.on('close', () => conduits.delete(conduit))
    })
    const { server, at } = listening
    server.maxConnections = connectionsMax
    server.on('drop', () => onEvent?.({ type: 'turned-away', connectionsMax }))
    onEvent?.({ type: 'listening', at, to })
    return new Relay(listening, conduits)
  }

  /** Takes no more connections, lets what was sent be answered for a moment, and ends. The socket is gone then. */
  async close(): Promise<void> {
    clearInterval(this.#sweep)
    const closed = new Promise<void>(resolve => this.#listening.server.close(() => resolve()))
    for (const conduit of this.#conduits) conduit.end()
    const timer = setTimeout(() => {
      for (const conduit of this.#conduits) conduit.destroy()
      for (const socket of this.#listening.sockets) socket.destroy()
    }, ENDING_MS_MAX)
    await closed
    clearTimeout(timer)
  }
}

/** The memory of all unfinished frames, of both directions. */
class UnfinishedBudget implements MemoryBudget {
  #usedBytes = 0

  charge(bytes: number): void {
    if (this.#usedBytes + bytes > UNFINISHED_BYTES_MAX) {
      throw new TallyError('busy', 'too much memory is taken by unfinished messages', { 'retry-after': 1_000 }, { fatal: true })
    }
    this.#usedBytes += bytes
  }

  release(bytes: number): void {
    this.#usedBytes -= bytes
  }
}

function tellerOf(connection: number, onEvent: RelayOptions['onEvent']): ConduitTeller {
  return {
    broken: reason => onEvent?.({ type: 'broken', connection, reason }),
    restored: (attempts, downMs) => onEvent?.({ type: 'restored', connection, attempts, downMs }),
    refused: reason => onEvent?.({ type: 'refused', connection, reason }),
  }
}
