/** When the log is moved into the database: after what was written, again where that could not be, and never after the end. */
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import { LocalCatalog } from '../../daemon/storage/local/catalog.ts'
import { Health } from '../../daemon/storage/local/failures.ts'
import type { FreeSpace } from '../../daemon/storage/local/free-space.ts'
import type { WorkerLink } from '../../daemon/storage/local/worker-link.ts'
import { TallyError } from '../../protocol/errors.ts'

/** Longer than a checkpoint follows a change. */
const SETTLED_MS = 1_000

/** A catalog whose changes write or not, as they are told, and whose first checkpoints fail as often as this says. */
function setUp(failures: number, code: 'busy' | 'storage-failed' = 'busy') {
  const made = { checkpoints: 0, hasWritten: true }
  const checkpointer = {
    call: async () => {
      if (made.checkpoints++ < failures) throw new TallyError(code, 'it could not start')
    },
  }
  const run = async (changes: readonly unknown[]) => ({ outcomes: changes.map(() => ({ value: undefined })), users: [], hasWritten: made.hasWritten })
  const parts = { run, reader: {} as WorkerLink, checkpointer: checkpointer as unknown as WorkerLink, health: new Health(() => undefined), free: {} as FreeSpace }
  return { made, catalog: new LocalCatalog(parts) }
}

test('a checkpoint follows changes that wrote something, one for all of them', async t => {
  const { made, catalog } = setUp(0)
  made.hasWritten = false
  await catalog.forget([1])
  await sleep(SETTLED_MS)
  t.equal(made.checkpoints, 0)
  made.hasWritten = true
  for (let blob = 1; blob < 10; blob++) await catalog.forget([blob])
  while (made.checkpoints === 0) await sleep(20)
  await sleep(SETTLED_MS)
  t.equal(made.checkpoints, 1)
})

test('one whose thread could not start is made later, though nothing changes any more', async t => {
  const { made, catalog } = setUp(2)
  await catalog.forget([1])
  while (made.checkpoints < 3) await sleep(20)
  await sleep(SETTLED_MS)
  t.equal(made.checkpoints, 3)
})

test('one that the disk failed is not made again', async t => {
  const { made, catalog } = setUp(9, 'storage-failed')
  await catalog.forget([1])
  while (made.checkpoints === 0) await sleep(20)
  await sleep(SETTLED_MS)
  t.equal(made.checkpoints, 1)
  await t.rejects(catalog.forget([2]), { code: 'storage-failed' })
})

test('none is made after the end', async t => {
  const { made, catalog } = setUp(9)
  await catalog.forget([1])
  await catalog.drain()
  await sleep(SETTLED_MS)
  t.equal(made.checkpoints, 0)
})
