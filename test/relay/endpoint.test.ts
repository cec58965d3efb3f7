/** Endpoints as they are written, and which of them need a word of leave. */
import t from 'tap'
import { endpointText, leavesMachine, parseEndpoint } from '../../client/relay/endpoint.ts'

for (const [text, endpoint, leaves] of [
  ['/run/tally/tally.sock', { kind: 'unix', path: '/run/tally/tally.sock' }, false],
  ['here.sock', { kind: 'unix', path: 'here.sock' }, false],
  ['./at:1', { kind: 'unix', path: './at:1' }, false],
  ['../at:1', { kind: 'unix', path: '../at:1' }, false],
  ['/at:1/x://', { kind: 'unix', path: '/at:1/x://' }, false],
  ['box/at:1', { kind: 'unix', path: 'box/at:1' }, false],
  ['tcp://127.0.0.1:7227', { kind: 'tcp', host: '127.0.0.1', port: 7227 }, false],
  ['tcp://localhost:0', { kind: 'tcp', host: 'localhost', port: 0 }, false],
  ['tcp://[::1]:1', { kind: 'tcp', host: '::1', port: 1 }, false],
  ['tcp://127.example:1', { kind: 'tcp', host: '127.example', port: 1 }, true],
  ['tcp://0.0.0.0:7227', { kind: 'tcp', host: '0.0.0.0', port: 7227 }, true],
  ['tcp://[2001:db8::1]:65535', { kind: 'tcp', host: '2001:db8::1', port: 65_535 }, true],
  ['tls://store.example:7227', { kind: 'tls', host: 'store.example', port: 7227 }, false],
] as const) {
  t.test(`${text} is an endpoint`, async t => {
    const parsed = parseEndpoint(text)
    t.strictSame(parsed, endpoint)
    t.equal(endpointText(endpoint), text)
    t.equal(leavesMachine(endpoint), leaves)
  })
}

for (const text of [
  '', '127.0.0.1:80', 'host:80', ':80', '[::1]:80', 'foo:/x', 'tcp:host:80', '.a:80', 'tcp://', 'tcp://host', 'tcp://host:', 'tcp://host:65536', 'tcp://::1:80',
  'tls://a b:1', 'http://host:80', 'tcp://user@host:1',
]) {
  t.test(`${JSON.stringify(text)} is none`, async t => {
    t.equal(parseEndpoint(text), undefined)
  })
}
