/**
 * tallyd under a service manager: systemd's own tools judge the units, pass the socket on, and receive the notification. How the units fare
 * under a systemd that runs, services.test.ts tells.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { startDaemon, TestDaemon } from '../support/daemon.ts'
import { RawClient } from '../support/raw-client.ts'
import { lacks } from './needs.ts'

const UNITS = join(import.meta.dirname, '../../daemon/systemd')
const MAIN = join(import.meta.dirname, '../../daemon/main.ts')
/** Tenths: systemd's scale goes from 0 (safe) to 10. */
const EXPOSURE_MAX = '20'

/** Prints each datagram that comes to the socket, a line each. */
const DATAGRAMS = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
while True: print(s.recv(4096).decode().replace('\\n', ' '), flush=True)
`

const obstacle = spawnSync('systemd-analyze', ['--version']).status === 0 && process.getuid?.() === 0 ? undefined : 'needs root and Debian\'s systemd'

function temporary(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'tally-units-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** What a child has printed so far, and a wait for more. */
function heard(t: Test, child: ChildProcess): (pattern: RegExp) => Promise<string> {
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (part: string) => { text += part })
  t.teardown(() => void child.kill('SIGKILL'))
  return async pattern => {
    while (!pattern.test(text)) {
      if (child.exitCode !== null) throw new Error(`it ended: ${text}`)
      await sleep(10)
    }
    return text
  }
}

t.test('the units are right', async t => {
  if (lacks(t, obstacle)) return
  const runtime = temporary(t)
  for (const [scope, units] of [['--system', ['tallyd.service', 'tallyd.socket']], ['--user', ['user/tallyd.service', 'user/tallyd.socket']]] as const) {
    const { status, stderr } = spawnSync('systemd-analyze', [scope, 'verify', ...units.map(unit => join(UNITS, unit))], {
      encoding: 'utf8', env: { ...process.env, XDG_RUNTIME_DIR: runtime },
    })
    t.strictSame([status, stderr], [0, ''], scope)
  }
})

for (const [scope, unit] of [['--system', 'tallyd.service'], ['--user', 'user/tallyd.service']] as const) {
  t.test(`the service is exposed little: ${unit}`, async t => {
    if (lacks(t, obstacle)) return
    const args = [scope, 'security', '--offline=true', `--threshold=${EXPOSURE_MAX}`, join(UNITS, unit)]
    const { status, stdout, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8', env: { ...process.env, XDG_RUNTIME_DIR: temporary(t) } })
    t.equal(status, 0, `${stdout.trim().split('\n').at(-1) ?? ''} ${stderr}`)
  })
}

t.test('a socket that was passed on is served, and stays when the daemon ends', async t => {
  if (lacks(t, obstacle)) return
  const directory = temporary(t)
  const socket = join(directory, 'activated.sock')
  const daemon = new TestDaemon()
  t.teardown(() => daemon.dispose())
  const home = join(directory, 'home')
  mkdirSync(home)
  const child = spawn('systemd-socket-activate', [
    '-l', socket, '-E', `HOME=${home}`, process.execPath, MAIN, '--store', daemon.store, '--secret-file', daemon.secretFile,
  ], { stdio: ['ignore', 'pipe', 'pipe'] })
  const said = heard(t, child)
  await said(/Listening on/)
  const client = await RawClient.connect(socket)
  t.equal((await client.authenticate(daemon.token())).response, 'Ok')
  t.match(await said(/tallyd is ready/), /sockets=fd:3/)
  t.notOk(existsSync(join(home, '.local/state/tally')), 'the default socket was not made beside it')
  child.kill('SIGTERM')
  await client.ended
  t.ok(existsSync(socket))
})

t.test('says when it is ready, and when it stops', async t => {
  if (lacks(t, obstacle)) return
  const directory = temporary(t)
  const address = join(directory, 'notify')
  const receiver = spawn('python3', ['-c', DATAGRAMS, address], { stdio: ['ignore', 'pipe', 'pipe'] })
  const told = heard(t, receiver)
  await told(/bound/)
  const daemon = await startDaemon(t, { env: { NOTIFY_SOCKET: address } })
  await told(/READY=1/)
  t.match(await told(/MAINPID/), `MAINPID=${daemon.pid}`)
  process.kill(daemon.pid ?? 0, 'SIGTERM')
  await told(/STOPPING=1/)
  await daemon.exited
  t.equal(daemon.exitCode, 0)
})

t.test('a group may connect where it was named, and nobody else', async t => {
  if (lacks(t, obstacle)) return
  const daemon = new TestDaemon({ args: ['--socket-group', 'nogroup'] })
  t.teardown(() => daemon.dispose())
  const nested = join(daemon.directory, 'made', 'tally.sock')
  Object.assign(daemon, { socket: nested })
  await daemon.start()
  // Root may connect before the group may: the socket gets its group and mode after it is there.
  while (!daemon.stderr.includes('tallyd is ready')) await new Promise(resolve => setTimeout(resolve, 5))
  const { gid } = statSync(nested)
  t.strictSame([statSync(nested).mode & 0o777, gid === 0], [0o660, false])
  const folder = statSync(join(daemon.directory, 'made'))
  t.strictSame([folder.mode & 0o777, folder.gid], [0o750, gid])
  await daemon.kill('SIGTERM')
  Object.assign(daemon.options, { args: ['--socket-mode', '0606'] })
  await daemon.start()
  while (statSync(nested).mode !== 0o140606) await new Promise(resolve => setTimeout(resolve, 5))
  t.pass('the mode is the one that was said')
})

t.test('an unknown group is named', async t => {
  if (lacks(t, obstacle)) return
  const daemon = new TestDaemon({ args: ['--socket-group', 'no-such-group'] })
  t.teardown(() => daemon.dispose())
  await t.rejects(daemon.start())
  t.match(daemon.stderr, 'no-such-group')
  t.equal(daemon.exitCode, 2)
})
