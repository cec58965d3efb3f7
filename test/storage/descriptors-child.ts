/**
 * A store in a process that may open few files: uses up its descriptors, asks for what opens one, gives them back and asks again. Prints
 * the outcomes as JSON. Run by descriptors.test.ts, with the store's directory as its argument.
 */
import fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { openLocalStore } from '../../daemon/storage/local/index.ts'
import type { Repair } from '../../daemon/storage/storage.ts'
import { Damage } from '../../daemon/transfers/damage.ts'
import { Scrub } from '../../daemon/transfers/scrub.ts'
import { contentOf } from '../support/random.ts'
import { codeOf, fidOf, fileOf, newFile, newTransfer, sha256, USER } from './samples.ts'

const SIZE_BYTES = 600_000
const store = await openLocalStore({ path: process.argv[2] as string, durability: 'process' })
const { catalog, contents } = store
const transfer = await catalog.announce(newTransfer(1, [1, 2].map(() => newFile({ sizeBytes: SIZE_BYTES })), { chunkSizeBytes: 300_000 }))
for (const { id } of transfer.files) {
  await contents.write(id, 0, [contentOf(id, SIZE_BYTES)])
  const { digest, sums } = await contents.digest(id, SIZE_BYTES)
  await catalog.store(id, digest, SIZE_BYTES, 1, sums)
  await contents.release(id)
}
const [damaged, whole] = [fileOf(transfer, 0).id, fileOf(transfer, 1).id]
await catalog.damaged(damaged, [[0, 1]])
await catalog.beginRepairs(transfer.id, 2)
const repair = await catalog.repair(damaged) as Repair
await contents.write(repair.blob, 0, [contentOf(damaged, SIZE_BYTES).subarray(0, 300_000)])

let found = 0
const failures: unknown[] = []
const damage = new Damage(store, { found: () => found++, failed: (_, cause) => failures.push(cause) })
const scrub = new Scrub({
  store, damage, nowMs: () => 0, bytesPerSecond: () => 2 ** 30, isBusy: () => false, onPass: () => {}, onFailure: cause => failures.push(cause),
})
const check = () => codeOf(contents.check(whole, SIZE_BYTES, sha256(contentOf(whole, SIZE_BYTES)), new Uint8Array(0)))
const ask = async () => {
  failures.length = 0
  const [checked, repaired] = [await check(), await codeOf(contents.repair(repair))]
  await scrub.tick()
  // What a scrub suspects is checked behind it, and answered before this is.
  await check()
  await sleep(0)
  return { checked, repaired, scrubbed: await codeOf(failures.length === 0 ? Promise.resolve() : Promise.reject(failures[0])) }
}

// A thread's start opens several files, and each of them may be the one that is not to be had.
const unstarted: string[] = []
for (let left = 0; left < 50 && unstarted.at(-1) !== 'none'; left++) unstarted.push(await without(check, left))
const afterwards = await check()
await scrub.stop()
const out = await without(ask)
const again = await ask()
const { damaged: noted } = await catalog.content(USER, { fid: fidOf(1), file: 1 }) ?? {}
process.stdout.write(JSON.stringify({ unstarted, afterwards, out, again, found, noted }))
await store.close()

/** Runs it while no descriptor is to be had, or only so many. */
async function without<T>(act: () => Promise<T>, left = 0): Promise<T> {
  const descriptors: number[] = []
  try {
    // A thread that has answered may still close what it had open.
    for (let isUsedUp = false; !isUsedUp; ) {
      const before = descriptors.length
      useUp(descriptors)
      await sleep(20)
      isUsedUp = descriptors.length === before
    }
    for (const descriptor of descriptors.splice(0, left)) fs.closeSync(descriptor)
    return await act()
  } finally {
    for (const descriptor of descriptors) fs.closeSync(descriptor)
  }
}

function useUp(descriptors: number[]): void {
  try {
    for (;;) descriptors.push(fs.openSync('/dev/null', 'r'))
  } catch {}
}
