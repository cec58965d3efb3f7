/**
 * The Unix sockets that tallyd listens on, over node-ipc in raw mode. It makes the socket safe before it is visible (directory 0700, socket
 * 0600), never takes over a path that something answers on, turns sockets into connections, and ends those that keep silent too long.
 */
import { chmodSync, lstatSync, mkdirSync, statSync, unlinkSync } from 'node:fs'
import { type Socket, connect } from 'node:net'
import { dirname } from 'node:path'
import nodeIpc from 'node-ipc'
import { Connection, type FrameHandler } from './connection.ts'
import { FrameBudgets } from './flow.ts'

/** sockaddr_un has 108 bytes with the closing zero. */
const SOCKET_PATH_BYTES_MAX = 107
const CONNECTIONS_MAX = 10_000
/** A frame that stays unfinished, and a connection that has not authenticated, is closed after this (docs/protocol.md, "Frames"). */
const SILENCE_MS_MAX = 30_000
const SWEEP_EVERY_MS = 1_000

/** What the listener has to know of whoever serves a connection. */
export interface Served extends FrameHandler {
  readonly isAuthenticated: boolean
}

export type Serve = (connection: Connection, isOverLimit: boolean) => Served

interface Peer {
  readonly connection: Connection
  readonly served: Served
  readonly sinceMs: number
}

/** Why a socket cannot be listened on, as a sentence for the operator. */
export class ListenError extends Error {}

export class Listener {
  readonly #serve: Serve
  readonly #nowMs: () => number
  readonly #connectionsMax: number
  readonly #budgets = new FrameBudgets()
  readonly #peers = new Set<Peer>()
  readonly #servers: { stop(): void }[] = []
  readonly #sweep: NodeJS.Timeout
  #isStopped = false

  constructor(serve: Serve, nowMs: () => number, connectionsMax = CONNECTIONS_MAX) {
    this.#serve = serve
    this.#nowMs = nowMs
    this.#connectionsMax = connectionsMax
    this.#sweep = setInterval(() => this.closeSilent(), SWEEP_EVERY_MS)
    this.#sweep.unref()
  }

  /** Listens on one more path. Throws `ListenError`. */
  async listen(path: string): Promise<void> {
    if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX) {
      throw new ListenError(`the socket's path has ${Buffer.byteLength(path)} bytes; a Unix socket takes ${SOCKET_PATH_BYTES_MAX}: ${path}`)
    }
    prepareDirectory(dirname(path))
    await removeStale(path)
    const ipc = new nodeIpc.IPC()
    Object.assign(ipc.config, { rawBuffer: true, unlink: false, silent: true, maxConnections: 2 ** 31 - 1 })
    await new Promise<void>((resolve, reject) => {
      ipc.serve(path, resolve)
      ipc.server.on('error', error => reject(new ListenError(`cannot listen on ${path}: ${error.message}`, { cause: error })))
      ipc.server.on('connect', socket => this.#accept(socket))
      // The mode has to hold from the moment on when the path is visible.
      const umask = process.umask(0o177)
      try {
        ipc.server.start()
      } finally {
        process.umask(umask)
      }
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

  /** Closes who left a frame unfinished, or has not authenticated, for too long. Called every second. */
  closeSilent(): void {
    const beforeMs = this.#nowMs() - SILENCE_MS_MAX
    for (const { connection, served, sinceMs } of this.#peers) {
      const { unfinishedSinceMs } = connection
      const isSilent = !served.isAuthenticated && sinceMs < beforeMs
      if (isSilent || (unfinishedSinceMs !== undefined && unfinishedSinceMs < beforeMs)) connection.destroy()
    }
  }
}

/** Makes the directory with mode 0700; one that is there must not be writable for everybody: clients would refuse the socket. */
function prepareDirectory(path: string): void {
  if (mkdirSync(path, { recursive: true, mode: 0o700 }) !== undefined) chmodSync(path, 0o700)
  if ((statSync(path).mode & 0o002) !== 0) {
    throw new ListenError(`the socket's directory is writable for everybody, so no client could trust the socket: ${path}`)
  }
}

/** Removes what a dead daemon left at the path. Throws where somebody answers there, or where it is no socket. */
async function removeStale(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return
  if (!stat.isSocket()) throw new ListenError(`there is something else at the socket's path: ${path}`)
  if (await answers(path)) throw new ListenError(`another process listens there already: ${path}`)
  unlinkSync(path)
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect(path)
    probe.on('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false)
      else reject(new ListenError(`cannot tell whether another process listens there: ${path}: ${error.message}`, { cause: error }))
    })
  })
}
