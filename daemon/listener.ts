/**
 * The Unix sockets that tallyd listens on, over node-ipc in raw mode. It makes the socket safe before it is visible (directory 0700, socket
 * 0600), never takes over a path that something answers on, turns sockets into connections, and ends those that keep silent too long.
 */
import type { Socket } from 'node:net'
import nodeIpc from 'node-ipc'
import { Connection, type FrameHandler } from './connection.ts'
import { FrameBudgets } from './flow.ts'
import { createPrivately, ListenError, preparePath } from './unix-socket.ts'

export const CONNECTIONS_MAX = 10_000
/** A frame that stays unfinished, and a connection that has not authenticated, is closed after this (docs/protocol.md, "Frames"). */
const SILENCE_MS_MAX = 30_000
const SWEEP_EVERY_MS = 1_000

/** What the listener has to know of whoever serves a connection. */
export interface Served extends FrameHandler {
  readonly isAuthenticated: boolean
  /** A second has passed. */
  passTime(): void
}

export type Serve = (connection: Connection, isOverLimit: boolean) => Served

interface Peer {
  readonly connection: Connection
  readonly served: Served
  readonly sinceMs: number
}

export class Listener {
  readonly #serve: Serve
  readonly #nowMs: () => number
  readonly #connectionsMax: number
  readonly #budgets = new FrameBudgets()
  readonly #peers = new Set<Peer>()
  readonly #servers: { stop(): void }[] = []
  readonly #sweep: NodeJS.Timeout
  #isStopped = false

  constructor(serve: Serve, nowMs: () => number, connectionsMax: number) {
    this.#serve = serve
    this.#nowMs = nowMs
    this.#connectionsMax = connectionsMax
    this.#sweep = setInterval(() => this.closeSilent(), SWEEP_EVERY_MS)
    this.#sweep.unref()
  }

  /** Listens on one more path. Throws `ListenError`. */
  async listen(path: string): Promise<void> {
    await preparePath(path)
    const ipc = new nodeIpc.IPC()
    Object.assign(ipc.config, { rawBuffer: true, unlink: false, silent: true, maxConnections: 2 ** 31 - 1 })
    await new Promise<void>((resolve, reject) => {
      ipc.serve(path, resolve)
      ipc.server.on('error', error => reject(new ListenError(`cannot listen on ${path}: ${error.message}`, { cause: error })))
      ipc.server.on('connect', socket => this.#accept(socket))
      createPrivately(() => ipc.server.start())
    })
    this.#servers.push(ipc.server)
  }

  /** Accepts nobody any more; open connections stay until `end`. */
  stopAccepting(): void {
    clearInterval(this.#sweep)
    this.#isStopped = true
  }

  /** Ends every connection and removes the sockets. */
  stop(): void {
    this.stopAccepting()
    for (const server of this.#servers) server.stop()
  }

  #accept(socket: Socket): void {
    // Else Node would close our side as soon as the peer has said its last, and the answers to that would be lost.
    socket.allowHalfOpen = true
    if (this.#isStopped) {
      socket.destroy()
      return
    }
    const isOverLimit = this.#peers.size >= this.#connectionsMax
    let served: Served | undefined
    const budget = this.#budgets.of(() => served?.isAuthenticated ?? false)
    const connection = new Connection(socket, made => (served = this.#serve(made, isOverLimit)), budget, this.#nowMs)
    const peer = { connection, served: served as unknown as Served, sinceMs: this.#nowMs() }
    this.#peers.add(peer)
    socket.on('close', () => this.#peers.delete(peer))
  }

  /** Closes who left a frame unfinished, or has not authenticated, for too long; tells the others that time passes. Called every second. */
  closeSilent(): void {
    const beforeMs = this.#nowMs() - SILENCE_MS_MAX
    for (const { connection, served, sinceMs } of this.#peers) {
      const { unfinishedSinceMs } = connection
      const isSilent = !served.isAuthenticated && sinceMs < beforeMs
      if (isSilent || (unfinishedSinceMs !== undefined && unfinishedSinceMs < beforeMs)) connection.destroy()
      else served.passTime()
    }
  }
}
