/** What a fresh operator stumbled over, each as it was typed. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { contentOf } from '../../support/random.ts'
import { MAIN, type Setting, setUp } from './run-cli.ts'

/** Another `tally` that runs until the test ends, with its standard input left open. */
function running(t: Test, { daemon, directory }: Setting, args: readonly string[]) {
  const env = { PATH: process.env['PATH'], TALLY_SOCKET: daemon.socket, TALLY_SECRET_FILE: daemon.secretFile }
  const child = spawn(process.execPath, [MAIN, ...args], { cwd: directory, env, stdio: ['pipe', 'ignore', 'ignore'] })
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

t.test('a fid whose file is damaged is told so, as the file itself is, and not that nothing is stored', async t => {
  const { daemon, directory, run } = await setUp(t)
  writeFileSync(join(directory, 'film'), contentOf(1, 3_000_000))
  const [stored] = (await run(['put', 'film', '--json'])).json
  const blob = join(daemon.store, 'blobs', '000', '00000001')
  const bytes = readFileSync(blob)
  bytes[1_000_000] = (bytes[1_000_000] as number) ^ 1
  writeFileSync(blob, bytes)
  for (const id of [`${stored?.['fid']}`, `${stored?.['fid']}/0`, `${stored?.['fid']}`]) {
    const got = await run(['get', id, '-o', 'back', '--json'])
    t.equal(got.code, 1, id)
    t.match(got.json, [{ error: { code: 'content-damaged', reason: /put the same file again/ } }], id)
  }
  t.match((await run(['put', 'film', '--json'])).json, [{ sentBytes: 262_144 }])
  t.equal((await run(['get', `${stored?.['fid']}`, '-o', 'back'])).code, 0)
})

t.test('the status of a damaged file says that it is stored, what it lacks and what to do, without the scope admin', async t => {
  const { daemon, directory, run } = await setUp(t)
  writeFileSync(join(directory, 'film'), contentOf(1, 3_000_000))
  writeFileSync(join(directory, 'later'), 'x')
  const [stored] = (await run(['put', 'film', '--json'])).json
  await run(['put', 'later'])
  const fid = `${stored?.['fid']}`
  const blob = join(daemon.store, 'blobs', '000', '00000001')
  const bytes = readFileSync(blob)
  bytes[1_000_000] = (bytes[1_000_000] as number) ^ 1
  writeFileSync(blob, bytes)
  const status = (...more: readonly string[]) => run(['status', fid, ...more])
  t.match((await status('--json')).json, [{ state: 'stored', missing: [] }], 'nobody knows yet')
  await run(['get', fid, '-o', 'back'])
  let [told] = (await status('--json')).json
  // The content is read whole in the background.
  while (told?.['damaged'] === undefined) [told] = (await status('--json')).json
  t.match((await status()).stdout.toString(), /\/0\n {2}stored, but its content is damaged; put the same file again/)
  t.match(told, { state: 'stored', damaged: true })
  const client = await daemon.client()
  t.teardown(() => client.destroy())
  await client.authenticate(daemon.token({ sub: `${process.getuid?.()}` }), { fid })
  ;[told] = (await status('--json')).json
  t.match(told, {
    fid, file: 0, state: 'stored', damaged: true, name: 'film', size: 3_000_000, 'chunk-size': 262_144, chunks: 12, missing: [[3, 1]],
  })
  const text = (await status()).stdout.toString()
  t.match(text, /\/0 {2}film\n {2}stored, but its content is damaged: it lacks 1 chunk, bytes 786432–1048575 of 3000000; put the same file again/)
  t.match(text, /\n {2}(###\.########|███·████████)\n/)
  t.match((await run(['put', 'film', '--json'])).json, [{ sentBytes: 262_144 }])
  const [whole] = (await status('--json')).json
  t.strictSame([whole?.['state'], whole?.['damaged'], whole?.['missing']], ['stored', undefined, []])
})

t.test('doctor does not wait for a connection to become free, and says what to do', async t => {
  const setting = await setUp(t, ['--user-connections', '1'])
  running(t, setting, ['watch'])
  const daemonOf = async () => (await setting.run(['doctor', '--json'])).json.find(({ check }) => check === 'daemon')
  let found = await daemonOf()
  while (found?.['level'] === 'ok') found = await daemonOf()
  t.match(found, { level: 'fail', found: /may have 1 connection at once \(user-connections\)/, remedy: /raise the setting that is named/ })
})

t.test('doctor learns of the store as an operator, also while all connections are taken', async t => {
  const setting = await setUp(t, ['--connections', '1'])
  running(t, setting, ['watch'])
  const found = async () => (await setting.run(['doctor', '--json'])).json
  let findings = await found()
  while (findings.find(({ check }) => check === 'daemon')?.['level'] === 'ok') findings = await found()
  t.match(findings.find(({ check }) => check === 'daemon'), { level: 'fail', found: /serves 1 connection at once \(connections\)/ })
  t.match(findings.find(({ check }) => check === 'store'), { found: new RegExp(`^${setting.daemon.store}, .* free$`) })
})

t.test('doctor does not take the default store for that of a daemon which it cannot ask', async t => {
  const { daemon, directory, run } = await setUp(t)
  mkdirSync(join(directory, 'data', 'tally'), { recursive: true, mode: 0o700 })
  await daemon.kill()
  const store = (await run(['doctor', '--json'], { env: { XDG_DATA_HOME: join(directory, 'data') } })).json.find(({ check }) => check === 'store')
  t.match(store, { found: /\/data\/tally, .* \(the default place: no daemon has told us of its store\)$/ })
})

t.test('get into a file named - is refused, and what was meant is named', async t => {
  const { directory, run } = await setUp(t)
  writeFileSync(join(directory, 'note'), 'x')
  const [stored] = (await run(['put', 'note', '--json'])).json
  for (const args of [[`${stored?.['fid']}`], ['--name', 'note']]) {
    const got = await run(['get', ...args, '-o', '-'])
    t.equal(got.code, 2)
    t.match(got.stderr, '--stdout')
    t.notOk(existsSync(join(directory, '-')))
  }
  t.equal((await run(['get', `${stored?.['fid']}`, '-o', './-'])).code, 0)
  t.equal(readFileSync(join(directory, '-'), 'utf8'), 'x')
})

t.test('a configuration file that is not there is told as tallyd tells it', async t => {
  const { run } = await setUp(t)
  const { code, stderr } = await run(['ls'], { env: { TALLY_CONFIG: '/nonexistent/file' } })
  t.equal(code, 2)
  t.match(stderr, 'tally: TALLY_CONFIG: the configuration file /nonexistent/file cannot be read: there is no such file\n')
})

t.test('of a quota that is a byte too small the refusal says so', async t => {
  const { directory, run } = await setUp(t, ['--quota', '5K'])
  writeFileSync(join(directory, 'note'), Buffer.alloc(5121))
  const { stderr } = await run(['put', 'note'])
  t.match(stderr, 'the quota is 5.0 KiB, with 0 B in use: there is no room for 5.0 KiB more, which is 1 B too much')
  const piped = await run(['put', '-', '--name', 'film.mkv', '--chunk-size', '1K'], { input: Buffer.alloc(5121) })
  t.match(piped.stderr, /^tally: - {2}film\.mkv: the quota is 5\.0 KiB/m)
})

t.test('an expiry that is near is told to the second', async t => {
  const { directory, run } = await setUp(t)
  writeFileSync(join(directory, 'note'), 'x')
  t.match((await run(['put', 'note', '--expires', '50m'])).stdout.toString(), /\(expires \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\)\n/)
  t.match((await run(['put', 'note', '--expires', '3h'])).stdout.toString(), /expires \d{4}-\d\d-\d\d \d\d:\d\d\)\n/)
})

t.test('a stream that is under way has a map, of what came so far', async t => {
  const setting = await setUp(t)
  const sender = running(t, setting, ['put', '-', '--name', 'stream'])
  sender.stdin.write(contentOf(2, 700_000))
  let listed: Record<string, unknown>[] = []
  while (listed.length === 0 || listed[0]?.['received'] !== 524_288) listed = (await setting.run(['ls', '--state', 'receiving', '--json'])).json
  const shown = await setting.run(['status', `${listed[0]?.['fid']}`])
  t.match(shown.stdout.toString(), /\n {2}[█#]+\n/)
})

t.test('a time of nothing is no time for a file to expire', async t => {
  const { directory, run } = await setUp(t)
  writeFileSync(join(directory, 'note'), 'x')
  t.equal((await run(['put', 'note', '--expires', '0m'])).code, 2)
  t.equal((await run(['ls', '--json'])).json.length, 0)
})
