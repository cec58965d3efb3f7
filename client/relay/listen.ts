/**
 * Listens at an endpoint. A Unix socket is as safe as tallyd's own: directory 0700 and socket 0600 before it is visible, a path on which
 * something answers is never taken over. Over TLS nobody is anybody before the handshake: whoever does not end it in time is closed.
 */
import { chmodSync, lstatSync, mkdirSync, statSync, unlinkSync } from 'node:fs'
import { type Server, type Socket, connect, createServer } from 'node:net'
import { dirname } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { KEEP_ALIVE_MS, TLS_VERSION_MIN, type TlsIdentity } from './dial.ts'
import { type Endpoint, endpointText } from './endpoint.ts'

/** sockaddr_un has 108 bytes with the closing zero. */
const SOCKET_PATH_BYTES_MAX = 107
const HANDSHAKE_MS_MAX = 10_000

/** Why it cannot be listened there, as a sentence. */
export class ListenError extends Error {
  override name = 'ListenError'
}

export interface Listening {
  readonly server: Server
  /** Port 0 became the port that it got. */
  readonly at: Endpoint
  /** All that are open, of TLS also those whose handshake has not ended. */
  readonly sockets: ReadonlySet<Socket>
}

/** Resolves when connections are taken. Throws `ListenError`. */
export async function listen(
  endpoint: Endpoint, identity: TlsIdentity, onConnection: (socket: Socket) => void,
): Promise<Listening> {
  const server = endpoint.kind === 'tls' ? tlsServer(identity) : createServer({ allowHalfOpen: true, noDelay: true })
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on(endpoint.kind === 'tls' ? 'secureConnection' : 'connection', (socket: Socket) => {
    if (endpoint.kind !== 'unix') socket.setKeepAlive(true, KEEP_ALIVE_MS)
    onConnection(socket)
  })
  if (endpoint.kind === 'unix') {
    prepareDirectory(endpoint.path)
    await removeStale(endpoint.path)
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', cause => reject(new ListenError(`cannot listen at ${endpointText(endpoint)}: ${cause.message}`, { cause })))
    if (endpoint.kind === 'unix') {
      // The mode has to hold from the moment on when the path is visible.
      const umask = process.umask(0o177)
      try {
        server.listen(endpoint.path, resolve)
      } finally {
        process.umask(umask)
      }
    } else {
      server.listen({ host: endpoint.host, port: endpoint.port }, resolve)
    }
  })
  const address = server.address()
  const at = endpoint.kind !== 'unix' && address !== null && typeof address === 'object' ? { ...endpoint, port: address.port } : endpoint
  return { server, at, sockets }
}

function tlsServer({ cert, key, clientCa }: TlsIdentity): Server {
  if (cert === undefined || key === undefined) throw new ListenError('to listen with TLS takes a certificate and its key')
  const server = createTlsServer({
    cert, key, minVersion: TLS_VERSION_MIN, handshakeTimeout: HANDSHAKE_MS_MAX, allowHalfOpen: true, noDelay: true,
    ...(clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: true }),
  })
  // Node only tells of a handshake that takes too long, and leaves the connection open.
  server.on('tlsClientError', (_, socket) => socket.destroy())
  return server
}

/** Makes the directory with mode 0700; one that is there must not be writable for everybody: clients would refuse the socket. */
function prepareDirectory(path: string): void {
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX) {
    throw new ListenError(`the socket's path has ${Buffer.byteLength(path)} bytes; a Unix socket takes ${SOCKET_PATH_BYTES_MAX}: ${path}`)
  }
  const directory = dirname(path)
  if (mkdirSync(directory, { recursive: true, mode: 0o700 }) !== undefined) chmodSync(directory, 0o700)
  if ((statSync(directory).mode & 0o002) === 0) return
  throw new ListenError(`the socket's directory is writable for everybody, so no client could trust the socket: ${directory}`)
}

/** Removes what a dead process left. Throws where somebody answers, or where it is no socket. */
async function removeStale(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return
  if (!stat.isSocket()) throw new ListenError(`there is something else at the socket's path: ${path}`)
  const error = await new Promise<NodeJS.ErrnoException | undefined>(resolve => {
    const probe = connect(path)
    probe.on('connect', () => {
      probe.destroy()
      resolve(undefined)
    })
    probe.on('error', resolve)
  })
  if (error === undefined) throw new ListenError(`another process listens there already: ${path}`)
  if (error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT') {
    throw new ListenError(`cannot tell whether another process listens at ${path}: ${error.message}`, { cause: error })
  }
  unlinkSync(path)
}
