/**
 * The guide's script of docs/protocol.md, "Write a client in 40 lines", run as it stands in docs/examples against a real daemon: with
 * Python's standard library, opaque chunks, JSON and framing A, and with its connection cut in the middle. Skipped where there is no
 * Python.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'
import { chooseSeed, Random } from '../support/random.ts'
import { FrameReader, TYPE } from '../support/wire.ts'

const SCRIPT = join(import.meta.dirname, '../../docs/examples/send.py')
const hasPython = spawnSync('python3', ['--version']).status === 0
const skip = hasPython ? false : 'there is no python3 here'

t.test('the script has at most 40 lines of code', t => {
  const lines = readFileSync(SCRIPT, 'utf8').split('\n').filter(line => line.trim() !== '')
  t.ok(lines.length <= 40, `${lines.length} lines`)
  t.end()
})

t.test('the script stores files of every length, and a second run sends nothing', { skip }, async t => {
  const { daemon, names, contents } = await prepare(t, [0, 1, 1023, 1024, 1025, 5 * 1024 + 7])
  const counter = await startCounter(t, daemon)
  t.match(await run(daemon, counter.path, names), { code: 0 })
  await compare(t, daemon, contents)
  const sent = counter.transfers
  t.match(await run(daemon, counter.path, names), { code: 0 })
  t.equal(counter.transfers, sent, 'what is stored is not sent again')
})

t.test('the script cut off in the middle goes on where it stopped, and sends at most the unanswered chunk twice', { skip }, async t => {
  const { daemon, names, contents, random } = await prepare(t, [20 * 1024, 30 * 1024 + 1])
  const counter = await startCounter(t, daemon)
  const chunks = 20 + 31
  counter.cutAfter = random.between(1, chunks - 1)
  t.comment(`the connection is cut in place of the answer to chunk ${counter.cutAfter}`)
  t.match(await run(daemon, counter.path, names), { code: 1 })
  counter.cutAfter = Infinity
  t.match(await run(daemon, counter.path, names), { code: 0 })
  t.ok(counter.transfers === chunks || counter.transfers === chunks + 1, `${counter.transfers} for ${chunks} chunks`)
  await compare(t, daemon, contents)
})

t.test('the script stores more files than one report lists the gaps of, also when it is cut off among them', { skip }, async t => {
  const { daemon, names, contents } = await prepare(t, Array.from({ length: 1700 }, (_, i) => (i % 100 === 0 ? 1025 : 1)))
  const counter = await startCounter(t, daemon)
  counter.cutAfter = 150
  t.match(await run(daemon, counter.path, names), { code: 1 })
  counter.cutAfter = Infinity
  t.match(await run(daemon, counter.path, names), { code: 0 })
  await compare(t, daemon, contents)
})

t.test('the script says the code of a refusal and fails', { skip }, async t => {
  const { daemon, names } = await prepare(t, [5])
  writeFileSync(join(daemon.directory, 'token'), 'no token')
  const { code, stderr } = await run(daemon, daemon.socket, names)
  t.equal(code, 1)
  t.match(stderr, /^token-invalid: /)
})

interface Prepared {
  readonly daemon: TestDaemon
  readonly names: readonly string[]
  readonly contents: readonly Buffer[]
  readonly random: Random
}

async function prepare(t: Test, sizes: readonly number[]): Promise<Prepared> {
  const random = new Random(chooseSeed())
  t.comment(`TALLY_TEST_SEED=${random.seed}`)
  const daemon = await startDaemon(t)
  const contents = sizes.map(size => random.bytes(size))
  const names = contents.map((bytes, i) => {
    const name = join(daemon.directory, `file ${i} é`)
    writeFileSync(name, bytes)
    return name
  })
  writeFileSync(join(daemon.directory, 'token'), `${daemon.token()}\n`)
  return { daemon, names, contents, random }
}

function run(daemon: TestDaemon, socket: string, names: readonly string[]): Promise<{ code: number | null; stderr: string }> {
  return new Promise(resolve => {
    const child = spawn('python3', [SCRIPT, socket, join(daemon.directory, 'token'), ...names], { stdio: ['ignore', 'ignore', 'pipe'] })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text })
    child.on('close', code => resolve({ code, stderr }))
  })
}

/** Stands between script and daemon, counts TRANSFERs, and ends the connection in place of the answer to the n-th. */
async function startCounter(t: Test, daemon: TestDaemon): Promise<{ path: string; transfers: number; cutAfter: number }> {
  const counter = { path: join(daemon.directory, 'counter.sock'), transfers: 0, cutAfter: Infinity }
  const server: Server = createServer(near => {
    const far = connect(daemon.socket)
    const reader = new FrameReader('A')
    near.on('data', (bytes: Buffer) => {
      counter.transfers += reader.push(bytes).filter(({ type }) => type === TYPE.transfer).length
      far.write(bytes)
    })
    far.on('data', (bytes: Buffer) => {
      if (counter.transfers >= counter.cutAfter) near.destroy()
      else near.write(bytes)
    })
    near.on('close', () => far.destroy())
    far.on('close', () => near.destroy())
    near.on('error', () => undefined)
    far.on('error', () => undefined)
  })
  await new Promise<void>(resolve => server.listen(counter.path, resolve))
  t.teardown(() => { server.close() })
  return counter
}

async function compare(t: Test, daemon: TestDaemon, contents: readonly Buffer[]): Promise<void> {
  const client = await daemon.client()
  t.teardown(() => client.destroy())
  await client.authenticate(daemon.token())
  const found: { name: string; file: number; digest: string }[] = []
  for (let after = {}; ;) {
    const page = await client.request(TYPE.find, { limit: 1000, ...after })
    found.push(...page.files as unknown as typeof found)
    if (page.next === undefined) break
    after = { after: page.next }
  }
  t.equal(found.length, contents.length)
  for (const { name, file, digest } of found) {
    t.equal(name, `file ${file} é`)
    t.equal(digest, `sha256:${createHash('sha256').update(contents[file] as Buffer).digest('hex')}`, `file ${file} is the same`)
  }
}
