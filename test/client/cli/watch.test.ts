/** `tally watch` as a process: it tells what happens, goes on where it stopped, survives the daemon's restart, and ends with ^C. */
import { type ChildProcess, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { MAIN, type Setting, setUp } from './run-cli.ts'

type Told = Record<string, unknown>

/** A running `tally watch --json`; `next` waits for its next line. */
class Watching {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  readonly closed: Promise<number | null>
  stderr = ''

  constructor(t: Test, { daemon, directory }: Setting, args: readonly string[]) {
    const child = spawn(process.execPath, [MAIN, 'watch', '--json', ...args], {
      cwd: directory, stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], TALLY_SOCKET: daemon.socket, TALLY_SECRET_FILE: daemon.secretFile },
    })
    this.#child = child
    this.closed = new Promise(resolve => child.once('close', resolve))
    this.#lines = createInterface(child.stdout)[Symbol.asyncIterator]()
    child.stderr.setEncoding('utf8').on('data', (text: string) => { this.stderr += text })
    t.teardown(() => child.kill('SIGKILL'))
  }

  /** The next numbered event. */
  next(): Promise<Told> {
    return this.nextThat(({ event }) => event !== 'receiving')
  }

  async nextThat(isWanted: (told: Told) => boolean): Promise<Told> {
    for (;;) {
      const { value, done } = await this.#lines.next()
      if (done === true) throw new Error(`watch ended: ${this.stderr}`)
      const told = JSON.parse(value) as Told
      if (isWanted(told)) return told
    }
  }

  interrupt(): Promise<number | null> {
    this.#child.kill('SIGINT')
    return this.closed
  }
}

t.test('what happens to files that match is told in order, over a restart of the daemon and of the watcher', async t => {
  const setting = await setUp(t)
  const { daemon, directory, run } = setting
  for (const name of ['a', 'b', 'c']) writeFileSync(join(directory, name), name)
  const put = async (name: string, tag: string): Promise<string> => `${(await run(['put', name, '--tag', tag, '--json'])).json[0]?.['fid']}`
  // From the beginning on: so it does not matter who is faster, the watcher or the first put.
  const first = new Watching(t, setting, ['--tag', 'x', '--since', '0'])
  await put('c', 'other')
  const a = await put('a', 'x')
  t.match(await first.next(), { event: 'stored', fid: a, file: 0, name: 'a', size: 1, tags: ['x'], sequence: Number })
  await run(['tag', a, '--add', 'y'])
  t.match(await first.next(), { event: 'tagged', fid: a, tags: ['x', 'y'] })
  await daemon.restart()
  await run(['rm', a])
  const removed = await first.next()
  t.match(removed, { event: 'removed', fid: a, name: 'a' })
  t.equal(await first.interrupt(), 130)
  t.notMatch(first.stderr, 'interrupted', 'the end that was asked for needs no words')
  const b = await put('b', 'x')
  const second = new Watching(t, setting, ['--tag', 'x', '--since', String(removed['sequence'])])
  t.match(await second.next(), { event: 'stored', fid: b })
  t.equal(await second.interrupt(), 130)
})

t.test('a token without the right, and flags that mean nothing, are refused', async t => {
  const { directory, run } = await setUp(t)
  writeFileSync(join(directory, 'token'), (await run(['token', '--user', 'ada', '--scope', 'put'])).stdout)
  t.equal((await run(['watch', '--token-file', 'token'])).code, 4)
  t.equal((await run(['watch', '--since', 'x'])).code, 2)
  t.equal((await run(['watch', 'x'])).code, 2)
})

for (const args of [[], ['--state', 'receiving']]) {
  t.test(`tally watch ${args.join(' ')} tells what arrives, then that it is stored, once`, async t => {
    const setting = await setUp(t)
    const { daemon, directory } = setting
    const watching = new Watching(t, setting, ['--since', '0', ...args])
    const put = spawn(process.execPath, [MAIN, 'put', '-', '--name', 'stream', '--chunk-size', '1K'], {
      cwd: directory, stdio: ['pipe', 'ignore', 'ignore'],
      env: { PATH: process.env['PATH'], TALLY_SOCKET: daemon.socket, TALLY_SECRET_FILE: daemon.secretFile },
    })
    t.teardown(() => put.kill('SIGKILL'))
    // Whoever is faster, the watcher or the put: pieces come until one was told.
    const pieces = setInterval(() => put.stdin.write(new Uint8Array(4096)), 100)
    t.teardown(() => clearInterval(pieces))
    t.match(await watching.nextThat(() => true), { event: 'receiving', name: 'stream', sequence: undefined })
    clearInterval(pieces)
    put.stdin.end()
    const stored = await watching.next()
    t.match(stored, { event: 'stored', name: 'stream' })
    await setting.run(['rm', `${stored['fid']}`])
    if (args.length === 0) t.match(await watching.next(), { event: 'removed' }, 'stored was told once')
    t.equal(await watching.interrupt(), 130)
  })
}

t.test('a number that was never given is told as such', async t => {
  const setting = await setUp(t)
  const watching = new Watching(t, setting, ['--since', '99999999'])
  t.match(await watching.nextThat(() => true), { event: 'truncated', since: 99_999_999, sequence: 0 })
  t.equal(await watching.interrupt(), 130)
  t.match(watching.stderr, /there is no event 99999999/)
})
