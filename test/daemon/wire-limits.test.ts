/** Limits of users over a real socket: each refusal names its limit, what waits is never dropped, and what makes room always works. */
import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { startDaemon, TestDaemon } from '../support/daemon.ts'
import { contentOf } from '../support/random.ts'
import type { RawClient } from '../support/raw-client.ts'
import { numberedChunk, TYPE } from '../support/wire.ts'

t.test('a user has so many connections, others have their own, and one that closes makes room', async t => {
  const daemon = await startDaemon(t, { args: ['--user-connections', '2'] })
  const one = await connected(t, daemon)
  await connected(t, daemon)
  t.equal((await one.authenticate(daemon.token())).response, 'Ok', 'the same connection again is no other')
  const third = await daemon.client()
  t.match(await third.authenticate(daemon.token()), { code: 'busy', fatal: undefined, limit: 2, used: 2, 'retry-after': 1000 })
  const eve = await daemon.client()
  t.equal((await eve.authenticate(daemon.token({ sub: 'eve' }))).response, 'Ok')
  t.match(await eve.authenticate(daemon.token()), { code: 'busy' }, 'nor by a change of user')
  t.equal((await eve.request(TYPE.find, {})).response, 'Ok', 'who stays who they were')
  t.equal((await one.authenticate(daemon.token({ sub: 'bob' }))).response, 'Ok', 'who becomes another leaves a place')
  t.equal((await third.authenticate(daemon.token())).response, 'Ok', 'on the connection that was told busy')
  for (const client of [one, third]) await client.close()
  eve.destroy()
})

t.test('an operator looks in when all connections of their user are taken', async t => {
  const daemon = await startDaemon(t, { args: ['--user-connections', '1'] })
  await connected(t, daemon)
  for (let i = 0; i < 8; i++) {
    const operator = await daemon.client()
    t.teardown(() => operator.destroy())
    t.equal((await operator.authenticate(daemon.token({ sub: 'ada', scope: 'admin' }))).response, 'Ok')
    t.equal((await operator.request(TYPE.settings, {})).response, 'Ok')
  }
  for (const scope of ['admin', 'put find']) {
    const another = await daemon.client()
    t.teardown(() => another.destroy())
    t.match(await another.authenticate(daemon.token({ sub: 'ada', scope })), { code: 'busy', limit: 1, used: 9 }, scope)
  }
})

t.test('a user has so many transfers under way: stored ones and those that nobody has open do not count', async t => {
  const daemon = await startDaemon(t, { args: ['--user-transfers', '2'] })
  const client = await connected(t, daemon)
  const [one, two, three] = [randomUUID(), randomUUID(), randomUUID()]
  for (const fid of [one, two]) t.equal((await announce(client, daemon, fid)).response, 'Ok')
  t.match(await announce(client, daemon, three), { code: 'busy', reason: /\(user-transfers\)$/, limit: 2, used: 2, 'retry-after': 1000 })
  t.equal((await announce(client, daemon, one)).response, 'Ok', 'the same again is not another')
  t.ok((await client.sendChunk(numberedChunk(one, 0, 0), contentOf(1, 1000))).stored)
  t.equal((await announce(client, daemon, three)).response, 'Ok')
  t.match(await announce(client, daemon, randomUUID()), { code: 'busy' })
  t.equal((await client.request(TYPE.remove, { fid: two })).response, 'Ok')
  const codes = await Promise.all([1, 2, 3].map(async () => (await announce(await connected(t, daemon), daemon, randomUUID())).code))
  t.same(codes.filter(code => code === 'busy').length, 2, 'of three at once one finds the place')
  const other = await daemon.client()
  t.teardown(() => other.destroy())
  t.equal((await other.authenticate(daemon.token({ sub: 'eve' }), { fid: one, files: [{ name: 'a', size: 1000 }] })).response, 'Ok')
})

for (const flag of ['--limit-rate', '--user-limit-rate']) {
  t.test(`${flag} reads no faster, over all connections, and drops nothing`, async t => {
    const daemon = await startDaemon(t, { args: [flag, '200K'] })
    const fid = randomUUID()
    const clients = [await connected(t, daemon), await connected(t, daemon)]
    for (const client of clients) await client.authenticate(daemon.token(), { fid, files: [{ name: 'a', size: 400 * 1024 }], 'chunk-size': 4096 })
    const began = performance.now()
    const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => {
      return (clients[index % 2] as RawClient).sendChunk(numberedChunk(fid, 0, index), contentOf(index, 4096))
    }))
    t.ok(answers.every(({ response }) => response === 'Ok'))
    // Two seconds' worth, of which a tenth of a second is free.
    t.ok(performance.now() - began > 1500, `${performance.now() - began} ms`)
  })
}

