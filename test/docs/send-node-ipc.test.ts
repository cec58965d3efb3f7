/**
 * The script of docs/protocol.md, "With node-ipc", run as it stands in docs/examples against a real daemon; and the stock client itself, as
 * the package comes, for what the script does not ask for.
 */
import { spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import nodeIpc from 'node-ipc'
import t, { type Test } from 'tap'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'
import { chooseSeed, Random } from '../support/random.ts'
import { TYPE } from '../support/wire.ts'

const SCRIPT = join(import.meta.dirname, '../../docs/examples/send-node-ipc.mjs')

t.test('the script has ten lines of code besides its imports', async t => {
  const lines = readFileSync(SCRIPT, 'utf8').split('\n').filter(line => /\w/.test(line) && !/^(\/\/|import )/.test(line))
  t.equal(lines.length, 10)
})

t.test('the script stores files of every length', async t => {
  const { daemon, random } = await prepare(t)
  for (const size of [0, 1, 65_535, 65_536, 65_537, 400_001]) {
    const name = join(daemon.directory, `file ${size} é`)
    const bytes = random.bytes(size)
    writeFileSync(name, bytes)
    t.match(await run(daemon, name), { code: 0, stderr: '' }, `${size} bytes`)
    t.match(await found(t, daemon, basename(name)), [{ name: basename(name), digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` }])
  }
})

t.test('the script says the code of a refusal and fails; it fails without a daemon, too', async t => {
  const { daemon } = await prepare(t)
  const token = join(daemon.directory, 'token')
  const good = readFileSync(token)
  writeFileSync(token, 'no token')
  const refused = await run(daemon, SCRIPT)
  t.not(refused.code, 0)
  t.match(refused.stderr, /token-invalid/)
  writeFileSync(token, good)
  await daemon.kill()
  t.not((await run(daemon, SCRIPT)).code, 0)
})

t.test('the stock client is answered in its framing, finds, fetches and removes', async t => {
  const { daemon, random } = await prepare(t)
  const bytes = random.bytes(200_000)
  const name = join(daemon.directory, 'a file')
  writeFileSync(name, bytes)
  t.match(await run(daemon, name), { code: 0 })
  const ask = connectStock(t, daemon)
  t.match(await ask('FIND', {}), { response: 'Error', code: 'unauthenticated' })
  t.match(await ask('AUTHENTICATION', { token: daemon.token() }), { response: 'Ok', user: 'ada' })
  t.match(await ask('GREETING', {}), { response: 'Error', code: 'unsupported-type', type: 'GREETING' })
  t.match(await ask(12, {}), { response: 'Error', code: 'unsupported-type', type: 12 })
  const { files } = await ask(TYPE.find, { name: '*file' }) as { files: { fid: string; file: number }[] }
  t.equal(files.length, 1)
  const { fid, file } = files[0] as { fid: string; file: number }
  const data = new Map<number, Buffer>()
  const ok = await ask('FETCH', { fid, file, 'chunk-size': 65_536 }, transfer => {
    data.set(Number.parseInt((transfer.chunk as string).replaceAll('-', '').slice(0, 12), 16), Buffer.from(transfer.data as string, 'base64'))
    nodeIpc.of.tally?.emit('RESPONSE', { 'message-id': transfer['message-id'], response: 'Ok' })
  })
  t.match(ok, { response: 'Ok', done: true })
  t.ok(Buffer.concat([0, 1, 2, 3].map(index => data.get(index) as Buffer)).equals(bytes))
  t.match(await ask('REMOVE', { fid }), { response: 'Ok', removed: 1 })
})

type Fields = Readonly<Record<string, unknown>>

/** Asks over the package's own client. A FETCH's answer is its last, and its chunks go to `onTransfer`. */
function connectStock(t: Test, daemon: TestDaemon) {
  Object.assign(nodeIpc.config, { silent: true, stopRetrying: true })
  const waiting = new Map<string, (answer: Fields) => void>()
  nodeIpc.connectTo('tally', daemon.socket, () => undefined)
  t.teardown(() => nodeIpc.disconnect('tally'))
  nodeIpc.of.tally?.on('RESPONSE', answer => waiting.get((answer as Fields)['message-id'] as string)?.(answer as Fields))
  return (type: string | number, fields: Fields, onTransfer?: (transfer: Fields) => void): Promise<Fields> => {
    const id = randomUUID()
    if (onTransfer !== undefined) nodeIpc.of.tally?.on('TRANSFER', transfer => onTransfer(transfer as Fields))
    return new Promise(resolve => {
      waiting.set(id, answer => {
        if (onTransfer === undefined || answer.done === true || answer.response === 'Error') resolve(answer)
      })
      nodeIpc.of.tally?.emit(type, { 'message-id': id, ...fields })
    })
  }
}

async function prepare(t: Test): Promise<{ daemon: TestDaemon; random: Random }> {
  const random = new Random(chooseSeed())
  t.comment(`TALLY_TEST_SEED=${random.seed}`)
  const daemon = await startDaemon(t)
  writeFileSync(join(daemon.directory, 'token'), `${daemon.token()}\n`)
  return { daemon, random }
}

function run(daemon: TestDaemon, name: string): Promise<{ code: number | null; stderr: string }> {
  return new Promise(resolve => {
    const args = [SCRIPT, daemon.socket, join(daemon.directory, 'token'), name]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text })
    child.on('close', code => resolve({ code, stderr }))
  })
}

async function found(t: Test, daemon: TestDaemon, name: string): Promise<unknown> {
  const client = await daemon.client()
  t.teardown(() => client.destroy())
  await client.authenticate(daemon.token())
  return (await client.request(TYPE.find, { name })).files
}
