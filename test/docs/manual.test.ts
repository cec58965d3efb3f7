/** The manual pages have every command and flag, and nothing in them is taken for a macro. */
import t from 'tap'
import { PAGES } from '../../docs/manual/pages.ts'
import { manualPage } from '../../docs/manual/roff.ts'
import { COMMANDS } from '../../client/cli/commands.ts'
import { FLAGS } from '../../daemon/flags.ts'

const [TALLY = '', TALLYD = ''] = PAGES.map(page => manualPage({ ...page, version: '1.2.3', date: '2026-11-21' }))

t.test('every command and flag is on its page', async t => {
  const typed = (name: string): string => `\\fB\\-\\-${name.replaceAll('-', '\\-')}\\fR`
  for (const { name, flags } of COMMANDS) {
    t.ok(TALLY.includes(`.SS "tally ${name}`), name)
    for (const flag of flags) t.ok(TALLY.includes(typed(flag.name)), flag.name)
  }
  for (const { name } of FLAGS) t.ok(TALLYD.includes(typed(name)), name)
  for (const name of ['fsck', 'gc', 'export', 'import']) t.ok(TALLYD.includes(`.SS "tallyd ${name}"`), name)
})

t.test('what the configuration file may hold is on the pages, and where things are by themselves', async t => {
  for (const { name, perUser } of FLAGS.filter(({ inFile }) => inFile)) {
    const shown = name.replaceAll('-', '\\-')
    t.match(section(TALLYD, 'CONFIGURATION FILE'), shown)
    if (perUser) t.match(/\[users\.NAME\].*\n(.*)/.exec(TALLYD)?.[1], shown)
  }
  for (const place of ['/.config/tally/config.toml', '/.config/tally/secret', '/.local/share/tally', '/tally/tally.sock']) {
    t.match(section(TALLYD, 'FILES').replaceAll('\\', ''), place)
  }
  for (const name of ['socket', 'token\\-file', 'secret\\-file', 'trusted\\-uids']) t.match(section(TALLY, 'FILES'), name)
})

function section(page: string, title: string): string {
  return page.split(`.SH "${title}"`)[1]?.split('.SH')[0] ?? ''
}

t.test('text that begins with a dot or holds backslashes, quotes and other signs stays text', async t => {
  const command = { name: 'x', usage: '', summary: '.so /etc/passwd \\fB "a" \'b\' …😀', examples: [], flags: [] }
  const program = { name: 'p', summary: '', commands: [command], commonFlags: [], flags: [] }
  const page = manualPage({ program, version: '1', date: '2026-11-21', description: [], sections: [], seeAlso: [] })
  t.ok(page.includes('\n\\&.so /etc/passwd \\(rsfB \\(dqa\\(dq \\(aqb\\(aq \\[u2026]\\[u1F600].\n'), page)
})
