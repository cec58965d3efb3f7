/**
 * Crowds: ten thousand connections at once, and one client that announces as many files as a message can, again and again. Each is served
 * or told `busy`; memory stays bounded, and others go on.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startDaemon, type TestDaemon } from '../support/daemon.ts'
import { RawClient } from '../support/raw-client.ts'

const MIB = 2 ** 20
/** Fewer where this machine allows a process fewer descriptors: test and daemon have one for each. */
const CROWD = Math.min(10_000, Math.floor(descriptorsMax() * 0.7))
const SERVED_MAX = Math.floor(CROWD * 0.9)
/** A backlog of connections that nobody has accepted yet is short. */
const AT_ONCE = 100
const CONNECTION_BYTES_MAX = 64 * 1024
const SOON_MS = 60_000
const FILES_MAX = 4096
/** Above what the daemon holds open: so the last ones have to be refused. */
const ANNOUNCEMENTS = 32
const ANNOUNCED_GROWTH_BYTES_MAX = 600 * MIB

t.test(`of ${CROWD} connections at once ${SERVED_MAX} are served, and the others are told busy`, { timeout: 300_000 }, async t => {
  const daemon = await startDaemon(t, { args: ['--connections', String(SERVED_MAX)] })
  const clients: RawClient[] = []
  t.teardown(() => { for (const client of clients) client.destroy() })
  const before = daemon.residentBytes()
  const answers = new Map<string, number>()
  const token = daemon.token()
  await Promise.all(Array.from({ length: AT_ONCE }, async (_, worker) => {
    for (let i = worker; i < CROWD; i += AT_ONCE) {
      const client = await RawClient.connect(daemon.socket)
      clients.push(client)
      const { response, code = response } = await client.authenticate(token)
      answers.set(code, (answers.get(code) ?? 0) + 1)
    }
  }))
  t.strictSame(Object.fromEntries(answers), { Ok: SERVED_MAX, busy: CROWD - SERVED_MAX })
  const growth = daemon.residentBytes() - before
  t.ok(growth < CROWD * CONNECTION_BYTES_MAX, `grew by ${Math.round(growth / 1024 / CROWD)} KiB for each`)
  t.equal((await (clients.find(client => !client.over) as RawClient).authenticate(token)).response, 'Ok', 'who is served goes on')
  for (const client of clients.splice(0)) client.destroy()
  t.ok(await servesSoon(daemon), 'when they have gone, another is served')
})

t.test(`a client that announces ${FILES_MAX} files again and again is told busy in bounded memory`, { timeout: 300_000 }, async t => {
  const daemon = await startDaemon(t)
  const client = await daemon.client()
  t.teardown(() => client.destroy())
  await client.authenticate(daemon.token())
  const before = daemon.residentBytes()
  const files = Array.from({ length: FILES_MAX }, (_, i) => ({ name: `${i}-${'n'.repeat(200)}`, size: 1_000_000 }))
  const codes = new Set<string>()
  for (let i = 0; i < ANNOUNCEMENTS; i++) {
    const { response, code = response } = await client.authenticate(daemon.token(), { files, 'chunk-size': 1024 })
    codes.add(code)
  }
  t.strictSame(codes, new Set(['Ok', 'busy']))
  const growth = daemon.residentBytes() - before
  t.ok(growth < ANNOUNCED_GROWTH_BYTES_MAX, `grew by ${Math.round(growth / MIB)} MiB`)
  const another = await daemon.client()
  t.teardown(() => another.destroy())
  t.equal((await another.authenticate(daemon.token({ sub: 'another' }))).response, 'Ok', 'another user is served')
})

/** The daemon notices one after the other that they have gone. */
async function servesSoon(daemon: TestDaemon): Promise<boolean> {
  for (const untilMs = performance.now() + SOON_MS; performance.now() < untilMs; await sleep(20)) {
    const client = await daemon.client()
    const { response } = await client.authenticate(daemon.token())
    client.destroy()
    if (response === 'Ok') return true
  }
  return false
}

/** Of one process, as the kernel has it; Node raises its own limit up to this at its start. */
function descriptorsMax(): number {
  return Number(/^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1] ?? 1024)
}
