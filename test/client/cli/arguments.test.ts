/** The command line's grammar: what it takes, and what it refuses by name. */
import t from 'tap'
import { type Flag, UsageError, checkVariables, commandFirst, countOf, readArguments, secondsOf, sizeOf } from '../../../client/cli/arguments.ts'
import { escaped, jsonText, sizeText, wrapped } from '../../../client/cli/text.ts'

const FLAGS: readonly Flag[] = [
  { name: 'tag', short: 't', value: 'T', repeatable: true, help: '' },
  { name: 'name', value: 'NAME', help: '' },
  { name: 'force', short: 'f', help: '' },
]

t.test('takes flags and arguments in any order, values apart or after =', async t => {
  const given = readArguments(['a', '--tag', 'x', '-t', 'y', '--name=z=1', 'b', '-f', '--', '--tag'], FLAGS)
  t.strictSame(given.positionals, ['a', 'b', '--tag'])
  t.strictSame(given.all('tag'), ['x', 'y'])
  t.equal(given.one('name'), 'z=1')
  t.equal(given.has('force'), true)
})

t.test('flags may stand before the command, with their values', async t => {
  t.strictSame(commandFirst(['-f', '--name', 'ls', '--tag=x', 'ls', '--force'], FLAGS), ['ls', '-f', '--name', 'ls', '--tag=x', '--force'])
  for (const line of [['ls', '--name', 'x'], ['--unknown', 'ls'], ['--force'], ['--name'], []]) t.strictSame(commandFirst(line, FLAGS), line)
})

t.test('a lone dash is an argument or a value', async t => {
  t.strictSame(readArguments(['-'], FLAGS).positionals, ['-'])
  t.equal(readArguments(['--name', '-'], FLAGS).one('name'), '-')
})

const REFUSED: readonly (readonly [args: string[], text: RegExp])[] = [
  [['--tga', 'x'], /"--tga".*did you mean --tag\?/],
  [['--forse'], /did you mean --force\?/],
  [['--completely-else'], /^unknown flag "--completely-else" \(tally --help lists the flags\)$/],
  [['-x'], /"-x"/],
  [['--tag'], /needs a value/],
  [['--name', '--force'], /needs a value/],
  [['--force=yes'], /takes no value/],
  [['--name', 'a', '--name', 'b'], /twice/],
]
for (const [args, text] of REFUSED) {
  t.test(`refuses ${args.join(' ')}`, async t => {
    t.throws(() => readArguments(args, FLAGS), { name: 'UsageError', message: text })
  })
}

t.test('sizes, times and counts', async t => {
  t.equal(sizeOf('x', '1024'), 1024)
  t.equal(sizeOf('x', '64K'), 65_536)
  t.equal(sizeOf('x', '2GiB'), 2 * 1024 ** 3)
  t.equal(secondsOf('x', '7d'), 604_800)
  t.equal(countOf('x', '10', 1, 10), 10)
  for (const text of ['', '-1', '1.5', '1X', '99999999T']) t.throws(() => sizeOf('x', text), UsageError)
  for (const text of ['', '5', '1w']) t.throws(() => secondsOf('x', text), UsageError)
  for (const text of ['0', '11', 'x', '1e1']) t.throws(() => countOf('x', text, 1, 10), UsageError)
})

t.test('control characters are escaped, as text and in JSON', async t => {
  t.equal(escaped('a\u001b[2J\u009b\u202eé😀'), 'a\\x1b[2J\\x9b\\u{202e}é😀')
  const json = jsonText({ name: 'a\u001b\u009b\u202e\u007f😀' })
  t.equal(json, '{"name":"a\\u001b\\u009b\\u202e\\u007f😀"}')
  t.equal((JSON.parse(json) as { name: string }).name, 'a\u001b\u009b\u202e\u007f😀')
})

t.test('sizes for people', async t => {
  t.equal(sizeText(0), '0 B')
  t.equal(sizeText(1536), '1.5 KiB')
  t.equal(sizeText(1024 ** 4 * 5000), '4.9 PiB')
})

t.test('what is too long for a terminal goes on in the next line, indented, and no part is cut', async t => {
  const parts = ['one', 'two', 'three', 'a part that is longer than a line', 'four']
  t.equal(wrapped(parts, 12), 'one  two\n    three\n    a part that is longer than a line\n    four')
  t.equal(wrapped(parts, 100), parts.join('  '))
})

t.test('a variable that is nearly one of either program\'s is refused, with that one; another program\'s is none of our business', async t => {
  t.throws(() => checkVariables({ TALLY_SOKCET: '/a' }), { name: 'UsageError', message: 'unknown variable TALLY_SOKCET; did you mean TALLY_SOCKET?' })
  checkVariables({ TALLY_ZZZZZZZZ: '1' })
  checkVariables({ TALLY_STORE: '/the/daemon/s', TALLY_TOKEN: 'x', TALLY_TEST_SEED: '1', TALLY_SOKCET: '' })
})
