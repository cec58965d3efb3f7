/**
 * Writes the manual pages and the completion of both programs: build.ts DIRECTORY, a part of `npm run build`. It is the one place that
 * knows the tables of both.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SCRIPTS } from '../../client/cli/completion.ts'
import { version } from '../../daemon/version.ts'
import { PAGES } from './pages.ts'
import { manualPage } from './roff.ts'

const [directory = 'dist'] = process.argv.slice(2)
/** The same sources make the same bytes where a packager says when they were (reproducible-builds.org). */
const builtMs = process.env['SOURCE_DATE_EPOCH'] === undefined ? Date.now() : 1000 * Number(process.env['SOURCE_DATE_EPOCH'])
const date = new Date(builtMs).toISOString().slice(0, 10)

for (const part of ['man', 'completions']) mkdirSync(join(directory, part), { recursive: true })
for (const page of PAGES) {
  const { program } = page
  writeFileSync(join(directory, 'man', `${program.name}.1`), manualPage({ ...page, version: version(), date }))
  for (const [shell, script] of Object.entries(SCRIPTS)) {
    writeFileSync(join(directory, 'completions', `${program.name}.${shell}`), script(program))
  }
}
