/** A daemon that nobody asks for anything takes no more memory and no more of the disk than it needs to answer. */
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startDaemon } from '../support/daemon.ts'
import { numberedChunk } from '../support/wire.ts'

const FID = '6ba7b810-9dad-41d1-80b4-00c04fd430c8'
/** The first second of the scrub, and half a second until what is written would be moved out of the log. */
const SETTLED_MS = 2500

t.test('an idle daemon writes nothing, and has the two threads that answer and commit', async t => {
  const daemon = await startDaemon(t, { durability: 'power' })
  const log = join(daemon.store, 'catalog.db-wal')
  const writtenMs = (): number => statSync(log).mtimeMs
  const before = writtenMs()
  await sleep(SETTLED_MS)
  t.equal(writtenMs(), before)
  t.equal(threadsOf(daemon.pid as number), 2)
  const client = await daemon.client()
  t.teardown(() => client.destroy())
  await client.authenticate(daemon.token(), { fid: FID, files: [{ name: 'f', size: 1000 }], 'chunk-size': 1000 })
  t.equal((await client.sendChunk(numberedChunk(FID, 0, 0), new Uint8Array(1000))).response, 'Ok')
  t.not(writtenMs(), before)
  while (threadsOf(daemon.pid as number) === 2) await sleep(50)
  t.pass('and once there is something in the log, one more, which moves it into the database')
})

function threadsOf(pid: number): number {
  const names = readdirSync(`/proc/${pid}/task`).map(id => readFileSync(`/proc/${pid}/task/${id}/comm`, 'utf8').trim())
  return names.filter(name => name === 'WorkerThread').length
}
