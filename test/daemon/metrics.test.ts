/** Metrics, health and readiness, as a monitor asks for them. */
import { request } from 'node:http'
import { once } from 'node:events'
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { readConfig } from '../../daemon/config.ts'
import { TestDaemon } from '../support/daemon.ts'
import { numberedChunk } from '../support/wire.ts'

const FID = '3f2504e0-4f89-41d3-9a0c-0305e82c3301'
const USER = 'a-user-whom-nobody-may-see'

interface Got {
  readonly status: number
  readonly type: string
  readonly text: string
}

function ask(where: { socketPath: string } | { host: string; port: number }, path: string, method = 'GET'): Promise<Got> {
  return new Promise((resolve, reject) => {
    request({ ...where, path, method, agent: false }, response => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => { text += part })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', text }))
    }).on('error', reject).end()
  })
}

function freePort(): Promise<number> {
  return new Promise(resolve => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

async function startWith(t: Test, address: (daemon: TestDaemon) => string): Promise<TestDaemon> {
  const args: string[] = []
  const daemon = new TestDaemon({ args })
  args.push('--metrics', address(daemon))
  t.teardown(() => daemon.dispose())
  await daemon.start()
  while (!daemon.stderr.includes('tallyd is ready')) await sleep(5)
  return daemon
}

t.test('counts what happens, and names nobody', async t => {
  const daemon = await startWith(t, ({ directory }) => `unix:${join(directory, 'metrics.sock')}`)
  const socketPath = join(daemon.directory, 'metrics.sock')
  t.equal(statSync(socketPath).mode & 0o777, 0o600)
  const client = await daemon.client()
  await client.authenticate(daemon.token({ sub: USER }), { fid: FID, files: [{ name: 'a-name-nobody-may-see', size: 2048 }] })
  for (const chunk of [0, 1]) t.equal((await client.sendChunk(numberedChunk(FID, 0, chunk), new Uint8Array(1024))).response, 'Ok')
  t.equal((await client.sendChunk(numberedChunk(FID, 0, 2), new Uint8Array(1024))).code, 'chunk-unknown')
  const { status, type, text } = await ask({ socketPath }, '/metrics')
  t.equal(status, 200)
  t.match(type, 'text/plain; version=0.0.4')
  for (const line of [
    'tally_connections 1', 'tally_connections_total 2', 'tally_messages_total{type="TRANSFER"} 3', 'tally_messages_total{type="AUTHENTICATION"} 1',
    'tally_errors_total{code="chunk-unknown"} 1', 'tally_chunks_total 2', 'tally_files_stored_total 1', 'tally_transfers 1',
    'tally_commit_cycles_failed_total 0', 'tally_pending_bytes 0',
  ]) t.ok(text.split('\n').includes(line), line)
  t.match(text, /^tally_commit_cycle_seconds_count [12]$/m)
  t.match(text, /^tally_store_free_bytes [1-9]/m)
  t.match(text, /^process_resident_memory_bytes [1-9]/m)
  t.notMatch(text, USER)
  t.notMatch(text, 'a-name-nobody')
  t.notMatch(text, FID)
  await client.close()
  await daemon.kill('SIGTERM')
  t.notOk(existsSync(socketPath))
})

t.test('says whether it is there and whether it takes files, on a loopback port', async t => {
  const port = await freePort()
  const daemon = await startWith(t, () => `127.0.0.1:${port}`)
  const where = { host: '127.0.0.1', port }
  t.match(await ask(where, '/healthz'), { status: 200, text: 'ok\n' })
  t.match(await ask(where, '/readyz'), { status: 200, text: 'ok\n' })
  t.equal((await ask(where, '/')).status, 404)
  t.equal((await ask(where, '/metrics', 'POST')).status, 405)
  t.match(await ask(where, '/healthz', 'HEAD'), { status: 200, text: '' })
  // Somebody who does not read keeps the daemon from stopping at once: meanwhile it is not ready.
  const client = await daemon.client()
  await client.authenticate(daemon.token())
  process.kill(daemon.pid ?? 0, 'SIGTERM')
  const answers: number[] = []
  for (;;) {
    const got = await ask(where, '/readyz').catch(() => undefined)
    if (got === undefined) break
    answers.push(got.status)
  }
  t.ok(answers.every((status, i) => status === 503 || i === 0), String(answers))
  await client.ended
})

t.test('is not ready while min-free keeps new bytes out, and says so with the figures', async t => {
  const args: string[] = []
  const daemon = new TestDaemon({ args })
  t.teardown(() => daemon.dispose())
  const socketPath = join(daemon.directory, 'metrics.sock')
  args.push('--metrics', `unix:${socketPath}`, '--min-free', '8000T')
  await daemon.start()
  while (!daemon.stderr.includes('tallyd is ready')) await sleep(5)
  const { status, text } = await ask({ socketPath }, '/readyz')
  t.equal(status, 503)
  t.match(text, /^the disk has [0-9.]+ [KMGT]iB free, and 7\.8 PiB are to stay free\n$/)
  t.match(await ask({ socketPath }, '/healthz'), { status: 200 })
  const client = await daemon.client()
  t.equal((await client.authenticate(daemon.token(), { files: [{ name: 'a', size: 1 }] })).code, 'storage-full')
  await client.close()
})

t.test('an address that is in use already is named with its setting, alone, and what was started is stopped', async t => {
  const daemon = new TestDaemon()
  t.teardown(() => daemon.dispose())
  const taken = createServer().listen(0, '127.0.0.1')
  const socketPath = join(daemon.directory, 'metrics.sock')
  const takenPath = createServer().listen(socketPath)
  t.teardown(() => [taken, takenPath].map(server => server.close()))
  await Promise.all([taken, takenPath].map(server => once(server, 'listening')))
  const port = `127.0.0.1:${(taken.address() as AddressInfo).port}`
  const file = join(daemon.directory, 'config.toml')
  writeFileSync(file, `metrics = "unix:${socketPath}"`)
  for (const [life, line] of [
    [{ args: ['--metrics', port] }, `tallyd: --metrics: another process listens there already: ${port}`],
    [{ env: { TALLY_METRICS: port } }, `tallyd: TALLY_METRICS: another process listens there already: ${port}`],
    [{ args: ['--config', file] }, `tallyd: ${file}: metrics: another process listens there already: ${socketPath}`],
  ] as const) {
    daemon.stderr = ''
    daemon.spawn(life)
    await daemon.exited
    while (!daemon.stderr.endsWith('\n')) await sleep(5)
    t.strictSame([daemon.exitCode, daemon.stderr], [1, `${line}\n`])
    t.notOk(existsSync(daemon.socket), 'its own socket is not left')
  }
  await daemon.start()
  t.pass('nor the lock of its store')
})

t.test('listens nowhere unless told, and nowhere beyond this machine', async t => {
  for (const address of ['0.0.0.0:9464', '192.168.0.1:9464', 'example.org:80', '127.0.0.1', '127.0.0.1:99999', ':9464', '[::]:9464', 'tcp://127.0.0.1:1', 'unix:']) {
    t.throws(() => readConfig(['--metrics', address], {}, '/home/ada'), { name: 'UsageError' }, address)
  }
  const command = readConfig([], {}, '/home/ada')
  t.equal(command.run === 'daemon' && command.config.metrics, undefined)
})
