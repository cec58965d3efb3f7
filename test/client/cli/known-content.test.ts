/** `tally put` of what is stored already: it says so and sends nothing, whichever way it came to know. */
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { contentOf } from '../../support/random.ts'
import { setUp } from './run-cli.ts'

const bytes = contentOf(1, 3_000_000)
const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`

t.test('the same file from another directory ends at once, says that it is there, and sends nothing', async t => {
  const { directory, run } = await setUp(t)
  for (const name of ['a', 'b', 'c']) {
    mkdirSync(join(directory, name))
    writeFileSync(join(directory, name, 'film.mkv'), bytes)
    writeFileSync(join(directory, name, 'note'), 'small')
  }
  const first = await run(['put', 'a/film.mkv', 'a/note'])
  t.equal(first.code, 0, first.stderr)
  t.notMatch(first.stdout.toString(), 'already there')
  const lines = (await run(['put', 'b/film.mkv', 'b/note'])).stdout.toString().trimEnd().split('\n').sort()
  t.equal(lines.length, 2)
  for (const line of lines) t.match(line, /^[0-9a-f-]{36}\/0 {2}sha256:[0-9a-f]{64} {2}(film\.mkv|note) {2}\(already there\)$/)
  const { json } = await run(['put', '--recursive', 'c', '--json'])
  t.match(json.find(({ name }) => name === 'c/film.mkv'), { size: 3_000_000, digest, sentBytes: 0, chunksSent: 0 })
  t.match(json.find(({ name }) => name === 'c/note'), { sentBytes: 0 })
  t.match((await run(['put', 'a/film.mkv', '--json'])).json, [{ sentBytes: 0 }], 'the very same, too')
  t.match((await run(['ls', '--name', '*film.mkv', '--json'])).json.length, 3)
})

t.test('--digest-first always finds what has another name, never sends what has the same', async t => {
  const { directory, run } = await setUp(t)
  for (const name of ['a', 'b', 'c', 'd']) writeFileSync(join(directory, name), bytes)
  mkdirSync(join(directory, 'x'))
  writeFileSync(join(directory, 'x', 'a'), bytes)
  await run(['put', 'a'])
  t.match((await run(['put', 'b', '--digest-first', 'always', '--json'])).json, [{ sentBytes: 0 }])
  t.match((await run(['put', 'x/a', '--digest-first', 'never', '--json'])).json, [{ sentBytes: 3_000_000 }])
  const wrong = await run(['put', 'a', '--digest-first', 'sometimes'])
  t.equal(wrong.code, 2)
  t.match(wrong.stderr, 'auto, always, never')
})

t.test('--digest: what has it is stored, what is known under it not sent, and what has another is refused', async t => {
  const { directory, run } = await setUp(t)
  for (const name of ['a', 'b']) writeFileSync(join(directory, name), bytes)
  const other = `sha256:${'0'.repeat(64)}`
  const refused = await run(['put', 'a', '--digest', other])
  t.equal(refused.code, 1)
  t.match(refused.stderr, 'a does not have the digest that was given for it')
  const error = { code: 'digest-mismatch', expected: other, actual: digest }
  t.match((await run(['put', 'a', '--digest', other, '--json'])).json, [{ path: 'a', error }])
  t.match((await run(['put', '-', '--digest', other, '--json'], { input: bytes })).json, [{ path: '-', error }])
  t.match((await run(['put', 'a', '--digest', digest, '--json'])).json, [{ digest, sentBytes: 3_000_000 }])
  t.match((await run(['put', 'b', '--digest', digest, '--json'])).json, [{ digest, sentBytes: 0 }])
  t.equal((await run(['ls', '--json'])).json.length, 2)
  for (const args of [['a', '--digest', 'md5:0'], ['a', 'b', '--digest', digest], ['-r', '.', '--digest', digest]]) {
    t.equal((await run(['put', ...args])).code, 2, args.join(' '))
  }
})
