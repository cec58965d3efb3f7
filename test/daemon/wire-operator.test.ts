/** The operator's messages over a real socket: what is under way, why it is not finished, the settings; and nothing without the scope. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { startDaemon } from '../support/daemon.ts'
import { numberedChunk, TYPE } from '../support/wire.ts'

const FID = '3f2504e0-4f89-41d3-9a0c-0305e82c3301'
const OTHER_FID = '11111111-2222-4333-8444-555555555555'

type Map = Readonly<Record<string, unknown>>

t.test('without the scope admin all of it is forbidden', async t => {
  const daemon = await startDaemon(t)
  const client = await daemon.client()
  t.equal((await client.request(TYPE.status, {})).code, 'unauthenticated')
  await client.authenticate(daemon.token())
  for (const [type, fields] of [[TYPE.status, {}], [TYPE.status, { user: 'ada', fid: FID }], [TYPE.why, { user: 'ada', fid: FID }], [TYPE.settings, { reload: true }]] as const) {
    t.match(await client.request(type, fields), { response: 'Error', code: 'forbidden', scope: 'admin' })
  }
  t.notMatch(daemon.stderr, 'read again')
  await client.close()
})

t.test('STATUS lists what is under way, of all users, a page at a time, and draws one transfer\'s gaps', async t => {
  const daemon = await startDaemon(t)
  const ada = await daemon.client()
  await ada.authenticate(daemon.token(), { fid: FID, files: [{ name: 'a', size: 4096 }, { name: 'b', size: null }], 'chunk-size': 1024 })
  for (const chunk of [0, 2]) await ada.sendChunk(numberedChunk(FID, 0, chunk), new Uint8Array(1024))
  const bob = await daemon.client()
  await bob.authenticate(daemon.token({ sub: 'bob' }), { fid: OTHER_FID, files: [{ name: 'c', size: 10 }] })
  await bob.close()
  const admin = await daemon.client()
  await admin.authenticate(daemon.token({ sub: 'root', scope: 'admin' }))
  const first = await admin.request(TYPE.status, { limit: 1 })
  const [ofBob] = (first['result'] as Map)['transfers'] as Map[]
  t.match(ofBob, { user: 'bob', fid: OTHER_FID, files: 1, size: 10, received: 0, connections: [] })
  const second = await admin.request(TYPE.status, { limit: 1, after: first['next'] })
  t.equal(second['next'], undefined)
  const result = second['result'] as Map
  const [ofAda] = result['transfers'] as Map[]
  t.match(ofAda, { user: 'ada', fid: FID, files: 2, size: null, received: 2048, gaps: 2 })
  const [age, idle] = [ofAda?.['age-ms'] as number, ofAda?.['idle-ms'] as number]
  t.ok(age >= idle && idle >= 0 && age < 60_000)
  t.equal(age - idle, (ofAda?.['touched'] as number) - (ofAda?.['created'] as number))
  t.ok((ofAda?.['rate'] as number) > 0)
  const connections = result['connections'] as Map[]
  t.match(connections.find(({ user }) => user === 'ada'), { transfers: 1, fetches: 0, watches: 0, pending: 0 })
  t.strictSame(ofAda?.['connections'], [connections.find(({ user }) => user === 'ada')?.['id']])
  t.strictSame(((await admin.request(TYPE.status, { user: 'bob' }))['result'] as Map)['connections'], [])
  const map = (await admin.request(TYPE.status, { user: 'ada', fid: FID }))['result'] as Map
  t.match((map['files'] as Map[])[0], { file: 0, name: 'a', state: 'receiving', size: 4096, 'chunk-size': 1024, chunks: 4, missing: [[1, 1], [3, 1]] })
  t.match((map['files'] as Map[])[1], { size: null, chunks: null, missing: [] })
  t.equal((await admin.request(TYPE.status, { user: 'bob', fid: FID })).code, 'not-found')
  t.equal((await admin.request(TYPE.status, { fid: FID })).code, 'malformed')
  t.equal((await admin.request(TYPE.status, { after: 'x' })).code, 'malformed')
  t.equal((await admin.request(TYPE.find, {})).code, 'forbidden', 'admin alone sees no files')
  await admin.close()
  await ada.close()
})

t.test('STATUS of a transfer of thousands of files with long names and many gaps comes in pages that fit', async t => {
  const daemon = await startDaemon(t)
  const ada = await daemon.client()
  const files = Array.from({ length: 4000 }, (_, i) => ({ name: `${i}`.padEnd(440, '\u0001'), size: i < 40 ? 2048 : 10 }))
  t.equal((await ada.authenticate(daemon.token(), { fid: FID, files, 'chunk-size': 1 })).response, 'Ok')
  // Every second chunk of 40 files: 40,960 gaps.
  const sent: Promise<unknown>[] = []
  for (let file = 0; file < 40; file++) for (let chunk = 0; chunk < 2048; chunk += 2) sent.push(ada.sendChunk(numberedChunk(FID, file, chunk), new Uint8Array(1)))
  await Promise.all(sent)
  const admin = await daemon.client()
  await admin.authenticate(daemon.token({ sub: 'root', scope: 'admin' }))
  const seen: unknown[] = []
  let pages = 0
  for (let after: unknown; pages === 0 || after !== undefined; pages++) {
    const answer = await admin.request(TYPE.status, { user: 'ada', fid: FID, limit: 1000, ...(after === undefined ? {} : { after }) })
    if (answer.response !== 'Ok') return t.fail(`${answer.code}`)
    for (const { file, missing } of (answer['result'] as Map)['files'] as Map[]) {
      seen.push(file)
      if ((file as number) < 40) t.equal((missing as unknown[]).length, 1024)
    }
    after = answer['next']
  }
  t.same(seen, files.map((_, i) => i))
  t.ok(pages > 4)
  await admin.close()
  await ada.close()
})

t.test('WHY says in sentences what a transfer waits for', async t => {
  const daemon = await startDaemon(t)
  const ada = await daemon.client()
  const why = async (client: typeof ada, fid: string) => {
    const answer = await client.request(TYPE.why, { user: 'ada', fid })
    return answer.code ?? ((answer['result'] as Map)['because'] as string[]).join('\n')
  }
  await ada.authenticate(daemon.token(), { fid: FID, files: [{ name: 'a', size: 4096 }, { name: 'b', size: null }, { name: 'c', size: 0 }] })
  await ada.sendChunk(numberedChunk(FID, 0, 1), new Uint8Array(1024))
  const admin = await daemon.client()
  await admin.authenticate(daemon.token({ sub: 'root', scope: 'admin' }))
  const text = await why(admin, FID)
  t.match(text, 'The transfer has 3 files: 1 stored, 0 removed, 2 not finished.')
  t.match(text, 'File 0 "a" lacks 3 of 4 chunks: 0, 2 to 3.')
  t.match(text, 'File 1 "b" has 0 chunks, and its size was not told yet')
  t.match(text, 'It is open on 1 connection.')
  t.match(text, /The last chunk came \d+ s ago; without another one it expires in 7\.0 days\./)
  await ada.close()
  t.equal(await why(admin, OTHER_FID), 'not-found')
  const digest = `sha256:${'0'.repeat(64)}`
  const again = await daemon.client()
  await again.authenticate(daemon.token(), { fid: OTHER_FID, files: [{ name: 'd', size: 1, digest }] })
  t.equal((await again.sendChunk(numberedChunk(OTHER_FID, 0, 0), new Uint8Array(1))).code, 'digest-mismatch')
  t.match(await why(admin, OTHER_FID), 'The last failure was digest-mismatch')
  await again.close()
  await admin.close()
})

t.test('WHY tells what is left in the unit that fits', async t => {
  const daemon = await startDaemon(t, { args: ['--expire-unfinished', '5m'] })
  const ada = await daemon.client()
  await ada.authenticate(daemon.token({ sub: 'ada', scope: 'put admin' }), { fid: FID, files: [{ name: 'a', size: 4096 }] })
  await ada.sendChunk(numberedChunk(FID, 0, 1), new Uint8Array(1024))
  const { because } = (await ada.request(TYPE.why, { user: 'ada', fid: FID }))['result'] as { because: string[] }
  t.match(because.at(-1), /without another one it expires in [45] min\.$/)
  await ada.close()
})

t.test('SETTINGS shows each with its origin, and reloads', async t => {
  const file = join(mkdtempSync(join(tmpdir(), 'tally-operator-')), 'config.toml')
  writeFileSync(file, 'max-file-size = 10')
  const daemon = await startDaemon(t, { args: ['--config', file] })
  const admin = await daemon.client()
  await admin.authenticate(daemon.token({ sub: 'root', scope: 'admin' }))
  const setting = (result: Map, name: string) => (result['settings'] as Map[]).find(each => each['name'] === name)
  const before = (await admin.request(TYPE.settings, {}))['result'] as Map
  t.strictSame(setting(before, 'max-file-size'), { name: 'max-file-size', values: ['10'], origin: file, live: true })
  t.match(setting(before, 'durability'), { origin: '--durability', live: false })
  for (const name of ['quota', 'quota-files', 'user-limit-rate']) t.match(setting(before, name), { values: [], origin: 'default' }, name)
  t.equal(setting(before, 'config'), undefined, 'only settings are listed')
  t.match((before['keys'] as string[])[0], /^[0-9a-f]{64}$/)
  t.equal(before['changed'], undefined)
  t.notMatch(JSON.stringify(before), daemon.secret)
  writeFileSync(file, 'max-file-size = 11')
  const after = (await admin.request(TYPE.settings, { reload: true }))['result'] as Map
  t.strictSame([after['changed'], after['waiting'], after['ended']], [['max-file-size'], [], 0])
  t.strictSame(after['warnings'], [])
  t.match(setting(after, 'max-file-size'), { values: ['11'] })
  t.strictSame(after['changes'], [{ name: 'max-file-size', before: ['10'], after: ['11'] }])
  writeFileSync(file, 'min-free = 5\nlog-level = "warn"\nquota = "1G"\n[users.ann]\nquota = "2G"')
  const later = (await admin.request(TYPE.settings, { reload: true }))['result'] as Map
  t.strictSame([later['changed'], later['waiting']], [['max-file-size', 'quota', 'log-level', 'users.ann.quota'], ['min-free']])
  t.match(later['warnings'], [/users\.ann\.quota = 2G never holds/])
  t.strictSame(setting(later, 'min-free'), { ...setting(before, 'min-free'), live: false, next: ['5'] }, 'what holds is told')
  t.match(setting(later, 'max-file-size'), { values: [] })
  for (const [name, value] of [['quota', '1G'], ['users.ann.quota', '2G'], ['log-level', 'warn']]) t.match(setting(later, `${name}`), { values: [value], origin: file })
  writeFileSync(file, 'nonsense = 1')
  const failed = (await admin.request(TYPE.settings, { reload: true }))['result'] as Map
  t.match(failed['failure'], 'nonsense')
  t.strictSame(failed['mistakes'], [failed['failure']])
  await admin.close()
})
