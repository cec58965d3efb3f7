/**
 * Connects to an endpoint. Tokens go through what it opens, so a Unix socket is checked as the library checks it, and a TLS peer is always
 * verified.
 */
import { type Socket, connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { unlessAborted } from '../abort.ts'
import { checkSocket } from '../socket-trust.ts'
import { type Endpoint, endpointText } from './endpoint.ts'

/** All of it in PEM. */
export interface TlsIdentity {
  /** Who vouches for the far end; default: what Node trusts. */
  readonly ca?: string | undefined
  /** Who we are: needed to listen, shown to a far end that asks. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** Whoever connects has to show a certificate that this one vouches for. */
  readonly clientCa?: string | undefined
}

const DIAL_MS_MAX = 10_000
/** A peer that vanished without a word is noticed after this and ten probes, one a second. */
export const KEEP_ALIVE_MS = 10_000
export const TLS_VERSION_MIN = 'TLSv1.2'

/** An open, verified connection. Throws what is in the way, or the signal's reason. */
export async function dial(endpoint: Endpoint, identity: TlsIdentity, signal: AbortSignal): Promise<Socket> {
  if (endpoint.kind === 'unix') await checkSocket(endpoint.path)
  signal.throwIfAborted()
  const socket = open(endpoint, identity)
  const ready = new Promise<void>((resolve, reject) => {
    socket.once(endpoint.kind === 'tls' ? 'secureConnect' : 'connect', resolve)
    socket.once('error', reject)
    // Some failures of a TLS handshake close the socket without an error.
    socket.once('close', () => reject(new Error(`${endpointText(endpoint)} closed the connection`)))
  })
  // It may lose the race below.
  ready.catch(() => {})
  try {
    await unlessAborted(ready, AbortSignal.any([signal, AbortSignal.timeout(DIAL_MS_MAX)]))
    return socket
  } catch (error) {
    socket.on('error', () => {})
    socket.destroy()
    throw error
  }
}

function open(endpoint: Endpoint, { ca, cert, key }: TlsIdentity): Socket {
  if (endpoint.kind === 'unix') return connect({ path: endpoint.path, allowHalfOpen: true })
  const { host, port } = endpoint
  const options = { host, port, allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS }
  if (endpoint.kind === 'tcp') return connect(options)
  const socket = connectTls({
    ...options,
    minVersion: TLS_VERSION_MIN,
    // Else NODE_TLS_REJECT_UNAUTHORIZED could switch it off.
    rejectUnauthorized: true,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
  })
  socket.setNoDelay(true)
  socket.setKeepAlive(true, KEEP_ALIVE_MS)
  return socket
}
