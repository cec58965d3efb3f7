/** Quotas over a real socket: who is refused where, what is kept, and that figures survive a kill. */
import { randomUUID } from 'node:crypto'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'
import { contentOf } from '../support/random.ts'
import { type Answer, RawClient } from '../support/raw-client.ts'
import { numberedChunk, TYPE } from '../support/wire.ts'

const QUOTA = 10_000

t.test('one byte over the quota is refused at AUTHENTICATION with the user\'s figures; what is removed is given back', async t => {
  const { daemon, client } = await start(t)
  const fid = randomUUID()
  t.equal((await announce(client, daemon, fid, 6000)).response, 'Ok')
  const over = await announce(client, daemon, randomUUID(), 4001)
  t.match(over, { code: 'quota-exceeded', unit: 'bytes', limit: QUOTA, used: 6000 })
  t.notOk(over.fatal)
  t.equal((await announce(client, daemon, randomUUID(), 4000)).response, 'Ok')
  t.match(await announce(client, daemon, randomUUID(), 1), { code: 'quota-exceeded', used: QUOTA })
  await daemon.kill()
  await daemon.start()
  const again = await connected(t, daemon)
  t.match(await announce(again, daemon, randomUUID(), 1), { code: 'quota-exceeded', used: QUOTA })
  t.equal((await announce(again, daemon, fid, 6000)).response, 'Ok', 'to resume adds nothing')
  t.equal((await again.request(TYPE.remove, { fid })).response, 'Ok')
  t.equal((await announce(again, daemon, randomUUID(), 6000)).response, 'Ok')
  t.equal((await again.authenticate(daemon.token({ sub: 'eve' }), files(QUOTA))).response, 'Ok', 'another user has a quota of her own')
})

t.test('the smallest holds: the claim lowers the daemon\'s quota and does not raise it', async t => {
  const { daemon, client } = await start(t)
  const answer = (quota: number, size: number) => client.authenticate(daemon.token({ sub: 'ada', quota }), files(size))
  t.match(await answer(500, 501), { code: 'quota-exceeded', limit: 500, used: 0 })
  t.match(await answer(QUOTA * 2, QUOTA + 1), { code: 'quota-exceeded', limit: QUOTA, used: 0 })
  t.match(await answer(0, 1), { code: 'quota-exceeded', limit: 0 })
  t.equal((await answer(0, 0)).response, 'Ok')
})

t.test('files are counted too', async t => {
  const { daemon, client } = await start(t, ['--quota-files', '2'])
  const two = [{ name: 'a', size: 0 }, { name: 'b', size: 0 }]
  t.equal((await client.authenticate(daemon.token(), { files: two, fid: randomUUID() })).response, 'Ok')
  t.match(await announce(client, daemon, randomUUID(), 0), { code: 'quota-exceeded', unit: 'files', limit: 2, used: 2 })
})

t.test('announced without a fid, whose Ok was lost: a transfer of which something is stored stays and counts until it is found and removed; else it is dropped', async t => {
  const { daemon } = await start(t)
  for (const isStored of [true, false]) {
    const lost = await connected(t, daemon)
    const announcement = [{ name: 'rest', size: 6000 }, ...(isStored ? [{ name: 'empty', size: 0 }] : [])]
    await lost.authenticate(daemon.token(), { files: announcement, tags: ['lost'] })
    lost.destroy()
    await daemon.kill()
    await daemon.start()
    const again = await connected(t, daemon)
    const answer = await announce(again, daemon, randomUUID(), QUOTA)
    t.match(answer, isStored ? { code: 'quota-exceeded', used: 6000 } : { response: 'Ok' })
    const found = await again.request(TYPE.find, { tags: ['lost'], state: 'receiving' })
    t.equal((found.files as unknown[]).length, isStored ? 1 : 0)
    if (!isStored) continue
    const [{ fid } = { fid: '' }] = found.files as unknown as { fid: string }[]
    t.equal((await again.request(TYPE.remove, { fid })).response, 'Ok')
    const room = randomUUID()
    t.equal((await announce(again, daemon, room, QUOTA)).response, 'Ok')
    t.equal((await again.request(TYPE.remove, { fid: room })).response, 'Ok')
  }
})

