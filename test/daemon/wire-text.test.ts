/** Framing N over a real socket: who speaks it has used ext, what is no frame ends the connection, and the rest is answered in kind. */
import t from 'tap'
import { startDaemon } from '../support/daemon.ts'
import { contentOf } from '../support/random.ts'
import { numberedChunk, TYPE } from '../support/wire.ts'

const FID = '6ba7b810-9dad-41d1-80b4-00c04fd430c8'
const ID = '11111111-2222-4333-8444-555555555555'
const NIL = '00000000-0000-0000-0000-000000000000'

t.test('a file arrives with data in either form, and is fetched', async t => {
  const daemon = await startDaemon(t)
  for (const payload of ['json-array', 'json-base64'] as const) {
    const client = await daemon.client({ framing: 'N', payload })
    t.teardown(() => client.destroy())
    const bytes = contentOf(payload.length, 3000)
    const ok = await client.authenticate(daemon.token(), { files: [{ name: payload, size: 3000 }] })
    const fid = ok.fid as string
    for (let i = 0; i < 3; i++) {
      const answer = await client.sendChunk(numberedChunk(fid, 0, i), bytes.subarray(i * 1024, (i + 1) * 1024))
      t.match(answer, { response: 'Ok', ...(i === 2 ? { stored: { file: 0 } } : {}) })
    }
    t.ok((await client.fetch({ fid, file: 0 })).bytes.equals(bytes))
  }
})

t.test('a peer of framing N has used ext: its report is as long as it has to be', async t => {
  const daemon = await startDaemon(t)
  const files = Array.from({ length: 4096 }, (_, i) => ({ name: `${i}`, size: 1 }))
  for (const framing of ['A', 'N'] as const) {
    const client = await daemon.client({ framing, payload: 'json-array' })
    t.teardown(() => client.destroy())
    const answer = await client.authenticate(daemon.token(), { files })
    t.equal(answer.response, 'Ok')
    t.equal(answer.more === undefined, framing === 'N', framing)
  }
})

t.test('an unknown type is answered with the message-id, and the connection goes on', async t => {
  const daemon = await startDaemon(t)
  const client = await daemon.client({ framing: 'N' })
  t.teardown(() => client.destroy())
  const greeting = await client.next(Buffer.from(`{"type":"GREETING","data":{"message-id":"${ID}"}}\f`))
  t.match(greeting, { code: 'unsupported-type', type: 'GREETING', 'message-id': ID, fatal: undefined })
  t.match(await client.next(Buffer.from('{"type":"FIND"}\f')), { code: 'malformed', 'message-id': NIL, fatal: undefined })
  t.match(await client.next(Buffer.from('{"type":"FIND","data":[]}\f')), { code: 'malformed', 'message-id': NIL, fatal: undefined })
  t.match(await client.request(TYPE.find, {}), { code: 'unauthenticated' })
  t.match(await client.authenticate(daemon.token()), { response: 'Ok' })
})

t.test('what is no frame gets malformed after the answers to what came before, and the connection closes', async t => {
  const daemon = await startDaemon(t)
  for (const text of ['{"data":{}}', '{"type":"FIND","data":{}', '']) {
    const client = await daemon.client({ framing: 'N' })
    t.teardown(() => client.destroy())
    const answers: unknown[] = []
    client.onAnswer = answer => answers.push([answer.code, answer.fatal])
    client.raw(Buffer.from(`{"type":"FIND","data":{"message-id":"${ID}"}}\f${text}\f{"type":"FIND","data":{"message-id":"${ID}"}}\f`))
    await client.ended
    t.strictSame(answers, [['unauthenticated', undefined], ['malformed', true]])
  }
})

t.test('a frame over the limit is message-too-large before its end comes', async t => {
  const daemon = await startDaemon(t)
  const client = await daemon.client({ framing: 'N' })
  t.teardown(() => client.destroy())
  const answer = await client.next(Buffer.concat([Buffer.from(`{"type":"TRANSFER","data":{"x":"`), Buffer.alloc(1_900_000, 'y')]))
  t.match(answer, { code: 'message-too-large', fatal: true, limit: 1_900_000 })
  await client.ended
  t.match(await (await daemon.client()).authenticate(daemon.token(), { fid: FID, files: [] }), { code: 'unknown-fid' })
})
