/** HUP: what can change does, what cannot is named, what is wrong changes nothing, and a key that went ends its sessions. */
import { spawn } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { readConfig } from '../../daemon/config.ts'
import { LiveConfig } from '../../daemon/live-config.ts'
import { TestDaemon, startDaemon } from '../support/daemon.ts'
import { openMemoryStore } from '../../daemon/storage/memory.ts'
import { startInner } from '../support/inner-daemon.ts'
import type { RawClient } from '../support/raw-client.ts'
import { mintToken } from '../support/token.ts'
import { TYPE } from '../support/wire.ts'

const OTHER_SECRET = 'another-secret-of-at-least-32-bytes-for-hs256'

/** Sends HUP, and waits for what the daemon says to it. */
async function hangUp(daemon: TestDaemon): Promise<string> {
  const before = daemon.stderr.length
  process.kill(daemon.pid ?? 0, 'SIGHUP')
  for (;;) {
    const said = daemon.stderr.slice(before)
    if (/settings and keys .*\n/.test(said)) return said
    await sleep(5)
  }
}

function fileWith(text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), 'tally-reload-')), 'config.toml')
  writeFileSync(path, text)
  return path
}

t.test('a limit, a rule for tokens and the form of the log change at once', async t => {
  const file = fileWith('max-file-size = 10')
  const daemon = await startDaemon(t, { args: ['--config', file] })
  const client = await daemon.client()
  const announced = async () => (await client.authenticate(daemon.token(), { files: [{ name: 'a', size: 11 }] })).code
  t.equal(await announced(), 'file-too-big')
  writeFileSync(file, 'max-file-size = 20\nlog-format = "json"\nissuer = "us"')
  t.equal(JSON.parse(await hangUp(daemon)).changed, 'issuer not set → us, max-file-size 10 → 20, log-format text → json')
  t.equal(await announced(), 'token-invalid')
  writeFileSync(file, 'max-file-size = 20')
  t.match(await hangUp(daemon), 'changed="issuer us → not set, log-format json → text"')
  t.equal(await announced(), undefined)
  await client.close()
})

t.test('what cannot change is named, as long as it differs from what the daemon started with', async t => {
  const file = fileWith('store = "/a"')
  const secret = fileWith(OTHER_SECRET)
  const args = ['--config', file, '--secret-file', secret]
  const command = readConfig(args, {}, homedir())
  if (command.run !== 'daemon') throw new Error('not the daemon')
  const live = new LiveConfig(command.config, command.settings, args, {})
  writeFileSync(file, 'store = "/b"\nlog-level = "debug"')
  const store = { name: 'store', before: ['/a'], after: ['/b'] }
  t.strictSame(live.reload(), { changed: [{ name: 'log-level', before: ['info'], after: ['debug'] }], waiting: [store] })
  t.strictSame(live.reload(), { changed: [], waiting: [store] })
  t.equal(live.config.logLevel, 'debug')
  writeFileSync(file, 'store = "/a"')
  t.strictSame(live.reload(), { changed: [{ name: 'log-level', before: ['debug'], after: ['info'] }], waiting: [] })
})

