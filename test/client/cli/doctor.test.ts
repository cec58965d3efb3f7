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
