/** What all of the store's statements have to keep to. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const STORE = join(import.meta.dirname, '../../daemon/storage/local')

// Node 22.13 takes `?1` for a name, and binds no value to it: "column index out of range".
t.test('no statement has numbered parameters', async t => {
  const files = globSync('**/*.ts', { cwd: STORE })
  t.ok(files.length > 20)
  for (const file of files) t.notMatch(readFileSync(join(STORE, file), 'utf8'), /[\s(]\?[0-9]/, file)
})
