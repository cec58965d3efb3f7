/** Damage and repair as an app and a person at a shell see them, against a real daemon: put, a bit flips, get is refused, put again. */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { connect } from '../../client/index.ts'
import { chooseSeed, contentOf } from '../support/random.ts'
import { setUp } from './cli/run-cli.ts'

const BLOCK_BYTES = 262_144
const CHUNK_BYTES = 16_384

/** The largest blob: the one of the file that the test put. */
function flipBit(store: string, offset: number): void {
  const shard = join(store, 'blobs', '000')
  const [file = ''] = readdirSync(shard).map(name => join(shard, name)).sort((a, b) => readFileSync(b).length - readFileSync(a).length)
  const bytes = readFileSync(file)
  bytes[offset] = (bytes[offset] as number) ^ 4
  writeFileSync(file, bytes)
}

t.test('the library: get rejects with content-damaged, put of the same path sends the chunks of the damaged blocks, and get gives the bytes', async t => {
  const seed = chooseSeed()
  t.comment(`TALLY_TEST_SEED=${seed}`)
  const { daemon, directory } = await setUp(t)
  await using tally = await connect({ socket: daemon.socket, secretFile: daemon.secretFile })
  const bytes = contentOf(seed, 40 * BLOCK_BYTES + 99)
  const path = join(directory, 'film')
  writeFileSync(path, bytes)
  const put = () => tally.put(path, { tags: ['film'], chunkSizeBytes: CHUNK_BYTES })
  const { fid } = await put()
  t.equal((await put()).counts.chunksSent, 0, 'stored is not sent again')
  flipBit(daemon.store, 17 * BLOCK_BYTES)
  flipBit(daemon.store, 40 * BLOCK_BYTES + 98)
  const target = join(directory, 'out')
  await t.rejects(tally.get({ fid, file: 0 }, { path: target }), { code: 'content-damaged' })
  const untilMs = Date.now() + 60_000
  let sent = 0
  // What was damaged is known once the whole content was read, in the background.
  while (sent === 0 && Date.now() < untilMs) sent += (await put()).counts.chunksSent
  t.equal(sent, BLOCK_BYTES / CHUNK_BYTES + 1, 'one block, and the short last one')
  await tally.get({ fid, file: 0 }, { path: target })
  t.ok(readFileSync(target).equals(bytes))
  t.equal((await put()).counts.chunksSent, 0)
})

t.test('the command line: get fails and says why, fsck names it, put repairs it, and fsck is clean', async t => {
  const { daemon, directory, run } = await setUp(t)
  const bytes = contentOf(7, 3 * BLOCK_BYTES)
  writeFileSync(join(directory, 'film'), bytes)
  const [stored] = (await run(['put', 'film', '--tag', 'x', '--json'])).json
  await daemon.kill('SIGTERM')
  flipBit(daemon.store, BLOCK_BYTES + 5)
  const fsck = () => spawnSync(process.execPath, [join(import.meta.dirname, '../../daemon/main.ts'), 'fsck', '--store', daemon.store], { encoding: 'utf8' })
  const found = fsck()
  t.equal(found.status, 1)
  t.match(found.stdout, /damaged {2}\S+\/0 {2}"film" {2}#x .* bytes 262144–524287 of 786432/)
  await daemon.start()
  const refused = await run(['get', `${stored?.['fid']}/0`, '-o', 'out'])
  t.equal(refused.code, 1)
  t.match(refused.stderr, /digest|damaged/)
  t.match((await run(['why', `${stored?.['fid']}`])).stdout.toString(), /"film" is stored, but its content is damaged: bytes 262144–524287 of 786432\./)
  t.equal((await run(['put', 'film', '--tag', 'x'])).code, 0)
  t.equal((await run(['get', `${stored?.['fid']}/0`, '-o', 'out', '--force'])).code, 0)
  t.ok(readFileSync(join(directory, 'out')).equals(bytes))
  await daemon.kill('SIGTERM')
  t.equal(fsck().status, 0)
})
