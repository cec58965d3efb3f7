/** The scrub on stores in memory and on disk, with a clock and a rate of the test's own. */
import { test, type Test } from 'tap'
import { BLOCK_BYTES } from '../../daemon/storage/blocks.ts'
import { openMemoryStore } from '../../daemon/storage/memory.ts'
import type { Store } from '../../daemon/storage/storage.ts'
import { Damage } from '../../daemon/transfers/damage.ts'
import { Scrub, type ScrubPass } from '../../daemon/transfers/scrub.ts'
import { fidOf, fileOf, newFile, newTransfer, USER } from '../storage/samples.ts'
import { openLocal } from '../storage/support.ts'
import { contentOf } from '../support/random.ts'

const DAY_MS = 86_400_000

interface Rig {
  readonly scrub: Scrub
  readonly passes: ScrubPass[]
  readonly damaged: string[]
  rate: number
  isBusy: boolean
  nowMs: number
}

function makeScrub(t: Test, store: Store, rate: number): Rig {
  const passes: Rig['passes'] = []
  const damaged: string[] = []
  const fails = (what: string) => (cause: unknown) => t.fail(`${what}: ${String(cause)}`)
  const damage = new Damage(store, {
    found: ({ fid, file }, runs) => damaged.push(`${fid}/${file} ${JSON.stringify(runs)}`),
    failed: (_, cause) => fails('check')(cause),
  })
  const rig: Rig = {
    scrub: new Scrub({
      store, damage, nowMs: () => rig.nowMs, bytesPerSecond: () => rig.rate, isBusy: () => rig.isBusy,
      onPass: pass => passes.push({ ...pass }), onFailure: fails('scrub'),
    }),
    passes, damaged, rate, isBusy: false, nowMs: 1_000_000,
  }
  return rig
}

/** Stores files of these sizes; answers their blobs. */
async function storeFiles({ catalog, contents }: Store, sizes: readonly number[]): Promise<number[]> {
  const transfer = await catalog.announce(newTransfer(1, sizes.map(sizeBytes => newFile({ sizeBytes }))))
  for (const { id, sizeBytes } of transfer.files) {
    await contents.write(id, 0, [contentOf(id, sizeBytes as number)])
    await contents.sync([id])
    const { digest, sums } = await contents.digest(id, sizeBytes as number)
    await catalog.store(id, digest, sizeBytes as number, 1, sums)
    await contents.release(id)
  }
  return transfer.files.map(({ id }) => id)
}

async function spoil({ contents }: Store, blob: number, offsetBytes: number): Promise<void> {
  await contents.write(blob, offsetBytes, [Uint8Array.of(contentOf(blob, offsetBytes + 1)[offsetBytes] as number ^ 1)])
  await contents.sync([blob])
  await contents.release(blob)
}

async function until(isSo: () => boolean): Promise<void> {
  for (const untilMs = Date.now() + 60_000; !isSo() && Date.now() < untilMs;) await new Promise(resolve => setTimeout(resolve, 5))
}

for (const kind of ['memory', 'local'] as const) {
  test(`${kind}: a pass reads everything once, at its rate, finds damage of large and small contents, and the next comes a month later`, async t => {
    const under = kind === 'memory' ? undefined : await openLocal('process')
    const store = under?.store ?? openMemoryStore()
    t.teardown(() => under?.end())
    const sizes = [4 * BLOCK_BYTES + 1, 0, 100_000, BLOCK_BYTES]
    const [large = 0, , small = 0] = await storeFiles(store, sizes)
    const rig = makeScrub(t, store, BLOCK_BYTES)
    let ticks = 0
    for (; rig.passes.length === 0 && ticks < 100; ticks++) await rig.scrub.tick()
    t.same(rig.passes, [{ contents: 3, bytes: sizes.reduce((sum, size) => sum + size), damaged: 0 }])
    t.ok(ticks >= 6, `${ticks} seconds for six blocks`)
    t.same(rig.damaged, [])
    await spoil(store, large, 2 * BLOCK_BYTES)
    await spoil(store, small, 99_999)
    rig.rate = 100 * BLOCK_BYTES
    rig.nowMs += 30 * DAY_MS - 1
    await rig.scrub.tick()
    t.equal(rig.passes.length, 1, 'not yet')
    rig.nowMs++
    await rig.scrub.tick()
    await until(() => rig.damaged.length === 2)
    t.same(rig.damaged.toSorted(), [`${fidOf(1)}/0 [[2,1]]`, `${fidOf(1)}/2 [[0,1]]`])
    t.match(await store.catalog.content(USER, { fid: fidOf(1), file: 0 }), { damaged: [[2, 1]] })
    t.same(rig.passes[1], { contents: 3, bytes: 3 * BLOCK_BYTES + 100_000 + BLOCK_BYTES, damaged: 2 }, 'past the damage that content is read by the check')
    rig.nowMs += 30 * DAY_MS
    await rig.scrub.tick()
    t.equal(rig.passes[2]?.contents, 1, 'what is known to be damaged is left alone')
    await rig.scrub.stop()
  })
}

test('it goes on where it was after a restart, in the middle of a content, too', async t => {
  const under = await openLocal('process')
  t.teardown(() => under.end())
  await storeFiles(under.store, [BLOCK_BYTES, 5 * BLOCK_BYTES])
  const first = makeScrub(t, under.store, BLOCK_BYTES)
  for (let tick = 0; tick < 3; tick++) await first.scrub.tick()
  await first.scrub.stop()
  t.match(await under.store.catalog.scrubPosition(), { blob: 2, block: 2, isOver: false })
  const second = makeScrub(t, await under.reopen(), 100 * BLOCK_BYTES)
  await second.scrub.tick()
  t.same(second.passes, [{ contents: 1, bytes: 3 * BLOCK_BYTES, damaged: 0 }])
  await second.scrub.stop()
})

test('it can be switched off and on, rests while there is work, and saves up for a block where the rate is small', async t => {
  const store = openMemoryStore()
  await storeFiles(store, [BLOCK_BYTES])
  const rig = makeScrub(t, store, 0)
  for (let tick = 0; tick < 20; tick++) await rig.scrub.tick()
  t.equal(await store.catalog.scrubPosition(), undefined, 'off')
  rig.rate = BLOCK_BYTES / 4
  rig.isBusy = true
  for (let tick = 0; tick < 20; tick++) await rig.scrub.tick()
  t.equal(rig.passes.length, 0, 'busy')
  rig.isBusy = false
  for (let tick = 0; tick < 3; tick++) await rig.scrub.tick()
  t.equal(rig.passes.length, 0, 'not enough yet')
  await rig.scrub.tick()
  t.equal(rig.passes.length, 1)
  await rig.scrub.stop()
})

test('a content that is removed under it, or while it is being checked, is no damage', async t => {
  const under = await openLocal('process')
  t.teardown(() => under.end())
  const { catalog, contents } = under.store
  const [blob = 0] = await storeFiles(under.store, [3 * BLOCK_BYTES])
  const rig = makeScrub(t, under.store, BLOCK_BYTES)
  await rig.scrub.tick()
  const transfer = await catalog.load(USER, fidOf(1))
  await catalog.remove(transfer?.id as number, [fileOf(transfer as NonNullable<typeof transfer>, 0).id], 5)
  await contents.remove(blob)
  for (let tick = 0; tick < 5; tick++) await rig.scrub.tick()
  t.equal(rig.passes.length, 1)
  await rig.scrub.stop()
  t.same(rig.damaged, [])
})