for (const kind of ['numbered', 'opaque'] as const) {
  t.test(`a file of unknown size is refused at the ${kind} chunk that goes too far; what was acknowledged stays`, async t => {
    const { daemon, client } = await start(t)
    const fid = randomUUID()
    t.equal((await announce(client, daemon, fid, null)).response, 'Ok')
    const chunk = (index: number) => client.sendChunk(kind === 'numbered' ? numberedChunk(fid, 0, index) : randomUUID(), contentOf(index, 1000))
    for (let index = 0; index < 10; index++) t.equal((await chunk(index)).response, 'Ok')
    t.match(await chunk(10), { code: 'quota-exceeded', unit: 'bytes', limit: QUOTA, used: QUOTA })
    t.equal(blobBytes(daemon), QUOTA, 'what was refused is not on the disk')
    const [file] = (await client.authenticate(daemon.token(), { fid })).files as { state: string; missing: unknown[] }[]
    t.match(file, { state: 'receiving', missing: [] })
    const told = await announce(client, daemon, fid, QUOTA)
    t.match(told, { response: 'Ok', files: [{ state: /finishing|stored/, missing: [] }] })
    t.match(await announce(client, daemon, randomUUID(), 1), { code: 'quota-exceeded', used: QUOTA })
  })
}

t.test('of two streams that race for the last bytes one wins', async t => {
  const { daemon, client } = await start(t)
  const fids = [randomUUID(), randomUUID()]
  const other = await connected(t, daemon)
  t.equal((await announce(client, daemon, fids[0] as string, null)).response, 'Ok')
  t.equal((await announce(other, daemon, fids[1] as string, null)).response, 'Ok')
  const outcomes: Answer[] = []
  for (let index = 0; index < 12; index++) {
    outcomes.push(...await Promise.all([client, other].map((each, i) => each.sendChunk(numberedChunk(fids[i] as string, 0, index), contentOf(index, 1000)))))
  }
  const ok = outcomes.filter(({ response }) => response === 'Ok').length
  t.equal(ok, 10, 'exactly what fits')
  t.ok(outcomes.filter(({ response }) => response === 'Error').every(({ code }) => code === 'quota-exceeded'))
})

t.test('a file that is stored does not count twice, nor does the same content again once it is stored', async t => {
  const { daemon, client } = await start(t)
  for (const fid of [randomUUID(), randomUUID(), randomUUID()]) {
    t.equal((await announce(client, daemon, fid, 900)).response, 'Ok')
    t.ok((await client.sendChunk(numberedChunk(fid, 0, 0), contentOf(7, 900))).stored)
  }
  t.equal((await announce(client, daemon, randomUUID(), QUOTA - 900)).response, 'Ok')
  t.match(await announce(client, daemon, randomUUID(), 1), { code: 'quota-exceeded', used: QUOTA })
})

function blobBytes({ store }: TestDaemon): number {
  const entries = readdirSync(join(store, 'blobs'), { recursive: true, withFileTypes: true })
  return entries.filter(entry => entry.isFile()).reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0)
}

async function start(t: Test, args: readonly string[] = []): Promise<{ daemon: TestDaemon; client: RawClient }> {
  const daemon = await startDaemon(t, { args: ['--quota', String(QUOTA), ...args] })
  return { daemon, client: await connected(t, daemon) }
}

async function connected(t: Test, daemon: TestDaemon): Promise<RawClient> {
  const client = await daemon.client()
  t.teardown(() => client.destroy())
  t.equal((await client.authenticate(daemon.token())).response, 'Ok')
  return client
}

function files(size: number | null) {
  return { fid: randomUUID(), files: [{ name: 'a', size }] }
}

function announce(client: RawClient, daemon: TestDaemon, fid: string, size: number | null): Promise<Answer> {
  return client.authenticate(daemon.token(), { ...files(size), fid, 'chunk-size': 1000 })
}
