/** `tally relay`: a proxy between two endpoints whose far link may break and come back while the near connections stay. */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { resolve } from 'node:path'
import { once } from 'node:events'
import { socketPath } from '../../protocol/index.ts'
import type { TlsIdentity } from '../relay/dial.ts'
import { type Endpoint, endpointText, leavesMachine, parseEndpoint } from '../relay/endpoint.ts'
import { CONNECTIONS_MAX_DEFAULT, Relay, type RelayEvent } from '../relay/relay.ts'
import { type Arguments, UsageError, countOf } from './arguments.ts'
import type { Command } from './command.ts'
import { EXIT } from './exit.ts'
import type { Output } from './output.ts'
import { countText, escaped } from './text.ts'

const CONNECTIONS_MAX = 100_000

export const relay: Command = {
  name: 'relay',
  usage: '--listen A [--to B]',
  summary: 'pass connections on; when the link behind it breaks, clients stay connected',
  examples: [
    ['tally relay --listen /run/box/tally.sock', 'bring the daemon\'s socket to another place, such as a container\'s mount'],
    ['tally relay --listen tls://0.0.0.0:7227 --cert me.pem --key me.key --client-ca us.pem', 'let other hosts in, by certificate'],
    ['tally relay --listen ~/far/tally.sock --to tls://store.example:7227 --ca us.pem --cert me.pem --key me.key', 'on such a host, reach this one'],
  ],
  flags: [
    { name: 'listen', value: 'A', kind: 'endpoint', help: 'a path, tcp://HOST:PORT or tls://HOST:PORT; port 0 takes a free one' },
    { name: 'to', value: 'B', kind: 'endpoint', help: 'what to connect to, written the same way (default: the daemon\'s socket)' },
    { name: 'ca', value: 'FILE', kind: 'path', help: 'who vouches for the far end of tls:// (default: the public authorities)' },
    { name: 'cert', value: 'FILE', kind: 'path', help: 'our certificate: to listen at tls://, and for a far end that asks' },
    { name: 'key', value: 'FILE', kind: 'path', help: 'its key' },
    { name: 'client-ca', value: 'FILE', kind: 'path', help: 'whoever connects to our tls:// has to have a certificate of this authority' },
    { name: 'insecure', help: 'allow tcp:// beyond loopback, where tokens and files can be read on the way' },
    { name: 'max-connections', value: 'N', kind: 'count', help: `more are closed at once (default ${CONNECTIONS_MAX_DEFAULT})` },
  ],
  outlivesReader: () => true,
  async run({ given, output, signal }) {
    const [extra] = given.positionals
    if (extra !== undefined) throw new UsageError(`relay takes no arguments besides flags: ${JSON.stringify(extra)}`)
    const listen = endpointOf('listen', given.one('listen'))
    const to = endpointOf('to', given.one('to') ?? given.one('socket') ?? process.env['TALLY_SOCKET'] ?? socketPath(process.env, homedir()))
    for (const endpoint of [listen, to]) {
      if (leavesMachine(endpoint) && !given.has('insecure')) {
        throw new UsageError(`${endpointText(endpoint)} may leave this machine unencrypted; take tls://, or allow it with --insecure`)
      }
    }
    if (placeOf(listen) === placeOf(to)) throw new UsageError(`--listen and --to are the same: ${endpointText(to)}`)
    const connectionsMax = countOf('max-connections', given.one('max-connections') ?? `${CONNECTIONS_MAX_DEFAULT}`, 1, CONNECTIONS_MAX)
    const identity = identityOf(given, listen, to)
    const started = await Relay.start({ listen, to, identity, connectionsMax, onEvent: event => tell(output, event) })
    if (!signal.aborted) await once(signal, 'abort')
    await started.close()
    return EXIT.DONE
  },
}

function endpointOf(name: string, text: string | undefined): Endpoint {
  if (text === undefined) throw new UsageError(`relay needs --${name}`)
  const endpoint = parseEndpoint(text)
  if (endpoint !== undefined) return endpoint
  const hint = text.includes(':') && !text.includes('://') ? ' (a path with a colon begins with / or ./)' : ''
  throw new UsageError(`--${name} is a path, tcp://HOST:PORT or tls://HOST:PORT, not ${JSON.stringify(text)}${hint}`)
}

function placeOf(endpoint: Endpoint): string {
  return endpoint.kind === 'unix' ? resolve(endpoint.path) : endpointText(endpoint)
}

/** Refuses what would do nothing. */
function identityOf(given: Arguments, listen: Endpoint, to: Endpoint): TlsIdentity {
  const needs: readonly (readonly [flag: string, isUsed: boolean, by: string])[] = [
    ['ca', to.kind === 'tls', '--to tls://'],
    ['cert', to.kind === 'tls' || listen.kind === 'tls', 'tls://'],
    ['key', to.kind === 'tls' || listen.kind === 'tls', 'tls://'],
    ['client-ca', listen.kind === 'tls', '--listen tls://'],
  ]
  for (const [flag, isUsed, by] of needs) if (given.has(flag) && !isUsed) throw new UsageError(`--${flag} is for ${by}`)
  if (given.has('cert') !== given.has('key')) throw new UsageError('--cert and --key go together')
  if (listen.kind === 'tls' && !given.has('cert')) throw new UsageError('--listen tls:// needs --cert and --key')
  const read = (flag: string): string | undefined => {
    const path = given.one(flag)
    return path === undefined ? undefined : readFileSync(path, 'utf8')
  }
  return { ca: read('ca'), cert: read('cert'), key: read('key'), clientCa: read('client-ca') }
}

/** With `--json` an event is a result, a line of JSON on standard output. */
function tell(output: Output, event: RelayEvent): void {
  if (!output.json) output.say(`tally relay: ${escaped(sentenceOf(event))}`)
  else if (event.type !== 'listening') output.result('', event)
  else output.result('', { type: event.type, at: endpointText(event.at), to: endpointText(event.to), pid: process.pid })
}

function sentenceOf(event: RelayEvent): string {
  switch (event.type) {
    case 'listening': return `listening at ${endpointText(event.at)}, passing on to ${endpointText(event.to)}`
    case 'broken': return `connection ${event.connection}: no link: ${event.reason}; it is made again`
    case 'restored': {
      const seconds = (event.downMs / 1000).toFixed(1)
      return `connection ${event.connection}: linked again after ${seconds} s, ${countText(event.attempts, 'failure')}`
    }
    case 'refused': return `connection ${event.connection}: closed: ${event.reason}`
    case 'turned-away': return `a connection was turned away: there are ${event.connectionsMax} already`
  }
}
