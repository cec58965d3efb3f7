/** A signal ends every command that talks to a daemon, also one that waits for a daemon that never answers its log-in. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { MAIN } from './run-cli.ts'

const ID = '11111111-1111-4111-8111-111111111111'
const COMMANDS = [
  ['ls'], ['watch'], ['put', 'secret'], ['get', ID], ['status'], ['status', ID], ['status', '--all'], ['rm', ID], ['doctor'], ['settings'],
  ['tag', ID, '--add', 'x'], ['why', ID],
]
/** Less than the client waits for an answer, so that what ended it was the signal. */
const AT_ONCE_MS = 9000

for (const [index, command] of COMMANDS.entries()) {
  const signal = index % 2 === 0 ? 'SIGINT' : 'SIGTERM'
  t.test(`${signal} ends \`tally ${command.join(' ')}\` while its log-in is unanswered`, async t => {
    const directory = mkdtempSync(join(tmpdir(), 'tally-mute-'))
    t.teardown(() => rmSync(directory, { recursive: true }))
    writeFileSync(join(directory, 'secret'), 'a secret for a daemon that says nothing')
    const socket = join(directory, 'tally.sock')
    const mute = createServer()
    await new Promise<void>(resolve => mute.listen(socket, resolve))
    t.teardown(() => { mute.close() })
    const env = { PATH: process.env['PATH'], TALLY_SOCKET: socket, TALLY_SECRET_FILE: join(directory, 'secret') }
    const child = spawn(process.execPath, [MAIN, ...command], { cwd: directory, env, stdio: 'ignore' })
    let signalledMs = Infinity
    mute.on('connection', peer => {
      peer.on('error', () => {})
      peer.once('data', () => {
        signalledMs = performance.now()
        child.kill(signal)
      })
    })
    t.equal(await new Promise<number | null>(resolve => child.once('close', resolve)), 130)
    t.ok(performance.now() - signalledMs < AT_ONCE_MS, 'at once')
  })
}
