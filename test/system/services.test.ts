/**
 * The units as they are, under managers that run: the machine's service and a user's own start, take files, reload, stop, and see and may
 * do no more than the sandbox leaves them. What docs/operating.md tells an operator to type is what is typed here.
 */
import { spawnSync } from 'node:child_process'
import t, { type Test } from 'tap'
import { Machine, type Ran } from './machine.ts'
import { lacks } from './needs.ts'

const UNITS = '/opt/tally/daemon/systemd'
const SECRET = 'a-secret-of-at-least-32-bytes-for-hs256'
const NOTE_DIGEST = 'sha256:98ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4'

const hasSystemd = spawnSync('systemctl', ['--version']).status === 0 && process.getuid?.() === 0
const obstacle = hasSystemd ? undefined : 'needs root and Debian\'s systemd'

/** Undefined where a machine cannot be booted here, such as in a container that may not mount. */
async function booted(t: Test): Promise<Machine | undefined> {
  if (lacks(t, obstacle)) return undefined
  const machine = new Machine()
  t.teardown(() => machine.dispose())
  try {
    await machine.boot()
    return machine
  } catch (error) {
    t.comment(`SKIPPED: ${(error as Error).message}`)
    return undefined
  }
}

/** Fails with what was said unless the exit code is 0; answers what was printed. */
function done(t: Test, { status, stdout, stderr }: Ran, what: string): string {
  t.equal(status, 0, `${what}${status === 0 ? '' : `: ${stdout}${stderr}`}`)
  return stdout
}

