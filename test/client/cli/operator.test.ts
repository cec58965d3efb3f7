/** What an operator asks at a shell: `status --all`, `why`, `settings`. */
import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { numberedChunk } from '../../support/wire.ts'
import { MAIN, setUp } from './run-cli.ts'

const FID = '3f2504e0-4f89-41d3-9a0c-0305e82c3301'

t.test('sees every user\'s transfers and connections, and why one is not finished', async t => {
  const { daemon, run } = await setUp(t)
  t.match((await run(['status', '--all'])).stdout.toString(), /^no transfer is unfinished\nconnection \d+ {2}user "\d+" {2}idle\nstore {2}/)
  const ada = await daemon.client()
  t.teardown(() => ada.destroy())
  await ada.authenticate(daemon.token({ sub: 'ada' }), { fid: FID, files: [{ name: 'a\u001b[2J', size: 4000 }] })
  await ada.sendChunk(numberedChunk(FID, 0, 1), new Uint8Array(1024))
  const all = await run(['status', '--all', '--json'])
  t.equal(all.code, 0, all.stderr)
  t.match(all.json[0], { kind: 'transfer', user: 'ada', fid: FID, files: 1, size: 4000, received: 1024, gaps: 2, 'age-ms': Number, 'idle-ms': Number })
  t.ok(all.json.some(({ kind, user, transfers }) => kind === 'connection' && user === 'ada' && transfers === 1))
  const text = (await run(['status', '--all'])).stdout.toString()
  t.match(text, new RegExp(`transfer ${FID} {2}user "ada" {2}1 file {2}1\\.0 KiB of 3\\.9 KiB {2}2 gaps {2}began \\d+ s ago {2}last chunk \\d+ s ago {2}.*/s over connection (\\d+)\\nconnection \\1 {2}user "ada" {2}1 transfer\\nconnection \\d+ {2}user "\\d+" {2}idle\\nstore {2}`))
  const why = await run(['why', FID, '--user', 'ada'])
  t.match(why.stdout.toString(), 'lacks 3 of 4 chunks: 0, 2 to 3.')
  t.notMatch(why.stdout.toString(), '\u001b')
  const ours = await run(['why', FID])
  t.strictSame([ours.code, ours.stderr], [3, `tally: there is no such transfer of user "${process.getuid?.()}"; --user NAME asks for another's\n`])
  t.equal((await run(['why', FID, '--user', 'eve'])).stderr, 'tally: there is no such transfer of user "eve"\n')
  t.match((await run(['why', FID, '--user', 'ada', '--json'])).json[0], { fid: FID, because: Array })
  for (const wrong of [['why'], ['why', 'x'], ['why', `${FID}/0`], ['status', '--all', FID], ['settings', 'x']]) t.equal((await run(wrong)).code, 2, wrong.join(' '))
})

t.test('a transfer\'s age and its last chunk are told, also where nobody has it open and where none came', async t => {
  const { daemon, run } = await setUp(t)
  const token = daemon.token({ sub: 'ada' })
  const ada = await daemon.client()
  await ada.authenticate(token, { fid: FID, files: [{ name: 'a', size: 4000 }] })
  t.match((await run(['status', '--all'])).stdout.toString(), / began \d+ s ago {2}no chunk yet {2}/)
  await ada.sendChunk(numberedChunk(FID, 0, 1), new Uint8Array(1024))
  await ada.close()
  await daemon.restart()
  t.match((await run(['status', '--all'])).stdout.toString(), / began \d+ s ago {2}last chunk \d+ s ago {2}open on no connection\n/)
  const [transfer] = (await run(['status', '--all', '--json'])).json as { [key: string]: number }[]
  t.ok((transfer?.['age-ms'] ?? 0) >= (transfer?.['idle-ms'] ?? 0) && (transfer?.['idle-ms'] ?? 0) > 0)
  t.equal((transfer?.['age-ms'] ?? 0) - (transfer?.['idle-ms'] ?? 0), (transfer?.['touched'] ?? 0) - (transfer?.['created'] ?? 0))
})

for (const flag of ['--connections', '--user-connections']) {
  t.test(`an operator's commands are answered at once when all of ${flag} are taken`, async t => {
    const { daemon, run } = await setUp(t, [flag, '1'])
    const holds = async (): Promise<boolean> => {
      const holder = await daemon.client()
      t.teardown(() => holder.destroy())
      return (await holder.authenticate(daemon.token({ sub: `${process.getuid?.()}` })).catch(() => undefined))?.response === 'Ok'
    }
    // The test's own look whether the daemon is there may be counted still.
    while (!(await holds()));
    for (const command of [['settings'], ['status', '--all']]) {
      const { code, stderr } = await run(command)
      t.strictSame([code, stderr], [0, ''], command.join(' '))
    }
  })
}

t.test('a tally watch is two watches: of what is stored, and of what arrives', async t => {
  const { daemon, directory, run } = await setUp(t)
  const env = { PATH: process.env['PATH'], TALLY_SOCKET: daemon.socket, TALLY_SECRET_FILE: daemon.secretFile }
  for (const [args, told] of [[['watch'], '2 watches'], [['watch', '--state', 'stored'], '1 watch']] as const) {
    const watching = spawn(process.execPath, [MAIN, ...args], { cwd: directory, env, stdio: 'ignore' })
    t.teardown(() => watching.kill('SIGKILL'))
    let text = ''
    while (!new RegExp(`  ${told}\\n`).test(text)) text = (await run(['status', '--all'])).stdout.toString()
    t.match(text, told)
    watching.kill('SIGKILL')
  }
})

