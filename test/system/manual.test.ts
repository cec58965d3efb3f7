/**
 * Completion in zsh and fish, as people type it, and the manual pages as mandoc and groff judge them. Needs these four.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { FISH, ZSH, completes } from '../client/cli/shells.ts'
import { ROOT } from '../docs/page.ts'
import { lacks } from './needs.ts'

function obstacle(...programs: readonly string[]): string | undefined {
  const missing = programs.filter(program => spawnSync('sh', ['-c', 'command -v "$0"', program]).status !== 0)
  return missing.length === 0 ? undefined : `needs ${missing.join(' and ')}`
}

for (const shell of [ZSH, FISH]) {
  t.test(`${shell.name} completes commands, flags, tags, ids and paths, and runs nothing of them`, { timeout: 300_000 }, async t => {
    if (!lacks(t, obstacle(shell.name, 'python3'))) await completes(t, shell)
  })
}

t.test('what the build writes is well-formed', async t => {
  if (lacks(t, obstacle('mandoc', 'groff', 'bash', 'zsh', 'fish'))) return
  const directory = mkdtempSync(join(tmpdir(), 'tally-manual-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const env = { SOURCE_DATE_EPOCH: '1763683200' }
  const build = (): unknown => execFileSync(process.execPath, ['docs/manual/build.ts', directory], { cwd: ROOT, env })
  build()
  for (const program of ['tally', 'tallyd']) {
    const page = join(directory, 'man', `${program}.1`)
    const source = readFileSync(page, 'utf8')
    for (const [lint, ...args] of [['mandoc', '-T', 'lint', '-W', 'warning'], ['groff', '-man', '-ww', '-z', '-Tutf8']] as const) {
      const { status, stdout, stderr } = spawnSync(lint, [...args, page], { encoding: 'utf8' })
      t.strictSame([status, stdout, stderr], [0, '', ''], `${lint} ${program}.1`)
    }
    for (const shell of ['bash', 'zsh', 'fish']) {
      const { status, stderr } = spawnSync(shell, ['-n', join(directory, 'completions', `${program}.${shell}`)], { encoding: 'utf8' })
      t.strictSame([status, stderr], [0, ''], `${program}.${shell}`)
    }
    build()
    t.equal(readFileSync(page, 'utf8'), source, 'the same sources make the same page')
  }
})
