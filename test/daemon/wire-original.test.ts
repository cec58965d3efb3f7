/**
 * A client written for the original protocol of 2019, against the real daemon: three messages, JSON, data as an array of numbers, any
 * UUIDs, one chunk at a time. It knows no ext field and must not need to.
 */
import t, { type Test } from 'tap'
import { startDaemon } from '../support/daemon.ts'
import { chooseSeed, Random } from '../support/random.ts'
import type { Framing } from '../support/wire.ts'
import { TYPE } from '../support/wire.ts'

const PLAIN_FRAME_BYTES_MAX = 65_536

for (const framing of ['A', 'B'] as const) {
  for (const chunkBytes of [1000, 1024]) {
    t.test(`an original client stores two files over framing ${framing} in chunks of ${chunkBytes}, each chunk sent twice`, async t => {
      const random = new Random(chooseSeed())
      t.comment(`TALLY_TEST_SEED=${random.seed}`)
      const daemon = await startDaemon(t)
      const client = await daemon.client({ framing, payload: 'json-array' })
      t.teardown(() => client.destroy())
      const files = [random.bytes(5 * chunkBytes + 123), random.bytes(3 * chunkBytes)]
      const opened = await client.authenticate(daemon.token({ uid: 1002, login: 'karchnu' }), {
        files: files.map((bytes, i) => ({ name: `original-${i}`, size: bytes.length })), tags: ['kept'],
      })
      t.equal(opened.response, 'Ok')
      for (const bytes of files) {
        for (let at = 0; at < bytes.length; at += chunkBytes) {
          const uuid = random.uuid(true)
          const data = bytes.subarray(at, at + chunkBytes)
          t.equal((await client.sendChunk(uuid, data)).response, 'Ok', 'the first time')
          t.equal((await client.sendChunk(uuid, data)).response, 'Ok', 'the second time')
        }
      }
      t.strictSame([client.unasked, client.strays], [[], []], 'nothing came that was not asked for')
      await compareFiles(t, daemon, '1002', files)
    })
  }

  t.test(`the last chunk of the first file is Ok again after the second file has begun, over framing ${framing}`, async t => {
    const random = new Random(chooseSeed())
    t.comment(`TALLY_TEST_SEED=${random.seed}`)
    const daemon = await startDaemon(t)
    const files = [random.bytes(2500), random.bytes(2200)]
    const chunks = files.flatMap(bytes => [0, 1, 2].map(i => ({ uuid: random.uuid(true), data: bytes.subarray(i * 1000, (i + 1) * 1000) })))
    let client = await daemon.client({ framing, payload: 'json-array' })
    const announced = files.map((bytes, i) => ({ name: `original-${i}`, size: bytes.length }))
    const announcement = { fid: random.uuid(), files: announced, tags: ['kept'] }
    await client.authenticate(daemon.token(), announcement)
    for (const { uuid, data } of chunks.slice(0, 4)) t.equal((await client.sendChunk(uuid, data)).response, 'Ok')
    // The Ok of file 0 was lost; so was the connection, and the daemon with it.
    await daemon.restart()
    client = await daemon.client({ framing, payload: 'json-array' })
    t.teardown(() => client.destroy())
    t.equal((await client.authenticate(daemon.token(), announcement)).response, 'Ok')
    const again = chunks[2] as (typeof chunks)[number]
    t.equal((await client.sendChunk(again.uuid.toUpperCase(), again.data)).response, 'Ok', 'in capitals, too')
    for (const { uuid, data } of chunks.slice(3)) t.equal((await client.sendChunk(uuid, data)).response, 'Ok')
    await compareFiles(t, daemon, 'ada', files)
  })
}

t.test('a connection without ext fields gets one write per frame, none over 64 KiB, for a report of 4,096 files', async t => {
  const daemon = await startDaemon(t)
  for (const framing of ['A', 'B'] as const satisfies readonly Framing[]) {
    const client = await daemon.client({ framing, payload: 'json-array' })
    t.teardown(() => client.destroy())
    const files = Array.from({ length: 4096 }, (_, i) => ({ name: `n${i}`, size: 3000 }))
    const before = client.bytesRead
    const answer = await client.authenticate(daemon.token(), { files })
    t.equal(answer.response, 'Ok')
    t.ok(client.bytesRead - before <= PLAIN_FRAME_BYTES_MAX, `${client.bytesRead - before} bytes`)
  }
})

t.test('the message-id comes back in the very characters received', async t => {
  const daemon = await startDaemon(t)
  const client = await daemon.client({ payload: 'json-array' })
  t.teardown(() => client.destroy())
  const id = 'ABCDEF01-2345-0789-abcd-EFabcdef0123'
  t.equal((await client.request(TYPE.authentication, { 'message-id': id, token: daemon.token() }))['message-id'], id)
})

type Daemon = Awaited<ReturnType<typeof startDaemon>>

async function compareFiles(t: Test, daemon: Daemon, user: string, files: readonly Buffer[]): Promise<void> {
  const reader = await daemon.client()
  t.teardown(() => reader.destroy())
  t.equal((await reader.authenticate(daemon.token({ sub: user }))).response, 'Ok')
  const found = (await reader.request(TYPE.find, { tags: ['kept'] })).files as unknown as { fid: string; file: number; name: string }[]
  t.strictSame(found.map(({ name }) => name).sort(), files.map((_, i) => `original-${i}`))
  for (const { fid, file } of found) {
    const { bytes, absent } = await reader.fetch({ fid, file }, 1000)
    t.ok(absent === 0 && bytes.equals(files[file] as Buffer), `file ${file} is the same byte for byte`)
  }
}