t.test('a token without the scope admin is denied', async t => {
  const { daemon, directory, run } = await setUp(t)
  const file = join(directory, 'token')
  writeFileSync(file, daemon.token())
  for (const command of [['status', '--all'], ['why', FID], ['settings']]) {
    const { code, stderr } = await run([...command, '--token-file', file])
    t.equal(code, 4, command.join(' '))
    t.match(stderr, 'admin')
    t.equal(stderr.includes(`\`tally status ${FID}\``), command[0] === 'why', 'what may be asked instead')
  }
  const ada = await daemon.client()
  t.teardown(() => ada.destroy())
  await ada.authenticate(daemon.token(), { fid: FID, files: [{ name: 'a', size: 4000 }] })
  t.match((await run(['status', FID, '--token-file', file])).stdout.toString(), 'receiving')
})

t.test('shows settings, and reloads them; what is wrong is said, and changes nothing', async t => {
  const { daemon, run } = await setUp(t)
  const shown = await run(['settings'])
  t.match(shown.stdout.toString(), /^durability +process +--durability +next start$/m)
  t.match(shown.stdout.toString(), /^key [0-9a-f]{16}…$/m)
  const reloaded = await run(['settings', '--reload', '--json'])
  t.match(reloaded.json[0], { changed: [], waiting: [], ended: 0, warnings: [] })
  chmodSync(daemon.secretFile, 0o644)
  const warned = await run(['settings', '--reload'])
  t.equal(warned.code, 0)
  t.match(warned.stderr, `tally: warning: --secret-file = ${daemon.secretFile} has the mode 0644: whoever can read it can make tokens of any user`)
  t.match(daemon.stderr, 'a setting may be meant otherwise reason="--secret-file = ')
  chmodSync(daemon.secretFile, 0o600)
  writeFileSync(daemon.secretFile, 'short')
  const failed = await run(['settings', '--reload', '--token-file', await withToken(daemon)])
  t.equal(failed.code, 1)
  t.match(failed.stderr, /^tally: nothing was changed: [^\n]+\n$/)
  t.equal(failed.stdout.length, 0, 'what holds is not shown')
  writeFileSync(daemon.secretFile, 'another-secret-of-at-least-32-bytes-for-hs256')
  const rotated = (await run(['settings', '--reload', '--token-file', await withToken(daemon)])).stdout.toString()
  t.match(rotated, /\nkey ([0-9a-f]{16}…)\nchanged:\n {2}keys {2}[0-9a-f]{16}… → \1\n$/)
})

t.test('shows limits and the log level, set or not; a reload changes the level at once, and what waits is told beside what holds', async t => {
  const file = join(mkdtempSync(join(tmpdir(), 'tally-settings-')), 'config.toml')
  writeFileSync(file, 'quota = "1G"')
  const { daemon, run } = await setUp(t, ['--config', file])
  const shown = (await run(['settings'])).stdout.toString()
  for (const line of [/^quota +1G +\S+config\.toml +at once$/m, /^quota-files +not set +default +at once$/m, /^log-level +info +default +at once$/m]) t.match(shown, line)
  t.notMatch(daemon.stderr, ' debug ')
  writeFileSync(file, 'quota-files = 7\nlog-level = "debug"\nmin-free = "5M"')
  const after = (await run(['settings', '--reload'])).stdout.toString()
  for (const line of [
    /^quota +not set /m, /^quota-files +7 /m, /^log-level +debug /m, /^min-free +\S.* +default +next start: 5M$/m,
  ]) t.match(after, line)
  t.match(after, /\nchanged:\n {2}quota {8}1G → not set\n {2}quota-files {2}not set → 7\n {2}log-level {4}info → debug\nholds from the next start on:\n {2}min-free {5}0 → 5M\n$/)
  t.match(daemon.stderr, 'hold from the next start on settings="min-free 0 → 5M"')
  t.match((await run(['settings', '--reload'])).stdout.toString(), /\nchanged: nothing\nholds from the next start on:\n {2}min-free {2}0 → 5M\n$/)
  await run(['ls'])
  t.match(daemon.stderr, / debug logged in /)
  writeFileSync(file, 'quotaa = 7\nlog-level = "loud"')
  const { code, stdout, stderr } = await run(['settings', '--reload'])
  t.strictSame([code, stdout.length], [1, 0])
  t.match(stderr, /^tally: nothing was changed: \S+config\.toml: [^\n;]*"quotaa"; did you mean quota\?\ntally: nothing was changed: \S+config\.toml: [^\n;]*log-level[^\n;]*\n$/)
})

async function withToken(daemon: { directory: string; token(claims: { sub: string; scope: string }): string }): Promise<string> {
  const file = join(daemon.directory, 'admin-token')
  writeFileSync(file, daemon.token({ sub: 'root', scope: 'admin' }))
  return file
}
