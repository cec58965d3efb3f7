/** `tally relay` as a process beside a real daemon: over Unix sockets, TCP and TLS, for our client and for others, and what it refuses. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { chooseSeed, contentOf } from '../../support/random.ts'
import { TYPE } from '../../support/wire.ts'
import { MAIN, type Setting, setUp } from './run-cli.ts'

const EXAMPLES = join(import.meta.dirname, '../../../docs/examples')
const hasOpenssl = spawnSync('openssl', ['version']).status === 0
const hasPython = spawnSync('python3', ['--version']).status === 0

interface RunningRelay {
  readonly child: ChildProcess
  /** As it says itself. */
  readonly at: string
  said(): string
  ended: Promise<number | null>
}

/** Resolves when it listens. */
async function startRelay(t: Test, { daemon }: Setting, args: readonly string[]): Promise<RunningRelay> {
  const child = spawn(process.execPath, [MAIN, 'relay', '--json', '--socket', daemon.socket, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  const ended = new Promise<number | null>(resolve => child.once('close', resolve))
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => { said += text })
  const at = await new Promise<string>((resolve, reject) => {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      said += text
      const [line] = said.split('\n').filter(each => each.includes('"listening"'))
      if (line !== undefined) resolve((JSON.parse(line) as { at: string }).at)
    })
    void ended.then(() => reject(new Error(said)))
  })
  return { child, at, said: () => said, ended }
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** A put and a get through a socket give the same bytes. */
async function carries(t: Test, { directory, run }: Setting, socket: string): Promise<void> {
  const bytes = contentOf(chooseSeed(), 1_500_001)
  writeFileSync(join(directory, 'file'), bytes)
  const put = await run(['put', 'file', '--json', '--socket', socket])
  t.match(put, { code: 0, json: [{ digest: digestOf(bytes) }] }, put.stderr)
  const got = await run(['get', digestOf(bytes), '--stdout', '--socket', socket])
  t.equal(got.code, 0, got.stderr)
  t.ok(got.stdout.equals(bytes))
}

t.test('from a Unix socket over TCP on this machine to the daemon: relays chain, and end in order', async t => {
  const setting = await setUp(t)
  const socket = join(setting.directory, 'box', 'tally.sock')
  const inner = await startRelay(t, setting, ['--listen', 'tcp://127.0.0.1:0'])
  const outer = await startRelay(t, setting, ['--listen', socket, '--to', inner.at])
  t.equal(statSync(socket).mode & 0o777, 0o600)
  t.equal(statSync(join(setting.directory, 'box')).mode & 0o777, 0o700)
  await carries(t, setting, socket)
  for (const { child, ended } of [outer, inner]) {
    child.kill('SIGTERM')
    t.equal(await ended, 0)
  }
  t.equal(existsSync(socket), false)
})

