/** What `tally` says while it waits for a daemon, once, and of a stream that it could not store: the sentences have to be true. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { KeptPart } from '../../../client/cli/kept-part.ts'
import { Waits } from '../../../client/cli/waits.ts'
import { TallyError } from '../../../protocol/errors.ts'
import { contentOf } from '../../support/random.ts'
import { MAIN, setUp } from './run-cli.ts'

function linesOf(text: string): string[] {
  return text.split('\n').filter(line => line !== '')
}

t.test('a busy daemon is told once, with how long it is waited for', async t => {
  const { daemon, directory, run } = await setUp(t, ['--user-connections', '1'])
  const holder = await daemon.client()
  t.teardown(() => holder.destroy())
  await holder.authenticate(daemon.token({ sub: String(process.getuid?.()) }))
  writeFileSync(join(directory, 'note'), 'x')
  const { code, stderr } = await run(['put', 'note', '--retry-for', '5s'])
  t.equal(code, 5)
  const [first, second, ...more] = linesOf(stderr)
  t.match(first, /^tally: a user may have 1 connection at once \(user-connections\); trying again for [3-5] s at most$/)
  t.match(second, /^tally: a user may have 1 connection at once/)
  t.strictSame(more, [])
})

t.test('a nearly full disk is told once, in units for people; a stream is not said to be resumable', async t => {
  const { directory, run } = await setUp(t, ['--min-free', '8000T'])
  writeFileSync(join(directory, 'note'), 'x')
  const stream = await run(['put', '-', '--retry-for', '5s'], { input: contentOf(1, 700_000) })
  const full = 'tally: (-: )?the disk has [0-9.]+ [KMGT]iB free, and 7\\.8 PiB are to stay free'
  const [first, second, ...more] = linesOf(stream.stderr)
  t.match(first, new RegExp(`^${full}; trying again for [1-5] s at most$`))
  t.match(second, new RegExp(`^${full}; nothing of the stream is kept$`))
  t.strictSame(more, [])
  const file = await run(['put', 'note', '--retry-for', '5s'])
  t.equal(file.code, 5)
  t.match(linesOf(file.stderr).at(-1), /run the same command again to continue$/)
})

t.test('of a stream that passes its quota is told what is kept, under which fid, and how to free it', async t => {
  const { run } = await setUp(t, ['--quota', '2M'])
  const text = await run(['put', '-', '--name', 'stream'], { input: contentOf(1, 5_000_000) })
  t.equal(text.code, 1)
  const [, fid = ''] = /`tally rm ([0-9a-f-]{36})` frees them, else they expire$/m.exec(text.stderr) ?? []
  t.match(text.stderr, /the quota is 2\.0 MiB, with .* in use: .*; of the stream [0-9.]+ [KM]?i?B or more are kept, which no other put continues/)
  const [listed] = (await run(['ls', '--state', 'receiving', '--json'])).json
  t.match(listed, { fid, name: 'stream' })
  t.ok(Number(listed?.['received']) <= 2 * 1024 ** 2, 'what came behind the refused chunk is counted, too')
  t.equal((await run(['rm', fid])).code, 0)
  const [failed] = (await run(['put', '-', '--json'], { input: contentOf(2, 5_000_000) })).json
  t.match(failed, { path: '-', fid: String, acknowledgedBytes: Number, error: { code: 'quota-exceeded', limit: 2 * 1024 ** 2 } })
  t.ok(Number((await run(['ls', '--state', 'receiving', '--json'])).json[0]?.['received']) >= Number(failed?.['acknowledgedBytes']))
  t.equal((await run(['rm', String(failed?.['fid'])])).code, 0)
  const whole = await run(['put', '-'], { input: contentOf(3, 2 * 1024 ** 2) })
  t.equal(whole.code, 0, `all of it was given back: ${whole.stderr}`)
})

t.test('an interrupted stream is not said to go on', async t => {
  const { daemon, directory, run } = await setUp(t)
  const env = { PATH: process.env['PATH'], TALLY_SOCKET: daemon.socket, TALLY_SECRET_FILE: daemon.secretFile }
  const child = spawn(process.execPath, [MAIN, 'put', '-'], { cwd: directory, env, stdio: ['pipe', 'ignore', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  const ended = once(child, 'close')
  child.stdin.write(contentOf(1, 700_000))
  while ((await run(['ls', '--state', 'receiving', '--json'])).json[0]?.['received'] !== 524_288) t.notOk(child.exitCode, 'it waits for more')
  child.kill('SIGINT')
  t.equal((await ended)[0], 130)
  t.match(stderr, /^tally: -: of the stream 512\.0 KiB or more are kept, .* `tally rm [0-9a-f-]{36}` frees them/)
  t.notMatch(stderr, 'run the same command again')
})

t.test('of a stream of which nothing was acknowledged no bytes are said to be kept', async t => {
  const kept = new KeptPart()
  const failure = new TallyError('quota-exceeded', 'full')
  t.equal(kept.after(failure).text, 'nothing of the stream is kept', 'it was not announced yet')
  kept.event({ type: 'announced', fid: 'F', chunks: 0, presentChunks: 0 })
  t.equal(kept.after(failure).text, 'nothing of the stream was acknowledged; what may have arrived of it `tally rm F` frees, else it expires')
  t.strictSame(kept.after(failure).value, { fid: 'F', acknowledgedBytes: 0 })
})

t.test('what fails otherwise is told, and the same again when it comes back later', async t => {
  const waits = new Waits()
  const retry = (code: 'busy' | 'storage-full', afterMs = 2000) =>
    ({ type: 'retry', attempt: 1, afterMs, leftMs: 60_000, cause: new TallyError(code, code), stop: () => {} }) as const
  t.equal(waits.sentence(retry('busy', 50), false, 0), undefined, 'a moment is nothing to speak of in a log')
  t.equal(waits.sentence(retry('busy'), false, 100), 'tally: busy; trying again for 1 min at most')
  t.equal(waits.sentence(retry('busy'), false, 2100), undefined)
  t.equal(waits.sentence({ ...retry('storage-full'), leftMs: Infinity }, false, 2200), 'tally: storage-full; trying again until it works')
  t.equal(waits.sentence(retry('busy'), false, 4100), undefined)
  t.type(waits.sentence(retry('busy'), true, 100_000), 'string')
})
