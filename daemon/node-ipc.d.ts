/** The part of node-ipc 14.0.0 that the listener uses, and the client's side of it that tests use; the package brings no types. */
declare module 'node-ipc' {
  import type { Server as NetServer, Socket } from 'node:net'

  interface Server {
    readonly server: NetServer | false
    on(event: 'connect', listener: (socket: Socket) => void): void
    on(event: 'error', listener: (error: Error) => void): void
    on(event: 'start', listener: () => void): void
    start(): void
    /** Destroys every connection and closes the socket. */
    stop(): void
    /** Takes a connection that something else accepted. */
    addSocket(socket: Socket): void
  }

  /** A server that `connectTo` was called for. */
  interface Peer {
    /** Sends one message in framing N. */
    emit(type: string | number, data?: unknown): void
    on(event: string, listener: (data: unknown) => void): void
  }

  class IPC {
    config: {
      rawBuffer: boolean
      unlink: boolean
      silent: boolean
      stopRetrying: boolean
      maxConnections: number
      maxPendingBytes: number
      messageTimeout: number
    }
    readonly server: Server
    readonly of: { readonly [id: string]: Peer }
    serve(path: string, started: () => void): void
    connectTo(id: string, path: string, made: () => void): void
    disconnect(id: string): void
  }

  const singleton: IPC & { IPC: typeof IPC }
  export default singleton
}