t.test('the log warns of a limit that never holds, at the start and after HUP', async t => {
  const file = fileWith('quota = "1G"\n[users.ada]\nquota = "2G"')
  const daemon = await startDaemon(t, { args: ['--config', file] })
  t.match(daemon.stderr, / warn +a setting may be meant otherwise reason=".*users\.ada\.quota = 2G never holds: .*: quota = 1G is lower/)
  writeFileSync(file, 'quota = "1G"\n[users.bob]\nquota-files = 7\nquota = "3G"')
  await hangUp(daemon)
  while (!daemon.stderr.includes('users.bob.quota = 3G never holds')) await sleep(5)
  writeFileSync(file, 'quota = "3G"\n[users.bob]\nquota = "3G"')
  const before = daemon.stderr.length
  await hangUp(daemon)
  const client = await daemon.client()
  await client.close()
  t.notMatch(daemon.stderr.slice(before), 'never holds')
})

t.test('a wrong file or key changes nothing, and is named', async t => {
  const file = fileWith('')
  const daemon = await startDaemon(t, { args: ['--config', file] })
  writeFileSync(file, 'max-file-size = 1\nlog-levle = "info"')
  t.match(await hangUp(daemon), /error settings and keys stay as they were reason=.*log-levle/)
  writeFileSync(file, 'max-file-size = 1')
  writeFileSync(daemon.secretFile, 'short')
  t.match(await hangUp(daemon), /stay as they were reason=.*32 bytes/)
  const client = await daemon.client()
  t.equal((await client.authenticate(daemon.token(), { files: [{ name: 'a', size: 11 }] })).response, 'Ok')
  await client.close()
})

t.test('a key that went ends its sessions; a token of the new one goes on, on the same connection', async t => {
  const daemon = await startDaemon(t)
  const client = await daemon.client()
  const stranger = await daemon.client()
  await client.authenticate(daemon.token())
  t.match(await hangUp(daemon), 'ended=0')
  t.equal((await client.request(TYPE.find, {})).response, 'Ok')
  writeFileSync(daemon.secretFile, OTHER_SECRET)
  t.match(await hangUp(daemon), /changed="keys [0-9a-f]{16}… → [0-9a-f]{16}…" ended=1/)
  t.equal((await client.request(TYPE.find, {})).code, 'token-invalid')
  t.equal((await stranger.authenticate(daemon.token())).code, 'token-invalid')
  t.equal((await client.authenticate(mintToken(OTHER_SECRET, { sub: 'ada' }))).response, 'Ok')
  t.equal((await client.request(TYPE.find, {})).response, 'Ok')
  await client.close()
  await stranger.close()
})

t.test('a key that goes while an AUTHENTICATION made with it is judged gives nothing any more', async t => {
  const store = openMemoryStore()
  const announce = store.catalog.announce.bind(store.catalog)
  const begun = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  store.catalog.announce = async transfer => {
    begun.resolve()
    await gate.promise
    return announce(transfer)
  }
  const daemon = await startInner(t, { store })
  const client = await daemon.connect()
  const answer = client.authenticate(daemon.token(), { files: [{ name: 'a', size: 10 }] })
  await begun.promise
  daemon.daemon.reconfigure({ fileBytesMax: 2 ** 40 }, new Set(['another']))
  gate.resolve()
  t.match(await answer, { code: 'token-invalid' })
  t.match(await client.request(TYPE.find, {}), { code: 'unauthenticated' })
})

t.test('on a terminal that was closed HUP ends the daemon in order', async t => {
  const daemon = new TestDaemon()
  t.teardown(() => daemon.dispose())
  const main = join(import.meta.dirname, '../../daemon/main.ts')
  // script(1) gives the daemon a terminal; its death closes it.
  const line = `${process.execPath} ${main} --socket ${daemon.socket} --store ${daemon.store} --secret-file ${daemon.secretFile}`
  const terminal = spawn('script', ['-q', '-c', line, '/dev/null'], { stdio: ['pipe', 'ignore', 'ignore'] })
  const client = await connected(daemon)
  terminal.kill('SIGKILL')
  await client.ended
  t.match(client.strays.map(({ code }) => code), ['shutting-down'])
})

async function connected(daemon: TestDaemon): Promise<RawClient> {
  for (;;) {
    try {
      const client = await daemon.client()
      await client.authenticate(daemon.token())
      return client
    } catch {
      await sleep(20)
    }
  }
}

t.test('a user\'s own limit and a tag\'s expiry hold for what comes after HUP', async t => {
  const file = fileWith('')
  const daemon = await startDaemon(t, { args: ['--config', file] })
  const client = await daemon.client()
  const announced = async (size: number, tags: readonly string[]) => client.authenticate(daemon.token(), { files: [{ name: 'a', size }], tags })
  t.equal((await announced(0, ['scratch'])).response, 'Ok')
  writeFileSync(file, '[users.ada]\nquota = 10\n[tags.scratch]\nexpires = "30d"\n[tags.brief]\nexpires = "1h"')
  t.match(await hangUp(daemon), 'changed="users.ada.quota not set → 10, tags.scratch.expires not set → 30d, tags.brief.expires not set → 1h"')
  t.match(await announced(11, []), { code: 'quota-exceeded', limit: 10 })
  const beforeMs = Date.now()
  for (const tags of [['scratch'], ['scratch', 'brief'], ['other']]) t.equal((await announced(0, tags)).response, 'Ok')
  const found = await client.request(TYPE.find, {})
  const kept = (found.files as unknown as { expires?: number }[]).map(({ expires }) => (expires === undefined ? undefined : Math.round((expires - beforeMs) / 3_600_000)))
  t.strictSame(kept, [undefined, 1, 720, undefined])
  const other = await daemon.client()
  t.equal((await other.authenticate(daemon.token({ sub: 'bob' }), { files: [{ name: 'a', size: 11 }] })).response, 'Ok')
  await client.close()
  await other.close()
})
