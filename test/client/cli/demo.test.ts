/** The demonstration holds what it claims, on a real file. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { contentOf } from '../../support/random.ts'

for (const [size, what] of [[20_000_000, 'a large file'], [1000, 'a small one']] as const) t.test(`everything breaks on the way of ${what}, and every claim holds`, async t => {
  const directory = mkdtempSync(join(tmpdir(), 'tally-demo-test-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'file')
  writeFileSync(path, contentOf(1, size))
  const main = join(import.meta.dirname, '../../../client/cli/main.ts')
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'demo', path, '--json'], { encoding: 'utf8' })
  t.equal(status, 0, stderr)
  const told = JSON.parse(stdout) as { ok: boolean; acknowledgedSentAgain: number; claims: { claim: string; holds: boolean }[] }
  t.equal(told.ok, true)
  t.equal(told.acknowledgedSentAgain, 0)
  t.same(told.claims.filter(({ holds }) => !holds), [])
})
