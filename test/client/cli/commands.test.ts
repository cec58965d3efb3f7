/** The program `tally` as a process against a real daemon: what it prints, and what its exit codes say. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { connect } from '../../../client/index.ts'
import { contentOf } from '../../support/random.ts'
import { MAIN, setUp } from './run-cli.ts'

t.test('puts, lists, fetches and removes', async t => {
  const { directory, run } = await setUp(t)
  const bytes = contentOf(1, 300_000)
  writeFileSync(join(directory, 'a.bin'), bytes)
  const put = await run(['put', 'a.bin', '--tag', 'x', '--json'])
  t.equal(put.code, 0, put.stderr)
  t.equal(put.stderr, '', 'nothing but results where no terminal is')
  const { fid, digest } = put.json[0] as { fid: string; digest: string }
  const ls = await run(['ls', '--tag', 'x', '--json'])
  t.match(ls.json, [{ fid, file: 0, name: 'a.bin', digest, size: 300_000, tags: ['x'] }])
  t.equal((await run(['ls', '--tag', 'y'])).stdout.length, 0)
  t.equal((await run(['get', `${fid}/0`, '-o', 'b.bin'])).code, 0)
  t.ok(readFileSync(join(directory, 'b.bin')).equals(bytes))
  t.ok((await run(['get', digest, '--stdout'])).stdout.equals(bytes))
  t.equal((await run(['get', fid, '-o', 'b.bin'])).code, 0, 'the very file is there already')
  t.equal((await run(['rm', fid])).code, 0)
  t.equal((await run(['rm', fid])).code, 3)
  t.equal((await run(['get', fid])).code, 3)
  t.equal((await run(['get', digest])).code, 3)
  t.equal((await run(['get', '--tag', 'x'])).code, 3)
  t.same(readdirSync(directory).sort(), ['a.bin', 'b.bin'], 'no partial files stay')
})

t.test('adds and removes tags, of a file, of a transfer, of every file with a content', async t => {
  const { directory, run } = await setUp(t)
  for (const name of ['a', 'b']) writeFileSync(join(directory, name), 'the same')
  const put = await run(['put', 'a', 'b', '--tag', 'x', '--tag', 'odd\u202e', '--json'])
  // They end in any order.
  const [a, b] = put.json.sort((a, b) => `${a['name']}`.localeCompare(`${b['name']}`)) as [{ fid: string; digest: string }, { fid: string }]
  const one = await run(['tag', `${a.fid}/0`, '--add', 'y', '-a', 'z', '--remove', 'x', '-r', 'absent', '--json'])
  t.equal(one.code, 0, one.stderr)
  t.strictSame(one.json, [{ id: `${a.fid}/0`, tags: ['odd\u202e', 'y', 'z'] }])
  t.match((await run(['ls', '--tag', 'y', '--json'])).json, [{ fid: a.fid, name: 'a' }])
  t.match((await run(['ls', '--tag', 'x', '--json'])).json, [{ fid: b.fid, name: 'b' }])
  const text = await run(['tag', b.fid, a.digest, '--add', 'z'])
  t.equal(text.stdout.toString(), `${b.fid}  #x  #odd\\u{202e}  #z\n${a.digest}  #odd\\u{202e}  #z\n`, 'for several files, what all of them have')
  t.equal((await run(['rm', b.fid])).code, 0)
  const mixed = await run(['tag', b.fid, a.fid, '--remove', 'z', '--json'])
  t.equal(mixed.code, 3, 'one is not there')
  t.match(mixed.json, [{ id: b.fid, error: { code: 'not-found' } }, { id: a.fid, tags: ['odd\u202e', 'y'] }])
  t.equal((await run(['tag', `sha256:${'0'.repeat(64)}`, '--add', 'z'])).code, 3)
  t.match((await run(['tag', a.fid, '--add', 'a\nb', '--json'])).json, [{ error: { code: 'tag-invalid' } }])
  t.equal((await run(['tag', a.fid, '--add', 'a\nb'])).code, 1)
  for (const wrong of [['--add', 'z'], [a.fid], [a.fid, '--add'], [a.fid, '--add', 'z', '--remove', 'z'], [a.fid, '--tag', 'z']])
    t.equal((await run(['tag', ...wrong])).code, 2, wrong.join(' '))
  writeFileSync(join(directory, 'token'), (await run(['token', '--user', 'ada', '--scope', 'find'])).stdout)
  t.equal((await run(['tag', a.fid, '--add', 'z', '--token-file', 'token'])).code, 4)
})

t.test('what has a tag is a set: it goes into a directory, also when there is one of it', async t => {
  const { directory, run } = await setUp(t)
  writeFileSync(join(directory, 'a'), 'content')
  await run(['put', 'a', '--tag', 'x', '--json'])
  const got = await run(['get', '--tag', 'x', '-o', 'photos'])
  t.equal(got.code, 0, got.stderr)
  t.equal(readFileSync(join(directory, 'photos', 'a'), 'utf8'), 'content')
})

t.test('stores standard input, whose size is not known before', async t => {
  const { run } = await setUp(t)
  const bytes = contentOf(2, 1_234_567)
  const put = await run(['put', '-', '--name', 'in', '--chunk-size', '1000', '--json'], { input: bytes })
  t.equal(put.code, 0, put.stderr)
  t.match(put.json, [{ name: 'in', size: 1_234_567 }])
  t.ok((await run(['get', `${put.json[0]?.['fid']}`, '--stdout'])).stdout.equals(bytes))
})

t.test('exit codes: usage, not there, denied, no daemon', async t => {
  const { daemon, directory, run } = await setUp(t)
  const unknown = await run(['pit'])
  t.equal(unknown.code, 2)
  t.match(unknown.stderr, 'did you mean put? (tally --help lists all)')
  const flag = await run(['put', '--tga', 'x', 'f'])
  t.strictSame([flag.code, flag.stderr], [2, 'tally: unknown flag "--tga"; did you mean --tag? (tally put --help lists the flags)\n'])
  t.equal((await run(['put'])).code, 2)
  for (const args of [['not-an-id'], ['--tag', 'x', '-o', ''], ['--tag', ''], ['--tag', 'x', '--stdout', '--json']]) {
    t.equal((await run(['get', ...args])).code, 2, args.join(' '))
  }
  t.match((await run(['ls', '--state', 'sotred'])).stderr, 'did you mean stored?')
  for (const state of ['x', 'removed']) t.equal((await run(['ls', '--state', state])).code, 2, 'what was removed is listed nowhere')
  t.match((await run(['ls', 'x', '--json'])).json, [{ error: { code: 'usage' } }])
  t.equal((await run(['put', 'absent'])).code, 1)
  t.equal((await run(['get', '0b6f7a3e-0000-4000-8000-000000000000/0'])).code, 3)
  writeFileSync(join(directory, 'other-secret'), 'x'.repeat(40))
  t.equal((await run(['ls', '--secret-file', 'other-secret'])).code, 4)
  t.equal((await run(['ls', '--secret-file', 'absent'])).code, 4)
  await daemon.kill()
  const down = await run(['ls', '--json'])
  t.equal(down.code, 1)
  t.match(down.json, [{ error: { code: 'connect-failed' } }])
})

t.test('help and version need no daemon, and examples come first', async t => {
  const { run } = await setUp(t)
  const help = await run(['--help'])
  t.equal(help.code, 0)
  t.ok(help.stdout.indexOf('tally put *.jpg') < help.stdout.indexOf('Commands'))
  for (const command of ['put', 'get', 'ls', 'tag', 'rm', 'status', 'watch', 'token', 'doctor', 'demo']) t.equal((await run([command, '--help'])).code, 0)
  t.match((await run(['--version'])).stdout.toString(), /^tally \d/)
})

t.test('a variable that means nothing is refused before anything is done; those of the daemon are not', async t => {
  const { run } = await setUp(t)
  const { code, stderr } = await run(['ls'], { env: { TALLY_TOEKN: 'x' } })
  t.strictSame([code, stderr], [2, 'tally: unknown variable TALLY_TOEKN; did you mean TALLY_TOKEN?\n'])
  t.equal((await run(['ls'], { env: { TALLY_STORE: '/nowhere', TALLY_LOG_LEVEL: 'loud' } })).code, 0)
  t.equal((await run(['--help'], { env: { TALLY_TOEKN: 'x' } })).code, 0)
})

t.test('a minted token is accepted, and its scope holds', async t => {
  const { directory, run } = await setUp(t)
  writeFileSync(join(directory, 'f'), 'x')
  const token = await run(['token', '--user', 'ada', '--ttl', '1h', '--scope', 'find'])
  writeFileSync(join(directory, 'token'), token.stdout)
  t.equal((await run(['ls', '--token-file', 'token'])).code, 0)
  t.equal((await run(['put', 'f', '--token-file', 'token'])).code, 4)
  t.equal((await run(['token', '--user', 'ada', '--scope', 'fnid'])).code, 2)
  t.equal((await run(['token'])).code, 2)
})

t.test('a reader that goes away is no failure', async t => {
  const { daemon, directory, run } = await setUp(t)
  writeFileSync(join(directory, 'f'), contentOf(6, 5_000_000))
  const fid = `${(await run(['put', 'f', '--json'])).json[0]?.['fid']}`
  const child = spawn(process.execPath, [MAIN, 'get', fid, '--stdout', '--socket', daemon.socket, '--secret-file', daemon.secretFile], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  child.stdout.once('data', () => child.stdout.destroy())
  const code = await new Promise(resolve => child.once('close', resolve))
  t.equal(code, 0)
  t.equal(stderr, '')
})

t.test('what changes something goes on to its end when its reader goes away, and has its own exit code', async t => {
  const { daemon, directory, run } = await setUp(t)
  const env = { PATH: process.env['PATH'], TALLY_SOCKET: daemon.socket, TALLY_SECRET_FILE: daemon.secretFile }
  const unread = async (args: readonly string[]): Promise<number | null> => {
    const child = spawn(process.execPath, [MAIN, ...args], { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.destroy()
    child.stderr.destroy()
    return new Promise(resolve => child.once('close', resolve))
  }
  const names = Array.from({ length: 12 }, (_, index) => `f${index}`)
  for (const [index, name] of names.entries()) writeFileSync(join(directory, name), contentOf(index, 100_000))
  t.equal(await unread(['put', ...names, '--tag', 'x']), 0)
  t.equal((await run(['ls', '--json'])).json.length, names.length)
  t.equal(await unread(['get', '--tag', 'x', '-o', 'back']), 0)
  t.equal(readdirSync(join(directory, 'back')).length, names.length)
  const ids = (await run(['ls', '--json'])).json.map(({ fid }) => String(fid))
  t.equal(await unread(['rm', '0b6f7a3e-0000-4000-8000-000000000001', ...ids]), 3)
  t.equal((await run(['ls', '--json'])).json.length, 0)
})

t.test('a reader that does not read is waited for, until the first interruption', async t => {
  const { daemon, directory, run } = await setUp(t)
  await using tally = await connect({ socket: daemon.socket, secretFile: daemon.secretFile })
  writeFileSync(join(directory, 'f'), contentOf(6, 5_000_000))
  const fid = `${(await run(['put', 'f', '--json'])).json[0]?.['fid']}`
  for (let index = 0; index < 600; index++) await tally.put(new Uint8Array(0), { name: `${index}`.padEnd(1000, '-') })
  for (const args of [['get', fid, '--stdout'], ['ls'], ['watch', '--since', '0']]) {
    const child = spawn(process.execPath, [MAIN, ...args, '--socket', daemon.socket, '--secret-file', daemon.secretFile], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    await once(child.stdout, 'readable')
    child.kill('SIGINT')
    t.same(await exited, [130, null], args.join(' '))
    child.stdout.destroy()
  }
})

t.test('what stands where a directory must be made, and a full standard output, are told by name', async t => {
  const { daemon, directory, run } = await setUp(t)
  writeFileSync(join(directory, 'a'), 'content')
  await run(['put', 'a', '--tag', 'x'])
  const got = await run(['get', '--tag', 'x', '-o', 'a'])
  t.equal(got.code, 1)
  t.match(got.stderr, /^tally: a: this is there already\n$/)
  const id = `${(await run(['ls', '--json'])).json[0]?.['fid']}`
  t.match((await run(['get', id, '-o', 'no/such/x'])).stderr, /^tally: no\/such: there is no such file/)
  const full = openSync('/dev/full', 'w')
  t.teardown(() => closeSync(full))
  for (const [expected, command] of [[1, ['ls']], [1, ['--help']], [5, ['get', '--tag', 'x', '--stdout']]] as const) {
    const child = spawn(process.execPath, [MAIN, '--socket', daemon.socket, '--secret-file', daemon.secretFile, ...command], {
      stdio: ['ignore', full, 'pipe'],
    })
    let stderr = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => { stderr += text })
    t.equal(await new Promise(resolve => child.once('close', resolve)), expected, command.join(' '))
    t.equal(stderr, 'tally: standard output: the disk is full\n')
  }
})

t.test('rm by tags says what it would remove, and removes it when told', async t => {
  const { directory, run } = await setUp(t)
  mkdirSync(join(directory, 'd'))
  for (const name of ['a', 'b', 'c']) writeFileSync(join(directory, 'd', name), name)
  await run(['put', '-r', 'd', '--tag', 'x'])
  await run(['tag', `${(await run(['ls', '--name', 'd/a', '--json'])).json[0]?.['fid']}`, '--add', 'keep'])
  t.match((await run(['rm', '--tag', 'x', '--not', 'keep', '--json'])).json, [{ files: 2, removed: 0 }])
  t.equal((await run(['ls', '--tag', 'x', '--json'])).json.length, 3)
  t.equal((await run(['rm', '--tag', 'x', '--not', 'keep', '--yes', '--json'])).json.length, 2)
  t.match((await run(['ls', '--json'])).json, [{ name: 'd/a' }])
  for (const wrong of [[], ['--yes'], ['0b6f7a3e-0000-4000-8000-000000000000', '--tag', 'x'], ['0b6f7a3e-0000-4000-8000-000000000000', '--yes']])
    t.equal((await run(['rm', ...wrong])).code, 2, wrong.join(' '))
})

t.test('listings in a pipe have tabs between their fields', async t => {
  const { directory, run } = await setUp(t)
  writeFileSync(join(directory, 'a'), 'content')
  const fid = `${(await run(['put', 'a', '--name', 'tab\there', '--tag', 'x', '--tag', 'y', '--json'])).json[0]?.['fid']}`
  const fields = (await run(['ls'])).stdout.toString().trimEnd().split('\t')
  t.match(fields, [`${fid}/0`, '7', /^\d{4}-\d\d-\d\dT[\d:.]+Z$/, 'tab\\x09here', '#x #y'])
  t.equal(fields.length, 5)
})

t.test('each command\'s help has a usage line without gaps, what an ID is where it takes one, and lines of a width that can be read', async t => {
  const { run } = await setUp(t)
  const overview = (await run(['--help'])).stdout.toString()
  const names = [...overview.matchAll(/^ {2}([a-z]+)(?= .* {2}| {2})/gm)].map(([, name = '']) => name).filter(name => name !== 'source' && name !== 'tally')
  t.equal(new Set(names).size, 14)
  for (const name of names) {
    const help = (await run([name, '--help'])).stdout.toString()
    t.match(help, new RegExp(`^Usage: tally ${name} (\\S+ )*\\[FLAGS\\]$`, 'm'), name)
    t.equal(help.includes('An ID is FID'), ['get', 'tag', 'rm'].includes(name), name)
    for (const line of help.split('\n')) t.ok(line.length <= 150, line)
  }
})

t.test('put --expires says when a file is to go', async t => {
  const { directory, run } = await setUp(t)
  writeFileSync(join(directory, 'f'), 'x')
  const beforeMs = Date.now()
  t.equal((await run(['put', 'f', '--expires', '2h'])).code, 0)
  const [file] = (await run(['ls', '--json'])).json
  t.equal(Math.round((Number(file?.['expires']) - beforeMs) / 600_000), 12)
  t.equal((await run(['put', 'f', '--expires', 'soon'])).code, 2)
})

t.test('a command that waits for a busy daemon says so', async t => {
  const { daemon, run } = await setUp(t, ['--user-connections', '1'])
  const holder = await daemon.client()
  t.teardown(() => holder.destroy())
  await holder.authenticate(daemon.token({ sub: String(process.getuid?.()) }))
  const { stderr } = await run(['ls'], { started: child => child.stderr?.once('data', () => child.kill('SIGINT')) })
  t.match(stderr, /connection at once \(user-connections\); trying again for/)
})