t.test('over TLS, with certificates on both sides; whoever has none, or the wrong one, is kept out', { skip: !hasOpenssl && 'no openssl' }, async t => {
  const setting = await setUp(t)
  const { directory } = setting
  const openssl = (...args: string[]): void => {
    const { status, stderr } = spawnSync('openssl', args, { cwd: directory, encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
  }
  const days = ['-days', '2', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  for (const authority of ['ca', 'other']) {
    openssl('req', '-x509', ...days, '-keyout', `${authority}.key`, '-out', `${authority}.pem`, '-subj', `/CN=${authority}`)
  }
  for (const [name, authority] of [['server', 'ca'], ['client', 'ca'], ['stranger', 'other']] as const) {
    const names = ['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
    openssl('req', '-x509', '-CA', `${authority}.pem`, '-CAkey', `${authority}.key`, ...days, ...names, '-addext', 'basicConstraints=critical,CA:FALSE',
      '-keyout', `${name}.key`, '-out', `${name}.pem`, '-subj', `/CN=${name}`)
  }
  const file = (name: string): string => join(directory, name)
  const as = (name: string): string[] => ['--cert', file(`${name}.pem`), '--key', file(`${name}.key`)]
  const inner = await startRelay(t, setting, ['--listen', 'tls://localhost:0', ...as('server'), '--client-ca', file('ca.pem')])
  const good = join(directory, 'good', 'tally.sock')
  await startRelay(t, setting, ['--listen', good, '--to', inner.at, '--ca', file('ca.pem'), ...as('client')])
  await carries(t, setting, good)
  for (const [name, args] of [
    ['no-certificate', ['--ca', file('ca.pem')]],
    ['wrong-certificate', ['--ca', file('ca.pem'), ...as('stranger')]],
    ['unverified', [...as('client')]],
    ['other-authority', ['--ca', file('other.pem'), ...as('client')]],
  ] as const) {
    const socket = join(directory, name, 'tally.sock')
    const { said } = await startRelay(t, setting, ['--listen', socket, '--to', inner.at, ...args])
    const child = spawn(process.execPath, [MAIN, 'ls', '--socket', socket, '--secret-file', setting.daemon.secretFile])
    const closed = new Promise(resolve => child.once('close', resolve))
    while (!said().includes('"broken"')) await new Promise(resolve => setTimeout(resolve, 10))
    t.notMatch(said(), '"restored"', name)
    child.kill('SIGKILL')
    await closed
  }
})

t.test('the scripts of the guide send files through it', { skip: !hasPython && 'no python3' }, async t => {
  const setting = await setUp(t)
  const { daemon, directory } = setting
  const { at } = await startRelay(t, setting, ['--listen', join(directory, 'box', 'tally.sock')])
  writeFileSync(join(directory, 'token'), daemon.token())
  const programs = [['python3', 'send.py'], [process.execPath, 'send-node-ipc.mjs']] as const
  for (const [index, [program, script]] of programs.entries()) {
    const bytes = contentOf(chooseSeed(), 50_000 + index)
    const path = join(directory, script)
    writeFileSync(path, bytes)
    const child = spawn(program, [join(EXAMPLES, script), at, join(directory, 'token'), path], { stdio: ['ignore', 'ignore', 'pipe'] })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text })
    t.equal(await new Promise(resolve => child.once('close', resolve)), 0, stderr)
    const client = await daemon.client()
    await client.authenticate(daemon.token())
    const { files } = await client.request(TYPE.find, { name: `*${script}` })
    t.match(files, [{ digest: digestOf(bytes) }])
    client.destroy()
  }
})

t.test('what would not be safe, or would do nothing, is refused by name', async t => {
  const { run, directory, daemon } = await setUp(t)
  for (const [args, reason] of [
    [[], 'needs --listen'],
    [['--listen', 'http://a:1'], '--listen is a path'],
    [['--listen', '127.0.0.1:80'], 'a path with a colon begins with / or ./'],
    [['--listen', 'x.sock', '--to', 'tcp://example.com:1'], '--insecure'],
    [['--listen', 'tcp://0.0.0.0:0'], '--insecure'],
    [['--listen', 'tls://127.0.0.1:0'], '--cert and --key'],
    [['--listen', 'x.sock', '--ca', 'ca.pem'], '--ca is for'],
    [['--listen', 'x.sock', '--client-ca', 'ca.pem'], '--client-ca is for'],
    [['--listen', 'x.sock', '--to', 'tls://a:1', '--cert', 'a.pem'], 'go together'],
    [['--listen', 'x.sock', '--max-connections', '0'], '--max-connections'],
    [['--listen', 'x.sock', 'y.sock'], 'takes no arguments'],
    [['--listen', 'x.sock', '--to', './x.sock'], 'are the same'],
    [['--listen', 'tcp://127.0.0.1:7', '--to', 'tcp://127.0.0.1:7'], 'are the same'],
  ] as const) {
    const outcome = await run(['relay', ...args])
    t.match(outcome, { code: 2, stderr: reason }, args.join(' '))
  }
  const open = join(directory, 'open')
  mkdirSync(open)
  chmodSync(open, 0o777)
  writeFileSync(join(directory, 'file'), '')
  for (const [path, reason] of [
    [daemon.socket, 'another process listens there already'],
    [join(directory, 'file'), 'something else'],
    [join(open, 'tally.sock'), 'writable for everybody'],
    [join(directory, 'x'.repeat(108)), '107'],
  ] as const) {
    t.match(await run(['relay', '--listen', path, '--to', join(directory, 'far.sock')]), { code: 1, stderr: reason }, path)
  }
})

t.test('a socket that a dead relay left is taken over', async t => {
  const setting = await setUp(t)
  const socket = join(setting.directory, 'tally.sock')
  const first = await startRelay(t, setting, ['--listen', socket])
  first.child.kill('SIGKILL')
  await first.ended
  t.equal(existsSync(socket), true)
  await startRelay(t, setting, ['--listen', socket])
  await carries(t, setting, socket)
})

t.test('a far socket that somebody else could have put there is not told a token', async t => {
  const setting = await setUp(t)
  const open = join(setting.directory, 'open')
  mkdirSync(open)
  const far = join(open, 'far.sock')
  const server = createServer(() => t.fail('it was connected to'))
  await new Promise<void>(resolve => server.listen(far, resolve))
  t.teardown(() => { server.close() })
  chmodSync(open, 0o777)
  const { said, at } = await startRelay(t, setting, ['--listen', join(setting.directory, 'near.sock'), '--to', far])
  const child = spawn(process.execPath, [MAIN, 'ls', '--socket', at, '--secret-file', setting.daemon.secretFile])
  const closed = new Promise(resolve => child.once('close', resolve))
  while (!said().includes('writable by everybody')) await new Promise(resolve => setTimeout(resolve, 10))
  child.kill('SIGKILL')
  await closed
})
