/** docs/operating.md names every setting, and no other; its example is a right configuration. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { readConfigFile } from '../../daemon/config-file.ts'
import { FLAGS } from '../../daemon/flags.ts'

const PAGE = readFileSync(new URL('../../docs/operating.md', import.meta.url), 'utf8')

test('the table of settings is the daemon\'s own', async t => {
  const [, table = ''] = PAGE.split('## Settings')
  const named = [...table.matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, cell = '']) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name))
  t.strictSame(named.sort(), FLAGS.filter(({ inFile }) => inFile === true).map(({ name }) => name).sort())
})

test('the example is right', async t => {
  const [, example = ''] = /```toml\n([^`]+)```/.exec(PAGE) ?? []
  const path = join(mkdtempSync(join(tmpdir(), 'tally-page-')), 'config.toml')
  writeFileSync(path, example)
  t.equal(readConfigFile(path).get('store')?.[0], '/var/lib/tally')
})

test('the page names just those that wait for the next start', async t => {
  const [, sentence = ''] = /what is wrong is logged and changes nothing\. (.+) hold\s+from the next start on/is.exec(PAGE) ?? []
  const named = [...sentence.matchAll(/`([^`]+)`/g)].map(([, name]) => name)
  t.strictSame(named.sort(), FLAGS.filter(({ inFile, live }) => inFile === true && live !== true).map(({ name }) => name).sort())
})
