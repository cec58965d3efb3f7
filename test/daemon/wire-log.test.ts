/** What the daemon's log says at its most talkative: who did what by their ids, and never a token or a payload. */
import t from 'tap'
import { startDaemon } from '../support/daemon.ts'
import { numberedChunk, TYPE } from '../support/wire.ts'

const FID = '3f2504e0-4f89-41d3-9a0c-0305e82c3301'
const PAYLOAD = Buffer.from('a payload that nobody may read in a log')

t.test('debug lines name connection, transfer and message, as JSON, and hold no token, payload or name', async t => {
  const daemon = await startDaemon(t, { args: ['--log-level', 'debug', '--log-format', 'json'] })
  const client = await daemon.client()
  const token = daemon.token()
  await client.authenticate(token)
  await client.authenticate(token, { fid: FID, files: [{ name: 'a-name-of-a-file', size: PAYLOAD.length }], tags: ['a-tag-of-a-file'] })
  t.equal((await client.sendChunk(numberedChunk(FID, 0, 7), PAYLOAD)).code, 'chunk-unknown')
  t.equal((await client.sendChunk(numberedChunk(FID, 0, 0), PAYLOAD)).response, 'Ok')
  t.equal((await client.authenticate(`${token}x`)).code, 'token-invalid')
  const id = client.send(TYPE.fetch, { fid: FID, file: 9 })
  t.equal((await client.answer(id)).code, 'not-found')
  await client.close()
  await daemon.kill('SIGTERM')
  const lines = daemon.stderr.trim().split('\n').map(line => JSON.parse(line) as Record<string, unknown>)
  const said = (message: string) => lines.filter(line => line['message'] === message)
  const [{ connection = undefined } = {}] = said('logged in')
  t.type(connection, 'number')
  t.match(said('announced'), [{ level: 'debug', connection, transfer: FID, user: 'ada', files: 1, messageId: /^[0-9a-f-]{36}$/ }])
  t.match(said('stored'), [{ transfer: FID, file: 0 }])
  t.match(said('refused').map(({ code }) => code), ['chunk-unknown', 'token-invalid', 'not-found'])
  t.ok(said('refused').some(({ messageId }) => messageId === id))
  t.ok(said('disconnected').some(line => line['connection'] === connection))
  for (const secret of [token, PAYLOAD.toString(), PAYLOAD.toString('base64'), 'a-name-of-a-file', 'a-tag-of-a-file', daemon.secret]) {
    t.notOk(daemon.stderr.includes(secret), secret.slice(0, 20))
  }
})
