/** The program `tally` on a real terminal: its bar, ^C and the same command again, narrow windows, and no colour where none is wanted. */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import t from 'tap'
import { columnsOf } from '../../../client/cli/text.ts'
import { contentOf } from '../../support/random.ts'
import { MAIN, type Setting, setUp } from './run-cli.ts'

const TERMINAL = join(import.meta.dirname, '../../support/terminal.py')

interface Shown {
  readonly code: number | null
  readonly raw: string
  /** Each state of a line that was drawn, without escape sequences. */
  readonly lines: readonly string[]
}

/** @param keyAfter press ^C once this was shown; empty: never */
async function onTerminal(
  { daemon, directory }: Setting, args: readonly string[],
  { columns = 80, keyAfter = '', env = {} }: { columns?: number; keyAfter?: string; env?: object } = {},
): Promise<Shown> {
  const child = spawn('python3', [TERMINAL, String(columns), keyAfter, process.execPath, MAIN, ...args], {
    cwd: directory,
    env: {
      PATH: process.env['PATH'], HOME: directory, LANG: 'C.UTF-8', TERM: 'xterm', PYTHONCOERCECLOCALE: '0',
      TALLY_SOCKET: daemon.socket, TALLY_SECRET_FILE: daemon.secretFile,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let raw = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => { raw += text })
  const code = await new Promise<number | null>(resolve => child.once('close', resolve))
  return { code, raw, lines: stripVTControlCharacters(raw).split(/[\r\n]+/) }
}

t.test('a long put draws its bar; ^C ends it in order, and the same command goes on', async t => {
  const setting = await setUp(t)
  writeFileSync(join(setting.directory, 'big'), contentOf(1, 20_000_000))
  const args = ['put', 'big', '--chunk-size', '200', '--tag', 'x']
  const first = await onTerminal(setting, args, { keyAfter: ' [2-9]\\d? %' })
  t.equal(first.code, 130, first.raw)
  t.ok(first.lines.some(line => /^big \[█*▒*·*\] +\d+ %/.test(line)), 'name, bar and percentage')
  t.match(first.lines.filter(line => line !== '').at(-1), 'run the same command again to continue')
  const second = await onTerminal(setting, args)
  t.equal(second.code, 0, second.raw)
  const percentages = second.lines.flatMap(line => /(\d+) %/.exec(line)?.[1] ?? []).map(Number)
  t.ok((percentages[0] ?? 0) >= 2, `it goes on from ${percentages[0]} %`)
  const [last, line] = second.raw.split('\u001b[K').slice(-2)
  t.ok(last?.endsWith('\r'), 'the bar is taken away')
  t.match(line, /^[0-9a-f-]{36}\/0 {2}sha256:/, 'and only the result stays')
})

t.test('on a narrow terminal no line of progress wraps, whatever its files are called', async t => {
  const setting = await setUp(t)
  for (const name of ['東京東京東京東京', 'b']) writeFileSync(join(setting.directory, name), contentOf(2, 3_000_000))
  for (const columns of [20, 33]) {
    await setting.run(['rm', '--name', '*', '--yes'])
    const { code, raw, lines } = await onTerminal(setting, ['put', '東京東京東京東京', 'b', '--chunk-size', '200'], { columns })
    t.equal(code, 0, raw)
    const drawn = lines.filter(line => / %|[KM]iB/.test(line))
    t.ok(drawn.length > 0)
    for (const line of drawn) t.ok(columnsOf(line) < columns, line)
  }
})

t.test('colour on a terminal, none with NO_COLOR, nothing but ASCII without UTF-8, neither bar nor colour in a pipe', async t => {
  const setting = await setUp(t)
  writeFileSync(join(setting.directory, 'a'), contentOf(3, 3_000_000))
  const args = ['put', 'a', '--chunk-size', '200']
  const isStyled = (raw: string): boolean => /\u001b\[\d*m/.test(raw)
  t.equal(isStyled((await onTerminal(setting, args)).raw), true)
  await setting.run(['rm', '--name', '*', '--yes'])
  t.equal(isStyled((await onTerminal(setting, args, { env: { NO_COLOR: '1' } })).raw), false)
  await setting.run(['rm', '--name', '*', '--yes'])
  t.match((await onTerminal(setting, args, { env: { LANG: 'C' } })).raw, /^[\x00-\x7f]*$/)
  t.equal(isStyled((await onTerminal(setting, ['ls'])).raw), true)
  t.equal(isStyled((await onTerminal(setting, ['ls'], { env: { NO_COLOR: '1' } })).raw), false)
  await setting.run(['rm', '--name', '*', '--yes'])
  const piped = await setting.run(args)
  t.equal(piped.stderr, '')
  t.notMatch(piped.stdout.toString(), /[\r\u001b]/)
})

t.test('a file that may be known draws how far it is hashed, then how far it is sent', async t => {
  const setting = await setUp(t)
  const path = join(setting.directory, 'film')
  writeFileSync(path, contentOf(4, 200_000_000))
  await setting.run(['put', 'film'])
  writeFileSync(path, contentOf(5, 200_000_000))
  const { code, raw, lines } = await onTerminal(setting, ['put', 'film'])
  t.equal(code, 0, raw)
  const kinds = lines.flatMap(line => /^(hashing film|film) \[.* \d+ %/.exec(line)?.[1] ?? [])
  t.equal(kinds[0], 'hashing film')
  t.equal(kinds.at(-1), 'film')
  t.equal(kinds.lastIndexOf('hashing film') < kinds.indexOf('film'), true)
})