/** The sandbox as the kernel has it, of the process with this id inside. */
function checkSandbox(t: Test, machine: Machine, pid: string, store: string): void {
  const status = machine.proc(pid, 'status')
  for (const set of ['CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) t.match(status, new RegExp(`^${set}:\\s+0+$`, 'm'), `no capability in ${set}`)
  t.match(status, /^NoNewPrivs:\s+1$/m)
  t.match(status, /^Seccomp:\s+2$/m)
  for (const kind of ['mnt', 'net', 'ipc', 'uts', 'user']) {
    const [ofMachine, ofService] = ['1', pid].map(process => machine.run('readlink', `/proc/${process}/ns/${kind}`).stdout)
    t.not(ofService, ofMachine, `a ${kind} namespace of its own`)
  }
  const mounts = machine.proc(pid, 'mountinfo').split('\n').map(line => line.split(' '))
  // What was mounted last at a place is what is there.
  const isWritable = (path: string): boolean | undefined => mounts.findLast(fields => fields[4] === path)?.[5]?.split(',').includes('rw')
  t.strictSame([isWritable('/'), isWritable(store), isWritable('/sys/fs/cgroup')], [false, true, false])
  t.not(isWritable('/proc/sys'), true, 'read only, or not there at all')
  const devices = done(t, machine.sh(`ls /proc/${pid}/root/dev`), 'devices').split('\n')
  t.notOk(devices.includes('console') || devices.includes('kmsg'), 'nothing but pseudo devices')
}

t.test('the machine\'s service takes files of who is in its group, and nobody else\'s; fsck is its user\'s', async t => {
  const machine = await booted(t)
  if (machine === undefined) return
  const sh = (script: string, what = script): string => done(t, machine.sh(script), what)
  sh('useradd --system tally && useradd --create-home --groups tally ada && useradd --create-home bob')
  sh(`mkdir /etc/tally && echo '${SECRET}' > /etc/tally/secret`, 'a secret')
  sh('chown root:tally /etc/tally/secret && chmod 640 /etc/tally/secret')
  sh('printf \'secret-file = "/etc/tally/secret"\\nmetrics = "unix:/run/tallyd/metrics.sock"\\n\' > /etc/tally/config.toml')
  sh(`cp ${UNITS}/tallyd.service ${UNITS}/tallyd.socket /run/units/ && systemctl daemon-reload && systemctl enable --now tallyd.socket`)
  const set = ['TALLY_SOCKET=/run/tally/tally.sock', 'TALLY_SECRET_FILE=/etc/tally/secret']
  const as = (user: string, line: string): Ran => machine.as(user, line, set)
  t.match(done(t, as('ada', 'echo hi > note && tally put note --tag a'), 'put'), NOTE_DIGEST, 'the first client starts the daemon')
  t.equal(as('bob', 'tally ls').status, 4)
  sh('systemctl reload tallyd && systemctl restart tallyd')
  t.match(done(t, as('ada', 'tally ls'), 'ls'), 'note', 'it is there after a restart')
  checkSandbox(t, machine, sh('systemctl show --property MainPID --value tallyd').trim(), '/var/lib/tally')
  t.match(sh('printf "GET /readyz HTTP/1.0\\r\\n\\r\\n" | socat -t 5 - UNIX-CONNECT:/run/tallyd/metrics.sock'), ' 200 ')
  sh('systemctl stop tallyd.socket tallyd.service')
  const refused = machine.sh('tallyd fsck --store /var/lib/tally')
  t.equal(refused.status, 2)
  const [, told = ''] = /^tallyd: as tally: (.*)$/m.exec(refused.stderr) ?? []
  t.equal(told, 'runuser -u tally -- tallyd fsck --store /var/lib/tally')
  t.match(sh(told), 'checked 1 file with 1 content')
  sh('systemctl start tallyd.socket')
  t.match(done(t, as('ada', 'tally ls'), 'ls'), 'note')
})

t.test('a user\'s own service has the same sandbox, in the hands of the user\'s manager', async t => {
  const machine = await booted(t)
  if (machine === undefined) return
  done(t, machine.sh('useradd --create-home --uid 4242 ada && install -d -o ada -g ada -m 700 /run/user/4242'), 'a user')
  // As Debian's user@.service, without a log-in.
  machine.write('/run/units/user.service', `[Unit]
DefaultDependencies=no
[Service]
Type=notify
User=ada
Environment=XDG_RUNTIME_DIR=/run/user/4242
ExecStart=/lib/systemd/systemd --user
Delegate=yes
KillMode=mixed
`)
  done(t, machine.sh('systemctl daemon-reload && systemctl start user'), 'the user\'s manager')
  const as = (line: string): Ran => machine.as('ada', line, ['XDG_RUNTIME_DIR=/run/user/4242'])
  const ada = (line: string): string => done(t, as(line), line)
  ada(`mkdir -p .config/systemd/user && cp ${UNITS}/user/* .config/systemd/user/ && systemctl --user daemon-reload`)
  ada('systemctl --user enable --now tallyd.socket && systemctl --user start tallyd')
  t.match(ada('echo hi > note && tally put note --tag a'), NOTE_DIGEST)
  ada('echo \'metrics = "unix:/run/user/4242/tally/metrics.sock"\' > .config/tally/config.toml')
  ada('systemctl --user reload tallyd && systemctl --user restart tallyd')
  t.match(ada('tally ls'), 'note', 'it is there after a restart')
  t.match(ada('printf "GET /readyz HTTP/1.0\\r\\n\\r\\n" | socat -t 5 - UNIX-CONNECT:/run/user/4242/tally/metrics.sock'), ' 200 ')
  const pid = ada('systemctl --user show --property MainPID --value tallyd').trim()
  checkSandbox(t, machine, pid, '/home/ada/.local/share/tally')
  const touched = machine.run('nsenter', '--target', pid, '--mount', 'touch', '/home/ada/other')
  t.match(touched.stderr, 'Read-only file system', 'other files of the user can be read only')
  ada(`kill -9 ${pid}; while [ "$(systemctl --user show --property MainPID --value tallyd)" = ${pid} ]; do :; done`)
  t.match(ada('tally ls'), 'note', 'a daemon that was killed is started again')
  ada('systemctl --user stop tallyd.service')
  t.match(ada('tally ls'), 'note', 'the socket starts it again')
  t.match(ada('systemctl --user stop tallyd.socket tallyd.service && tallyd fsck'), 'checked 1 file with 1 content')
  // A store elsewhere, with the drop-in that the page tells.
  ada('mkdir big && mkdir -p .config/systemd/user/tallyd.service.d && echo \'store = "/home/ada/big/tally"\' > .config/tally/config.toml')
  t.not(as('systemctl --user start tallyd').status, 0, 'the sandbox is closed')
  ada('printf "[Service]\\nReadWritePaths=/home/ada/big\\n" > .config/systemd/user/tallyd.service.d/store.conf')
  ada('systemctl --user daemon-reload && systemctl --user reset-failed && systemctl --user start tallyd')
  ada('tally put note && test -d big/tally/blobs')
})
