/** No token goes to a socket that somebody else may have put there. */
import { chmodSync, chownSync } from 'node:fs'
import t from 'tap'
import { connect } from '../../client/index.ts'
import { checkSocket } from '../../client/socket-trust.ts'
import { fakeDaemon } from './fake-daemon.ts'

t.test('a socket of our own in a directory of our own is trusted', async t => {
  const daemon = await fakeDaemon(t)
  await checkSocket(daemon.socket)
})

t.test('a directory that everybody may write to is not, and nothing is sent', async t => {
  const daemon = await fakeDaemon(t)
  chmodSync(daemon.directory, 0o1777)
  await t.rejects(connect({ socket: daemon.socket, token: 'a.b.c' }), { code: 'untrusted-socket' })
  t.equal(daemon.connections, 0)
})

t.test('a socket that everybody may write to is not', async t => {
  const daemon = await fakeDaemon(t)
  chmodSync(daemon.socket, 0o777)
  await t.rejects(checkSocket(daemon.socket), { code: 'untrusted-socket' })
})

t.test('another user\'s socket is not, unless that user is trusted; the error names the setting', { skip: process.getuid?.() !== 0 && 'needs root' }, async t => {
  const daemon = await fakeDaemon(t)
  chownSync(daemon.socket, 990, 0)
  await t.rejects(checkSocket(daemon.socket), { code: 'untrusted-socket', message: /the user 990, .*trusted-uids/ })
  await checkSocket(daemon.socket, [990])
})

t.test('what is no socket is not', async t => {
  await t.rejects(checkSocket(import.meta.filename), { code: 'untrusted-socket' })
})

t.test('where nobody listens, connecting fails at once', async t => {
  const daemon = await fakeDaemon(t)
  await daemon.stop()
  await t.rejects(connect({ socket: daemon.socket, token: 'a.b.c' }), { code: 'connect-failed' })
})
