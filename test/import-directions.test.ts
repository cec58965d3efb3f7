/** The linter's import directions can fail: for each direction one import that it must refuse, and one beside it that it must not. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'tap'

const root = join(import.meta.dirname, '..')
const CASES = [
  ['protocol', 'node:fs', './frame.ts'],
  ['protocol', '../daemon/log.ts', './limits.ts'],
  ['client/cli', '../../daemon/log.ts', '../../protocol/frame.ts'],
  ['daemon', '../client/index.ts', './handlers/fetch.ts'],
  ['daemon/handlers', '../storage/storage.ts', '../transfers/upload.ts'],
  ['daemon/handlers', '../../client/index.ts', '../session.ts'],
  ['daemon/transfers', '../handlers/fetch.ts', '../storage/storage.ts'],
  ['daemon/transfers', '../storage/local/index.ts', '../storage/storage.ts'],
  ['daemon/storage', '../transfers/upload.ts', '../../protocol/messages.ts'],
  ['daemon/storage/local', '../../../protocol/codec.ts', '../../../protocol/chunk-set.ts'],
] as const

/** The files, by their paths, in which the project's rules refuse an import. */
function refusedIn(files: ReadonlyMap<string, string>): ReadonlySet<string> {
  const directory = mkdtempSync(join(tmpdir(), 'tally-lint-'))
  const rules = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8')) as Record<string, unknown>
  writeFileSync(join(directory, 'biome.json'), JSON.stringify({ ...rules, $schema: undefined, vcs: { enabled: false } }))
  for (const [path, specifier] of files) {
    mkdirSync(join(directory, dirname(path)), { recursive: true })
    writeFileSync(join(directory, path), `import type { A } from '${specifier}'\n\nexport const a: A | undefined = undefined\n`)
  }
  const biome = join(root, 'node_modules/@biomejs/biome/bin/biome')
  const args = [biome, 'lint', '--reporter=github', '--max-diagnostics=100', '.']
  const { stdout } = spawnSync(process.execPath, args, { cwd: directory, encoding: 'utf8' })
  const lines = stdout.split('\n').filter(line => line.includes('noRestrictedImports'))
  return new Set([...files.keys()].filter(path => lines.some(line => line.includes(`/${path},`))))
}

test('each direction refuses what it is there for, and nothing beside it', async t => {
  const files = CASES.flatMap(([directory, refused, allowed], index) =>
    [[`${directory}/refused-${index}.ts`, refused], [`${directory}/allowed-${index}.ts`, allowed]] as const)
  const refused = refusedIn(new Map(files))
  for (const [path, specifier] of files) t.equal(refused.has(path), path.includes('refused'), `${path} imports ${specifier}`)
})
