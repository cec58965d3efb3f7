/** TAG over a real socket: what it answers, what FIND and FETCH say after it, what survives a kill, and whose files it reaches. */
import t, { type Test } from 'tap'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'
import type { RawClient } from '../support/raw-client.ts'
import { contentOf } from '../support/random.ts'
import { numberedChunk, TYPE } from '../support/wire.ts'

const FID = '6ba7b810-9dad-41d1-80b4-00c04fd430c8'

t.test('tags of stored and receiving files change, and an Ok survives a kill', async t => {
  const daemon = await startDaemon(t)
  let client = await announced(t, daemon)
  const { tags } = await client.request(TYPE.tag, { fid: FID, file: 0, add: ['new', 'one'], remove: ['own'] })
  t.strictSame(tags, ['all', 'new', 'one'], 'what stays keeps its place, what is new follows')
  t.strictSame((await client.request(TYPE.tag, { fid: FID, add: ['new', 'late', 'both'], remove: ['one', 'both'] })).tags, ['all', 'new', 'late'])
  await daemon.kill()
  await daemon.start()
  client = await daemon.client()
  t.teardown(() => client.destroy())
  await client.authenticate(daemon.token())
  t.strictSame(await tagsOf(client, { tags: ['new'] }), [['all', 'new', 'late']])
  t.strictSame(await tagsOf(client, { tags: ['late'], state: 'receiving' }), [['all', 'new', 'late']])
  for (const tag of ['own', 'one', 'both']) t.strictSame(await tagsOf(client, { tags: [tag] }), [], tag)
  t.strictSame((await client.fetch({ fid: FID, file: 0 })).answer.tags, ['all', 'new', 'late'])
  t.strictSame((await client.request(TYPE.tag, { fid: FID })).tags, ['all', 'new', 'late'], 'one that changes nothing reads')
})

t.test('a FIND sent right behind a TAG sees what it changed', async t => {
  const daemon = await startDaemon(t)
  const client = await announced(t, daemon)
  const tagged = client.request(TYPE.tag, { fid: FID, add: ['behind'] })
  const found = tagsOf(client, { tags: ['behind'] })
  t.equal((await tagged).response, 'Ok')
  t.strictSame(await found, [['all', 'own', 'behind']])
})

t.test('FIND refuses an `after` that was no `next`', async t => {
  const client = await announced(t, await startDaemon(t))
  for (const after of ['', 'garbage', '-1', '1.5', '0x10', '9'.repeat(17)]) {
    t.match(await client.request(TYPE.find, { after }), { code: 'malformed', field: 'after' }, after)
  }
  t.equal((await client.request(TYPE.find, { after: '1' })).response, 'Ok')
})

t.test('an announcement after a TAG adds its own tags again, and no others', async t => {
  const daemon = await startDaemon(t)
  const client = await announced(t, daemon)
  await client.request(TYPE.tag, { fid: FID, file: 0, remove: ['own', 'all'] })
  await client.authenticate(daemon.token(), { fid: FID, tags: ['all'], files: FILES.map(({ name, size }) => ({ name, size })) })
  t.strictSame((await client.request(TYPE.tag, { fid: FID, file: 0 })).tags, ['all'])
})

t.test('limits: the form of a tag, and 64 of a file, counted after what is removed', async t => {
  const daemon = await startDaemon(t)
  const client = await announced(t, daemon)
  for (const tag of ['', 'x'.repeat(129), 'a\u0000b']) {
    t.match(await client.request(TYPE.tag, { fid: FID, add: [tag] }), { code: 'tag-invalid', field: 'add[0]', limit: 128 })
  }
  const many = Array.from({ length: 63 }, (_, i) => `${i}`)
  t.match(await client.request(TYPE.tag, { fid: FID, add: many }), { code: 'tag-invalid', limit: 64 }, 'file 0 has two of its own')
  t.strictSame((await client.request(TYPE.tag, { fid: FID, file: 1 })).tags, ['all'], 'none of the files has changed')
  t.equal((await client.request(TYPE.tag, { fid: FID, add: many, remove: ['own'] })).response, 'Ok')
})

t.test('what is absent, removed or of another user is not-found; without the scope it is forbidden', async t => {
  const daemon = await startDaemon(t)
  const client = await announced(t, daemon)
  const other = await daemon.client()
  t.teardown(() => other.destroy())
  t.match(await other.request(TYPE.tag, { fid: FID, add: ['mine'] }), { code: 'unauthenticated' })
  await other.authenticate(daemon.token({ sub: 'eve' }))
  t.match(await other.request(TYPE.tag, { fid: FID, add: ['mine'] }), { code: 'not-found' })
  await other.authenticate(daemon.token({ sub: 'ada', scope: 'put get find remove' }))
  t.match(await other.request(TYPE.tag, { fid: FID, add: ['mine'] }), { code: 'forbidden', scope: 'tag' })
  t.match(await client.request(TYPE.tag, { fid: FID, file: 2, add: ['x'] }), { code: 'not-found' })
  t.match(await client.request(TYPE.tag, { fid: FID.replace('6', '7'), add: ['x'] }), { code: 'not-found' })
  await client.request(TYPE.remove, { fid: FID, file: 0 })
  t.match(await client.request(TYPE.tag, { fid: FID, file: 0, add: ['x'] }), { code: 'not-found' })
  t.strictSame((await client.request(TYPE.tag, { fid: FID, add: ['x'] })).tags, ['all', 'x'], 'the file that is left')
  await client.request(TYPE.remove, { fid: FID })
  t.match(await client.request(TYPE.tag, { fid: FID, add: ['x'] }), { code: 'not-found' })
})

const FILES = [{ name: 'stored', size: 700, tags: ['own'] }, { name: 'receiving', size: 700 }]

/** A client with a transfer of two files, of which the first is stored. */
async function announced(t: Test, daemon: TestDaemon): Promise<RawClient> {
  const client = await daemon.client()
  t.teardown(() => client.destroy())
  t.equal((await client.authenticate(daemon.token(), { fid: FID, files: FILES, tags: ['all'] })).response, 'Ok')
  t.equal((await client.sendChunk(numberedChunk(FID, 0, 0), contentOf(1, 700))).stored?.file, 0)
  return client
}

async function tagsOf(client: RawClient, query: object): Promise<unknown> {
  return (await client.request(TYPE.find, { ...query })).files?.map(file => (file as { tags?: unknown }).tags)
}
