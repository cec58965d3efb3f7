/** `tally doctor`: what is well, what is wrong, and what the exit code says of it. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { nodeFinding, storeFindings, tokenFinding } from '../../../client/cli/doctor-checks.ts'
import { mintToken } from '../../support/token.ts'
import { setUp } from './run-cli.ts'

const NOW_MS = 1_800_000_000_000

function levelsOf(json: readonly Record<string, unknown>[]): Record<string, unknown> {
  return Object.fromEntries(json.map(({ check, level }) => [check, level]))
}

t.test('all is well where the daemon runs and takes our token; each trouble is told with its remedy and exit code', async t => {
  const { daemon, directory, run } = await setUp(t)
  const well = await run(['doctor', '--json'])
  t.equal(well.code, 0, well.stdout.toString())
  t.match(levelsOf(well.json), { node: 'ok', socket: 'ok', token: 'ok', daemon: 'ok' })
  writeFileSync(join(directory, 'other'), 'x'.repeat(40), { mode: 0o600 })
  const strange = await run(['doctor', '--json', '--secret-file', 'other'])
  t.equal(strange.code, 4, strange.stdout.toString())
  t.match(strange.json.find(({ check }) => check === 'daemon'), { level: 'fail', remedy: String })
  chmodSync(join(directory, 'other'), 0o644)
  t.match(levelsOf((await run(['doctor', '--json', '--secret-file', 'other'])).json), { token: 'warn' })
  const absent = await run(['doctor', '--json', '--secret-file', 'absent'])
  t.equal(absent.code, 4)
  t.match(levelsOf(absent.json), { socket: 'ok', token: 'fail' })
  chmodSync(daemon.directory, 0o777)
  const open = await run(['doctor', '--json'])
  chmodSync(daemon.directory, 0o700)
  t.equal(open.code, 4)
  t.match(levelsOf(open.json), { socket: 'fail' })
  await daemon.kill()
  const down = await run(['doctor'])
  t.equal(down.code, 1)
  t.match(down.stdout.toString(), /fail {2}daemon {2}.*\n.*start it: tallyd/)
  t.equal((await run(['doctor', 'x'])).code, 2)
})

t.test('a daemon that keeps new bytes out is told with the figures, and is exit code 5', async t => {
  const { directory, daemon, run } = await setUp(t, ['--min-free', '8000T'])
  const full = await run(['doctor', '--json'])
  t.equal(full.code, 5, full.stdout.toString())
  const [store] = full.json.filter(({ check }) => check === 'store')
  t.match(store, { level: 'fail', found: / free, 7\.8 PiB are to stay free: new bytes are refused$/, remedy: /min-free/ })
  t.match(store?.['found'], daemon.store, 'the store that is served, not the default one')
  writeFileSync(join(directory, 'note'), 'a')
  t.equal((await run(['put', 'note', '--retry-for', '1s'])).code, 5, 'as a put says')
  const shown = await run(['status', '--all', '--json'])
  t.match(shown.json.find(({ kind }) => kind === 'store'), { path: daemon.store, free: Number, 'min-free': 8000 * 2 ** 40, code: 'storage-full' })
  writeFileSync(join(directory, 'token'), daemon.token(), { mode: 0o600 })
  const plain = await run(['doctor', '--json', '--token-file', 'token'])
  t.notOk(plain.json.some(({ found }) => String(found).includes(daemon.store)), 'without the scope admin nobody is told')
})

t.test('a store whose disk has failed is told', async t => {
  const store = { path: '/nonexistent/store', free: 2 ** 40, 'min-free': 0, code: 'storage-failed', reason: 'the disk failed earlier' }
  t.match(await storeFindings('/', store), [{ level: 'fail', found: /the disk failed earlier/, remedy: String }])
  t.match(await storeFindings('/', { path: '/nonexistent/store', free: 2 ** 40, 'min-free': 2 ** 30 }), [{ level: 'ok', found: /1\.0 GiB are to stay free$/ }])
})

t.test('a token that does not hold yet or any more is told by this machine\'s clock', async t => {
  const finding = (claims: Record<string, unknown>) =>
    tokenFinding({ kind: 'token', value: mintToken('s'.repeat(32), { sub: 'ada', ...claims }), by: 'TALLY_TOKEN' }, NOW_MS)
  t.match(await finding({ exp: NOW_MS / 1000 + 7200 }), { level: 'ok', found: /user ada, for 2 h more/ })
  t.match(await finding({ exp: NOW_MS / 1000 - 60 }), { level: 'fail', found: /expired 1 min ago/, error: { code: 'token-expired' } })
  t.match(await finding({ nbf: NOW_MS / 1000 + 3600, exp: NOW_MS / 1000 + 7200 }), { level: 'fail', error: { code: 'token-invalid' } })
  t.match(await tokenFinding({ kind: 'token', value: 'nonsense', by: 'TALLY_TOKEN' }, NOW_MS), { level: 'fail', error: { code: 'token-invalid' } })
})

t.test('an old Node and a store that others may look into are told', async t => {
  t.match(['18.19.0', '22.12.9', '22.13.0', '24.0.0'].map(version => nodeFinding(version).level), ['fail', 'fail', 'ok', 'ok'])
  const store = mkdtempSync(join(tmpdir(), 'tally-doctor-'))
  t.teardown(() => rmSync(store, { recursive: true }))
  t.not((await storeFindings(store))[0]?.level, 'fail')
  chmodSync(store, 0o750)
  t.match(await storeFindings(store), [{ level: 'fail', remedy: `chmod 700 ${store}` }])
  t.same(await storeFindings(join(store, 'absent')), [])
})
