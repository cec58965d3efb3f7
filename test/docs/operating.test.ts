/** docs/operating.md names every setting, and no other; its example is a right configuration. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { readConfigFile } from '../../daemon/config-file.ts'
import { Counts } from '../../daemon/counts.ts'
import { createMetrics } from '../../daemon/metrics/metrics.ts'
import { FLAGS } from '../../daemon/flags.ts'
import { Mistakes } from '../../daemon/mistakes.ts'

const PAGE = readFileSync(new URL('../../docs/operating.md', import.meta.url), 'utf8')

test('the table of settings is the daemon\'s own', async t => {
  const [, table = ''] = PAGE.split(/^## /m).filter(section => section.startsWith('Settings'))[0]?.split('|---|---|') ?? []
  const named = [...table.matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, cell = '']) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name))
  t.strictSame(named.sort(), FLAGS.filter(({ inFile }) => inFile === true).map(({ name }) => name).sort())
})

test('the example is right', async t => {
  const [, example = ''] = /```toml\n([^`]+)```/.exec(PAGE) ?? []
  const path = join(mkdtempSync(join(tmpdir(), 'tally-page-')), 'config.toml')
  writeFileSync(path, example)
  const mistakes = new Mistakes()
  t.equal(readConfigFile(path, mistakes).values.get('store')?.[0], '/var/lib/tally')
  mistakes.refuse()
})

test('the page names just those that wait for the next start', async t => {
  const [, sentence = ''] = /what is wrong is logged and changes nothing\. (.+) hold\s+from the next start on/is.exec(PAGE) ?? []
  const named = [...sentence.matchAll(/`([^`]+)`/g)].map(([, name]) => name)
  t.strictSame(named.sort(), FLAGS.filter(({ inFile, live }) => inFile === true && live !== true).map(({ name }) => name).sort())
})

test('the page names every metric of ours, and no other', async t => {
  const metrics = await createMetrics(new Counts(), () => ({ connections: 0, transfersInMemory: 0, pendingBytes: 0 }), '/')
  const names = [...(await metrics.text()).matchAll(/^# TYPE (tally_\w+)/gm)].map(([, name]) => name)
  const [, table = ''] = PAGE.split('| metric | |')
  const named = new Set([...table.matchAll(/`(tally_\w+)(?:\{\w+\})?`/g)].map(([, name]) => name))
  t.strictSame([...named].sort(), names.sort())
})
