/** docs/library.md and README.md: their examples run against a daemon, and print what they say; the tables name what there is. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { startDaemon } from '../support/daemon.ts'
import { ROOT, blocks, readPage } from './page.ts'

/** The page's program as a file that imports our sources. */
function programOf(page: string): string {
  const entry = JSON.stringify(join(ROOT, 'client/index.ts'))
  return blocks(page, 'ts').map(block => block.text).join('\n').replaceAll("from 'tallyd'", `from ${entry}`)
}

async function run(t: Test, program: string): Promise<string> {
  const daemon = await startDaemon(t)
  const directory = mkdtempSync(join(tmpdir(), 'tally-library-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  writeFileSync(join(directory, 'holiday.jpg'), 'a photo')
  writeFileSync(join(directory, 'program.ts'), program)
  const { TALLY_TOKEN: _, ...environment } = process.env
  const env = { ...environment, TALLY_SOCKET: daemon.socket, TALLY_SECRET_FILE: daemon.secretFile, NO_COLOR: '1' }
  const child = spawn(process.execPath, ['program.ts'], { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = new Promise<number | null>(resolve => child.once('exit', resolve))
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  t.equal(stderr, '')
  t.equal(await exited, 0)
  return stdout
}

t.test('the examples of docs/library.md print what they say', async t => {
  const page = readPage('library.md')
  const program = programOf(page)
  const said = [...program.matchAll(/\/\/ prints (.*)$/gm)].map(([, line]) => `${line}\n`)
  t.ok(said.length > 5)
  t.equal(await run(t, program), said.join(''))
})

t.test('the example of README.md runs', async t => {
  await run(t, programOf(readFileSync(join(ROOT, 'README.md'), 'utf8')))
})

t.test('docs/library.md names every ClientError and every event', async t => {
  const page = readPage('library.md')
  const codes = [...readFileSync(join(ROOT, 'client/errors.ts'), 'utf8').matchAll(/^ {2}\| '([a-z-]+)'/gm)].map(([, code = '']) => code)
  const events = [...readFileSync(join(ROOT, 'client/events.ts'), 'utf8').matchAll(/type: '([a-z]+)'/g)].map(([, type = '']) => type)
  t.ok(codes.length > 10 && events.length > 5)
  for (const name of [...codes, ...events]) t.ok(page.includes(`\`${name}\``), name)
})
