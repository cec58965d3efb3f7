/** A get onto a local disk that fills up: it says so, keeps what came, and goes on when there is room. Needs root and a loop device. */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { connect } from '../../client/index.ts'
import { startDaemon } from '../support/daemon.ts'
import { contentOf } from '../support/random.ts'
import { SmallDisk } from './small-disk.ts'

t.test('a full local disk is no-space, and the same get goes on', { skip: SmallDisk.obstacle() ?? false }, async t => {
  const disk = new SmallDisk(32 * 1_048_576)
  t.teardown(() => disk.dispose())
  const daemon = await startDaemon(t)
  await using tally = await connect({ socket: daemon.socket, secretFile: daemon.secretFile })
  const bytes = contentOf(1, 12_000_000)
  const { fid } = await tally.put(bytes, { name: 'large' })
  const small = await tally.put(contentOf(2, 200_000), { name: 'small' })
  const path = join(disk.mount, 'large')
  const free = disk.fillUntil(4_000_000)
  await t.rejects(tally.get(fid, { path }), { code: 'no-space', cause: { code: 'ENOSPC' } })
  await t.rejects(tally.get(small.fid, { path: join(disk.mount, 'small') }), { code: 'no-space' })
  t.notOk(readdirSync(disk.mount).includes('small'))
  free()
  const { resumedBytes } = await tally.get(fid, { path })
  t.ok(resumedBytes > 0, 'what came before is not fetched again')
  t.ok(readFileSync(path).equals(bytes))
})
