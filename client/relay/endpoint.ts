/** Where a relay listens or what it connects to, as people write it: a path, `tcp://host:port` or `tls://host:port`. */
import { isIPv4 } from 'node:net'

export type Endpoint =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp' | 'tls'; readonly host: string; readonly port: number }

const PORT_MAX = 65_535

/** `host:port` and the like: a path that is meant so begins with `/`, `./` or `../`. */
const LOOKS_LIKE_ADDRESS = /^(?!\.{0,2}\/)[^/]*:/

/** Undefined where it is none. An IPv6 address stands in brackets. */
export function parseEndpoint(text: string): Endpoint | undefined {
  if (text !== '' && !LOOKS_LIKE_ADDRESS.test(text) && !text.includes('\0')) return { kind: 'unix', path: text }
  const [, kind, bracketed, plain, digits] = /^(tcp|tls):\/\/(?:\[([0-9a-f:.]+)\]|([^[\]:/@\s]+)):([0-9]{1,5})$/i.exec(text) ?? []
  const host = bracketed ?? plain
  const port = Number(digits)
  if (kind === undefined || host === undefined || port > PORT_MAX) return undefined
  return { kind: kind.toLowerCase() as 'tcp' | 'tls', host, port }
}

export function endpointText(endpoint: Endpoint): string {
  if (endpoint.kind === 'unix') return endpoint.path
  const { kind, host, port } = endpoint
  return `${kind}://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** Whether what goes there unencrypted leaves this machine. */
export function leavesMachine(endpoint: Endpoint): boolean {
  if (endpoint.kind !== 'tcp') return false
  const { host } = endpoint
  return !(host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.')))
}
