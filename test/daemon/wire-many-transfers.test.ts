/** Any number of transfers one after another on one connection: whole ones rest, and come back; nobody shuts out anybody. */
import t from 'tap'
import { startInner } from '../support/inner-daemon.ts'
import { numberedChunk } from '../support/wire.ts'

const LIVE_FILES_MAX = 400

function opaqueChunk(number: number): string {
  return `aaaaaaaa-0000-4000-8000-${String(number).padStart(12, '0')}`
}

function fidOf(number: number): string {
  return `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`
}

t.test('a connection stores many times what the daemon holds in memory, and others are served meanwhile', async t => {
  const inner = await startInner(t, { liveFilesMax: LIVE_FILES_MAX })
  const client = await inner.client()
  const files = Array.from({ length: 10 }, (_, i) => ({ name: `f${i}`, size: i === 0 ? 3 : 0 }))
  for (let i = 0; i < LIVE_FILES_MAX / 2; i++) {
    const { code } = await client.authenticate(inner.token(), { fid: fidOf(i), files, 'chunk-size': 1024 })
    t.equal(code, undefined, `announcement ${i}`)
    t.match(await client.sendChunk(numberedChunk(fidOf(i), 0, 0), Buffer.from('abc')), { response: 'Ok', stored: { file: 0 } })
  }
  const other = await inner.client({ sub: 'bob' })
  t.equal((await other.authenticate(inner.token({ sub: 'bob' }), { files })).response, 'Ok')
})

t.test('few transfers of very many files leave memory, too', async t => {
  const inner = await startInner(t, { liveFilesMax: 12_000 })
  const client = await inner.client()
  const files = Array.from({ length: 2_000 }, (_, i) => ({ name: `f${i}`, size: 0 }))
  for (let i = 0; i < 6; i++) t.equal((await client.authenticate(inner.token(), { fid: fidOf(i), files })).code, undefined, `announcement ${i}`)
})

t.test('a chunk that comes again for a transfer that rests is answered as ever; one for a removed transfer is unknown', async t => {
  const inner = await startInner(t)
  const client = await inner.client()
  const count = 60
  for (let i = 0; i < count; i++) {
    await client.authenticate(inner.token(), { fid: fidOf(i), files: [{ name: 'f', size: 3 }], acks: i % 2 === 0 ? 'each' : 'ranges' })
    t.equal((await client.sendChunk(numberedChunk(fidOf(i), 0, 0), Buffer.from('abc'))).response, 'Ok')
  }
  t.equal((await client.request(7, { fid: fidOf(0) })).response, 'Ok')
  const answers = await Promise.all(Array.from({ length: count }, (_, i) => client.sendChunk(numberedChunk(fidOf(i), 0, 0), Buffer.from('abc'))))
  t.equal(answers[0]?.code, 'chunk-unknown')
  for (const [i, answer] of answers.slice(1).entries()) t.match(answer, { response: 'Ok', stored: { file: 0 } }, `again ${i + 1}`)
  t.match(answers[1], { fid: fidOf(1), chunks: [[0, 0, 1]] }, 'as ranges, as it was opened')
  t.equal((await client.sendChunk(numberedChunk(fidOf(1), 0, 1), Buffer.from('abc'))).code, 'chunk-unknown')
})

t.test('transfers that wait for chunks do not rest, nor do those that opaque chunks were placed in', async t => {
  const inner = await startInner(t)
  const client = await inner.client()
  await client.authenticate(inner.token(), { fid: fidOf(1000), files: [{ name: 'f', size: 2000 }] })
  t.equal((await client.sendChunk(opaqueChunk(1), Buffer.alloc(1000))).response, 'Ok')
  t.match(await client.sendChunk(opaqueChunk(2), Buffer.alloc(1000)), { stored: { file: 0 } })
  for (let i = 0; i < 60; i++) await client.authenticate(inner.token(), { fid: fidOf(i), files: [{ name: 'f', size: 3 }] })
  for (let i = 0; i < 60; i++) t.match(await client.sendChunk(numberedChunk(fidOf(i), 0, 0), Buffer.from('abc')), { stored: { file: 0 } })
  t.match(await client.sendChunk(opaqueChunk(1), Buffer.alloc(1000)), { stored: { file: 0 } }, 'the UUID means its place, whatever came since')
})

t.test('one user cannot take all of the room: the others are served', async t => {
  const inner = await startInner(t, { liveFilesMax: LIVE_FILES_MAX })
  const client = await inner.client()
  const files = Array.from({ length: 20 }, (_, i) => ({ name: `f${i}`, size: 1 }))
  const codes: (string | undefined)[] = []
  for (let i = 0; i < 15; i++) codes.push((await client.authenticate(inner.token(), { fid: fidOf(i), files })).code)
  t.strictSame(codes, [...Array(10).fill(undefined), ...Array(5).fill('busy')])
  const other = await inner.client({ sub: 'bob' })
  t.equal((await other.authenticate(inner.token({ sub: 'bob' }), { files })).response, 'Ok')
  await client.close()
})
