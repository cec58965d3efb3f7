/**
 * Users do not meet: whatever one asks for that is another's, by fid, by digest or by tag, is answered as if it did not exist, and nothing
 * of it changes.
 */
import { createHash, randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { startDaemon } from '../support/daemon.ts'
import type { Answer, RawClient } from '../support/raw-client.ts'
import { contentOf } from '../support/random.ts'
import { shown, watch } from '../support/watcher.ts'
import { type Fields, numberedChunk, TYPE } from '../support/wire.ts'

const CHUNK_BYTES = 1000
const BYTES = contentOf(1, 3 * CHUNK_BYTES)
const DIGEST = digestOf(BYTES)

interface Setting {
  readonly ada: RawClient
  readonly bob: RawClient
  readonly adas: string
  /** Another connection of bob's. */
  connectBob(): Promise<RawClient>
  put(client: RawClient, sub: string, fid: string, bytes: Buffer, name: string): Promise<Answer>
}

/** Ada has a stored file with the tag x, and bob nothing. */
async function start(t: Test): Promise<Setting> {
  const daemon = await startDaemon(t)
  const [ada, bob] = [await daemon.client(), await daemon.client()]
  await ada.authenticate(daemon.token())
  await bob.authenticate(daemon.token({ sub: 'bob' }))
  const connectBob = async () => {
    const client = await daemon.client()
    await client.authenticate(daemon.token({ sub: 'bob' }))
    return client
  }
  const put = async (client: RawClient, sub: string, fid: string, bytes: Buffer, name: string) => {
    const file = { name, size: bytes.length, digest: digestOf(bytes) }
    const { files } = await client.authenticate(daemon.token({ sub }), { fid, files: [file], tags: ['x'], 'chunk-size': CHUNK_BYTES })
    t.match(files, [{ state: 'receiving', missing: [[0, 3]] }], 'a digest that another has is not known')
    let last: Answer | undefined
    for (let chunk = 0; chunk * CHUNK_BYTES < bytes.length; chunk++) {
      last = await client.sendChunk(numberedChunk(fid, 0, chunk), bytes.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES))
    }
    return last as Answer
  }
  const adas = randomUUID()
  t.match(await put(ada, 'ada', adas, BYTES, 'adas'), { stored: { digest: DIGEST } })
  return { ada, bob, adas, connectBob, put }
}

t.test('what another has is answered as what nobody has, in the same words', async t => {
  const { ada, bob, adas } = await start(t)
  const absent = randomUUID()
  const asks = (fid: string, digest: string): [type: number, fields: Fields][] => [
    [TYPE.fetch, { fid, file: 0 }],
    [TYPE.fetch, { fid, file: 0, missing: [[0, 1]] }],
    [TYPE.fetch, { fid, file: 0, offset: 0, length: 1 }],
    [TYPE.fetch, { digest }],
    [TYPE.fetch, { digest, missing: [[1, 2]] }],
    [TYPE.fetch, { digest, offset: 1500, length: 10 }],
    [TYPE.tag, { fid, add: ['bobs'] }],
    [TYPE.tag, { fid, file: 0, remove: ['x'] }],
    [TYPE.tag, { fid }],
    [TYPE.remove, { fid, file: 0 }],
    [TYPE.remove, { fid }],
    [TYPE.transfer, { chunk: numberedChunk(fid, 0, 0), data: BYTES.subarray(0, CHUNK_BYTES) }],
  ]
  const real = asks(adas, DIGEST)
  const unreal = asks(absent, digestOf(Buffer.from('nobody has this')))
  for (const [i, [type, fields]] of real.entries()) {
    const [answer, other] = [await bob.request(type, fields), await bob.request(...unreal[i] as [number, Fields])]
    t.equal(answer.response, 'Error', `${type} ${JSON.stringify(Object.keys(fields))}`)
    t.strictSame({ ...answer, 'message-id': '' }, { ...other, 'message-id': '' })
  }
  for (const fields of [{}, { tags: ['x'] }, { 'any-tags': ['x'] }, { name: 'adas' }, { state: 'receiving' }]) {
    t.match(await bob.request(TYPE.find, fields), { files: { length: 0 }, sequence: 0 })
  }
  t.equal(bob.unasked.length, 0, 'not a chunk was sent')
  t.match((await ada.request(TYPE.find, {})).files, [{ fid: adas, tags: ['x'], digest: DIGEST }], 'and it is as it was')
  t.ok((await ada.fetch({ digest: DIGEST })).bytes.equals(BYTES))
})

t.test('a report of another\'s fid is unknown, and announcing it makes a transfer of one\'s own', async t => {
  const { ada, bob, adas, put } = await start(t)
  const other = contentOf(2, 2500)
  t.match(await put(bob, 'bob', adas, other, 'bobs'), { stored: { digest: digestOf(other) } })
  t.ok((await bob.fetch({ fid: adas, file: 0 })).bytes.equals(other))
  t.ok((await ada.fetch({ fid: adas, file: 0 })).bytes.equals(BYTES))
  t.equal((await bob.fetch({ digest: DIGEST })).answer.code, 'not-found')
  t.equal((await bob.request(TYPE.remove, { fid: adas })).removed, 1)
  t.ok((await ada.fetch({ fid: adas, file: 0 })).bytes.equals(BYTES))
})

t.test('equal contents of two users are two: each removes only their own, and neither is told of the other', async t => {
  const { ada, bob, adas, connectBob, put } = await start(t)
  const watching = await watch(await connectBob(), { since: 0 })
  t.match(watching.ok, { sequence: 0 })
  const bobs = randomUUID()
  t.match(await put(bob, 'bob', bobs, BYTES, 'bobs'), { stored: { digest: DIGEST } })
  t.match((await bob.fetch({ digest: DIGEST })).answer, { fid: bobs, name: 'bobs' })
  t.equal((await ada.request(TYPE.tag, { fid: adas, add: ['y'] })).response, 'Ok')
  t.equal((await ada.request(TYPE.remove, { fid: adas })).removed, 1)
  t.ok((await bob.fetch({ fid: bobs, file: 0 })).bytes.equals(BYTES))
  t.equal((await bob.request(TYPE.remove, { fid: bobs })).removed, 1)
  await watching.until(({ event }) => event === 'removed')
  t.strictSame(shown(watching.events), ['1 stored bobs', '2 removed bobs'])
})

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}
