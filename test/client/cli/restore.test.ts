/** A tree goes in with `put --recursive` and comes out in another directory as it was. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Random, chooseSeed } from '../../support/random.ts'
import { setUp } from './run-cli.ts'

const FILES = 400
const NAMES = ['a', 'B', 'b', 'two words', 'ümlaut', '東京', '.hidden', 'e.tar.gz', '😀', '%41', '\\', '"', '$HOME', '*']

t.test(`${FILES} files, put twice and fetched twice: no difference, and the second time nothing moves`, async t => {
  const seed = chooseSeed()
  t.comment(`TALLY_TEST_SEED=${seed}`)
  const random = new Random(seed)
  const { directory, run } = await setUp(t)
  for (let index = 0; index < FILES; index++) {
    const depth = random.between(0, 3)
    const above = join(directory, 'tree', ...Array.from({ length: depth }, () => `d-${NAMES[random.between(0, NAMES.length - 1)]}`))
    mkdirSync(above, { recursive: true })
    const name = `${NAMES[random.between(0, NAMES.length - 1)]}-${index}`
    // Some are equal, some empty, some of more than a chunk.
    writeFileSync(join(above, name), random.bytes([0, 10, 4096, 100_000][random.between(0, 3)] ?? 0))
  }
  for (const time of ['first', 'second'] as const) {
    const put = await run(['put', '--recursive', 'tree', '--tag', 't', '--json'])
    t.equal(put.code, 0, put.stderr)
    t.equal(put.json.length, FILES)
    const sent = put.json.reduce((sum, { chunksSent }) => sum + Number(chunksSent), 0)
    t.equal(sent === 0, time === 'second', `${sent} chunks were sent the ${time} time`)
    const got = await run(['get', '--tag', 't', '-o', 'back', '--json'])
    t.equal(got.code, 0, got.stderr)
    t.equal(got.json.length, FILES)
    const { status, stdout } = spawnSync('diff', ['-r', join(directory, 'tree'), join(directory, 'back/tree')], { encoding: 'utf8' })
    t.equal(status, 0, stdout)
  }
})

t.test('the same file twice in one command is stored, and sent once', async t => {
  const { directory, run } = await setUp(t)
  writeFileSync(join(directory, 'a'), Buffer.alloc(500_000, 1))
  const put = await run(['put', 'a', 'a', './a', '--json', '--chunk-size', '1000'])
  t.equal(put.code, 0, put.stderr)
  t.equal(new Set(put.json.map(({ fid }) => fid)).size, 1)
})
