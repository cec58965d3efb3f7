/**
 * Names are labels: whatever stands in them, the file is stored, found and fetched under it, and nothing is written outside the store.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startDaemon } from '../support/daemon.ts'
import { contentOf } from '../support/random.ts'
import { numberedChunk, TYPE } from '../support/wire.ts'

const NAMES = [
  '../../etc/passwd', 'a/b', '.', '..', '/', '/etc/passwd', '😀'.repeat(256), 'line\nbreak', '\u001b[31mred', '-rf', ' ', 'CON',
  'x'.repeat(1024),
]
const FID = '6ba7b810-9dad-41d1-80b4-00c04fd430c8'

t.test('names that look like paths are stored and fetched, and make none', async t => {
  const daemon = await startDaemon(t)
  const client = await daemon.client()
  t.teardown(() => client.destroy())
  const contents = NAMES.map((_, i) => contentOf(i, 700 + i))
  const files = NAMES.map((name, i) => ({ name, size: 700 + i }))
  t.equal((await client.authenticate(daemon.token(), { fid: FID, files, tags: ['odd'] })).response, 'Ok')
  for (const [i, bytes] of contents.entries()) t.equal((await client.sendChunk(numberedChunk(FID, i, 0), bytes)).stored?.file, i)
  const found = (await client.request(TYPE.find, { tags: ['odd'] })).files as unknown as { file: number; name: string }[]
  t.strictSame(found.toSorted((a, b) => a.file - b.file).map(({ name }) => name), NAMES)
  for (const [i, bytes] of contents.entries()) {
    const got = await client.fetch({ fid: FID, file: i })
    t.ok(got.bytes.equals(bytes), `${JSON.stringify(NAMES[i]).slice(0, 40)} is the same byte for byte`)
    t.equal(got.answer['name'], NAMES[i])
  }
  const beside = readdirSync(daemon.directory).filter(entry => !['secret', 'store', 'tally.sock'].includes(entry))
  t.strictSame(beside, [], 'nothing beside the store')
  for (const entry of readdirSync(daemon.store, { recursive: true, encoding: 'utf8' })) {
    t.match(join('/', entry), /^\/[a-z0-9./-]+$/, `${entry} is a name of the store's own`)
  }
})

for (const [what, name] of [['of no bytes', ''], ['with a NUL', 'a\0b'], ['of 1,025 bytes', 'x'.repeat(1025)]] as const) {
  t.test(`refuses a name ${what} and announces nothing`, async t => {
    const daemon = await startDaemon(t)
    const client = await daemon.client()
    t.teardown(() => client.destroy())
    await client.authenticate(daemon.token())
    t.equal((await client.authenticate(daemon.token(), { fid: FID, files: [{ name, size: 1 }] })).code, 'name-invalid')
    t.equal((await client.authenticate(daemon.token(), { fid: FID })).code, 'unknown-fid')
  })
}
