/** What a relay's TLS keeps: strangers that never end a handshake cost nobody his place, and nothing around it switches off its checks. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { type Socket, connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type TlsIdentity, dial } from '../../client/relay/dial.ts'
import { type Endpoint, endpointText } from '../../client/relay/endpoint.ts'
import { Relay } from '../../client/relay/relay.ts'
import { makeDirectory } from './setting.ts'

const hasOpenssl = spawnSync('openssl', ['version']).status === 0

/** Who vouches for itself. */
function makeIdentity(directory: string): Required<Pick<TlsIdentity, 'cert' | 'key'>> {
  const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')]
  const { status, stderr } = spawnSync('openssl', [
    'req', '-x509', '-days', '2', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=localhost',
    '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert,
  ], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
}

async function startRelay(t: Test, connectionsMax = 100): Promise<{ relay: Relay; identity: TlsIdentity; stranger(): Promise<Socket> }> {
  const directory = makeDirectory(t)
  const identity = makeIdentity(directory)
  const relay = await Relay.start({
    listen: { kind: 'tls', host: '127.0.0.1', port: 0 }, to: { kind: 'unix', path: join(directory, 'far.sock') }, identity, connectionsMax,
  })
  t.teardown(() => relay.close())
  const port = Number(/\d+$/.exec(endpointText(relay.at))?.[0])
  const stranger = async (): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1')
    t.teardown(() => { socket.destroy() })
    socket.on('error', () => undefined)
    await new Promise(resolve => socket.once('connect', resolve))
    return socket
  }
  return { relay, identity, stranger }
}

function opened(endpoint: Endpoint, identity: TlsIdentity): Promise<boolean> {
  return dial(endpoint, identity, AbortSignal.timeout(60_000)).then(socket => {
    socket.destroy()
    return true
  }, () => false)
}

t.test('who never ends the handshake is closed, and its place is free again', { skip: !hasOpenssl && 'no openssl' }, async t => {
  const { relay, identity, stranger } = await startRelay(t, 1)
  const silent = await stranger()
  await new Promise(resolve => silent.resume().once('close', resolve))
  while (!await opened(relay.at, { ca: identity.cert })) await sleep(50)
})

t.test('a relay ends although somebody is in the middle of a handshake', { skip: !hasOpenssl && 'no openssl' }, async t => {
  const { relay, stranger } = await startRelay(t)
  await stranger()
  // A handshake may take 10 s, the last answers 2 s.
  t.equal(await Promise.race([relay.close().then(() => 'closed'), sleep(8_000, 'waits', { ref: false })]), 'closed')
})

t.test('NODE_TLS_REJECT_UNAUTHORIZED does not make a stranger\'s certificate good', { skip: !hasOpenssl && 'no openssl' }, async t => {
  const { relay, identity } = await startRelay(t)
  t.teardown(() => { delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'] })
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
  t.equal(await opened(relay.at, {}), false)
  while (!await opened(relay.at, { ca: identity.cert })) await sleep(50)
})