for (const flag of ['--limit-rate', '--user-limit-rate']) {
  t.test(`${flag} is not passed by connecting anew for each chunk`, async t => {
    const daemon = await startDaemon(t, { args: [flag, '64K'] })
    const fid = randomUUID()
    const began = performance.now()
    for (let index = 0; index < 5; index++) {
      const client = await daemon.client()
      await client.authenticate(daemon.token(), { fid, files: [{ name: 'a', size: 6 * 32_768 }], 'chunk-size': 32_768 })
      t.equal((await client.sendChunk(numberedChunk(fid, 0, index), contentOf(index, 32_768))).response, 'Ok')
      await client.close()
    }
    // Five halves of a second's worth: the first two may come within the burst.
    t.ok(performance.now() - began > 1_200, `${performance.now() - began} ms`)
  })
}

t.test('what one user has waiting on many connections delays another by a chunk or two', async t => {
  const daemon = await startDaemon(t, { args: ['--limit-rate', '64K'] })
  const fid = randomUUID()
  const files = [{ name: 'a', size: 40 * 65_536 }]
  let taken = 0
  for (let index = 0; index < 40; index++) {
    const eve = await daemon.client()
    t.teardown(() => eve.destroy())
    await eve.authenticate(daemon.token({ sub: 'eve' }), { fid, files, 'chunk-size': 65_536 })
    void eve.sendChunk(numberedChunk(fid, 0, index), contentOf(index, 65_536)).then(() => taken++, () => undefined)
  }
  const bob = await daemon.client()
  await bob.authenticate(daemon.token({ sub: 'bob' }), { fid, files: [{ name: 'a', size: 1000 }], 'chunk-size': 1000 })
  const before = taken
  t.ok((await bob.sendChunk(numberedChunk(fid, 0, 0), contentOf(1, 1000))).stored)
  t.ok(taken - before <= 4 && taken < 40, `${before} of 40 were taken before, ${taken - before} meanwhile`)
  await bob.close()
})

t.test('with less than --min-free, announcing and writing are refused by name; reading and removing work', async t => {
  const daemon = new TestDaemon({ args: [] })
  t.teardown(() => daemon.dispose())
  await daemon.start()
  const [stored, half] = [randomUUID(), randomUUID()]
  let client = await connected(t, daemon)
  for (const fid of [stored, half]) {
    await client.authenticate(daemon.token(), { fid, files: [{ name: 'a', size: fid === half ? 2000 : 1000 }], 'chunk-size': 1000 })
    await client.sendChunk(numberedChunk(fid, 0, 0), contentOf(1, 1000))
  }
  await daemon.kill()
  const tight = new TestDaemon({ store: daemon.store, args: ['--min-free', '8000T'] })
  t.teardown(() => tight.dispose())
  await tight.start()
  client = await connected(t, tight)
  const limit = 8000 * 2 ** 40
  const refused = await announce(client, tight, randomUUID())
  t.match(refused, { code: 'storage-full', limit })
  t.ok(Number(refused['free']) > 0 && Number(refused['free']) < limit)
  t.match(await client.authenticate(tight.token(), { fid: half }), { response: 'Ok', files: [{ missing: [[1, 1]] }] })
  t.match(await client.sendChunk(numberedChunk(half, 0, 1), contentOf(2, 1000)), { code: 'storage-full', limit })
  t.ok((await client.fetch({ fid: stored, file: 0 })).bytes.equals(contentOf(1, 1000)))
  for (const fid of [stored, half]) t.match(await client.request(TYPE.remove, { fid }), { response: 'Ok', removed: 1 })
})

async function connected(t: Test, daemon: TestDaemon): Promise<RawClient> {
  const client = await daemon.client()
  t.teardown(() => client.destroy())
  t.equal((await client.authenticate(daemon.token())).response, 'Ok')
  return client
}

function announce(client: RawClient, daemon: TestDaemon, fid: string) {
  return client.authenticate(daemon.token(), { fid, files: [{ name: 'a', size: 1000 }], 'chunk-size': 1000 })
}
