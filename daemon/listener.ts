/**
 * The Unix sockets that tallyd listens on: its own, over node-ipc in raw mode, and those that a service manager made for it. It turns what
 * connects there into connections, and ends those that keep silent too long. What a safe path is, is unix-socket.ts's matter.
 */
import { createServer, type Socket } from 'node:net'
import nodeIpc from 'node-ipc'
import { Connection, type FrameHandler } from './connection.ts'
import { FrameBudgets } from './flow.ts'
import { createSocket, ListenError, preparePath, type SocketAccess } from './unix-socket.ts'

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
  async listen(path: string, access: SocketAccess = {}): Promise<void> {
    await preparePath(path, access)
    const ipc = new nodeIpc.IPC()
    Object.assign(ipc.config, { rawBuffer: true, unlink: false, silent: true, maxConnections: 2 ** 31 - 1 })
    await new Promise<void>((resolve, reject) => {
      ipc.serve(path, resolve)
      ipc.server.on('error', error => reject(new ListenError(`cannot listen on ${path}: ${error.message}`, { cause: error })))
      ipc.server.on('connect', socket => this.#accept(socket))
      createSocket(path, access, () => ipc.server.start())
    })
    this.#servers.push(ipc.server)
  }

  /** Listens on a socket that the service manager made and passed on; it stays when we end. Throws `ListenError`. */
  async listenOn(fd: number): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, socket => this.#accept(socket))
    await new Promise<void>((resolve, reject) => {
      server.on('error', error => reject(new ListenError(`cannot listen on the file descriptor ${fd}: ${error.message}`, { cause: error })))
      server.listen({ fd }, resolve)
    })
    this.#servers.push({
      stop: () => {
        server.close()
        for (const { connection } of this.#peers) connection.destroy()
      },
    })
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
