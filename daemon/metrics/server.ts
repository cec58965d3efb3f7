/**
 * What a monitor asks over HTTP, on a Unix socket or a loopback port: `/metrics`, `/healthz` (the process answers) and `/readyz` (it takes
 * files). It has nothing to do with the protocol's sockets, and knows nobody's data.
 */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import { createSocket, ListenError, preparePath } from '../unix-socket.ts'
import type { Metrics } from './metrics.ts'

/** Where to listen: a path, or a loopback address and a port. */
export type MetricsAddress = { readonly path: string } | { readonly host: string; readonly port: number }

export interface Answers {
  readonly metrics: Metrics
  /** Why no files are taken just now; undefined where they are. */
  unready(): string | undefined
}

const CONNECTIONS_MAX = 64
const REQUEST_MS_MAX = 5_000

export class MetricsServer {
  readonly #server: Server

  constructor(answers: Answers) {
    this.#server = createServer({ requestTimeout: REQUEST_MS_MAX, headersTimeout: REQUEST_MS_MAX }, (request, response) => {
      answer(request, answers).then(({ status, type = 'text/plain; charset=utf-8', text }) => {
        respond(response, status, type, text)
      }, () => respond(response, 500, 'text/plain', 'the metrics could not be read\n'))
    })
    this.#server.maxConnections = CONNECTIONS_MAX
  }

  /** Throws `ListenError`. */
  async listen(address: MetricsAddress): Promise<void> {
    const path = 'path' in address ? address.path : ''
    if (path !== '') await preparePath(path)
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause: NodeJS.ErrnoException) => reject(new ListenError(refusalOf(cause, address), { cause })))
      createSocket(path, {}, () => this.#server.listen(address, resolve))
    })
  }

  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}

/** As that of a Unix socket. */
function refusalOf({ code, message }: NodeJS.ErrnoException, address: MetricsAddress): string {
  const shown = 'path' in address ? address.path : `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`
  return code === 'EADDRINUSE' ? `another process listens there already: ${shown}` : `cannot listen on ${shown}: ${message}`
}

interface Answer {
  readonly status: number
  readonly type?: string
  readonly text: string
}

async function answer({ method, url }: IncomingMessage, { metrics, unready }: Answers): Promise<Answer> {
  if (method !== 'GET' && method !== 'HEAD') return { status: 405, text: 'only GET\n' }
  switch (url) {
    case '/metrics': return { status: 200, type: metrics.contentType, text: await metrics.text() }
    case '/healthz': return { status: 200, text: 'ok\n' }
    case '/readyz': {
      const reason = unready()
      return reason === undefined ? { status: 200, text: 'ok\n' } : { status: 503, text: `${reason}\n` }
    }
    default: return { status: 404, text: 'there are /metrics, /healthz and /readyz\n' }
  }
}

function respond(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { 'content-type': type, ...(status === 405 ? { allow: 'GET, HEAD' } : {}) })
  response.end(response.req.method === 'HEAD' ? undefined : text)
}
