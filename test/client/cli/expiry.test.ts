/** `tally put` says until when a file is kept, whoever said so, and changes it for files that are there already where it is asked to. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { dateText } from '../../../client/cli/text.ts'
import { setUp } from './run-cli.ts'

const DAY_MS = 86_400_000

/** Whether it is so long from now, give or take what a test may take. */
function isIn(expires: unknown, ms: number): boolean {
  return typeof expires === 'number' && Math.abs(expires - Date.now() - ms) < 3_600_000 / 2
}

t.test('a file that is there keeps its expiry, which the line tells, until another one is asked for', async t => {
  const { directory, run } = await setUp(t)
  for (const [name, size] of [['note', 5], ['film', 3_000_000]] as const) {
    writeFileSync(join(directory, name), Buffer.alloc(size, name))
    t.equal((await run(['put', name])).stdout.toString().includes('('), false, 'one that stays has nothing to tell')
    const [first] = (await run(['put', name, '--expires', '30d', '--json'])).json
    t.ok(isIn(first?.['expires'], 30 * DAY_MS), name)
    const told = `(already there, expires ${dateText(Number(first?.['expires']))})\n`
    t.match((await run(['put', name])).stdout.toString(), told)
    const [again] = (await run(['put', name, '--json'])).json
    t.equal(again?.['expires'], first?.['expires'])
    const [changed] = (await run(['put', name, '--expires', '1d', '--json'])).json
    t.ok(isIn(changed?.['expires'], DAY_MS))
    t.match((await run(['ls', '--name', name, '--json'])).json, [{ expires: changed?.['expires'] }])
  }
})

t.test('an expiry that follows from a tag is told, too, and a rule does not touch what is there', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'tally-expiry-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'config.toml'), '[tags.scratch]\nexpires = "12h"')
  const { directory, run } = await setUp(t, ['--config', join(folder, 'config.toml')])
  writeFileSync(join(directory, 'old'), 'x')
  writeFileSync(join(directory, 'new'), 'y')
  await run(['put', 'old'])
  t.match((await run(['put', 'new', '--tag', 'scratch'])).stdout.toString(), /new {2}\(expires [-0-9]+ [:0-9]+\)\n$/)
  t.match((await run(['put', 'old', '--tag', 'scratch'])).stdout.toString(), /old {2}\(already there\)\n$/)
})

t.test('of small files that are together, one of which changed, each has the expiry that was asked for last', async t => {
  const { directory, run } = await setUp(t)
  mkdirSync(join(directory, 'd'))
  for (let file = 0; file < 20; file++) writeFileSync(join(directory, 'd', `${file}`), `content ${file}`)
  await run(['put', '-r', 'd', '--expires', '30d'])
  writeFileSync(join(directory, 'd', '7'), 'another content')
  const kept = (await run(['put', '-r', 'd', '--json'])).json
  t.equal(kept.filter(({ expires }) => isIn(expires, 30 * DAY_MS)).length, 19)
  t.strictSame(kept.find(({ expires }) => expires === undefined)?.['path'], 'd/7')
  writeFileSync(join(directory, 'd', '7'), 'a third one')
  const put = (await run(['put', '-r', 'd', '--expires', '1d', '--json'])).json
  t.equal(put.filter(({ expires }) => isIn(expires, DAY_MS)).length, 20)
  const listed = (await run(['ls', '--json'])).json
  t.equal(listed.filter(({ expires }) => isIn(expires, DAY_MS)).length, 20)
  t.equal(listed.length, 22, 'nothing was stored twice')
})
