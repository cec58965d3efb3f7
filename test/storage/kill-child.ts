/**
 * The process that `kill.test.ts` kills: it changes a store as a daemon would and tells on stdout, one JSON line each, what it starts
 * and what has returned. Arguments: directory, durability, seed.
 */
import fs from 'node:fs'
import { openLocalStore } from '../../daemon/storage/local/index.ts'
import type { Durability, TransferRecord } from '../../daemon/storage/storage.ts'
import { contentOf, Random } from '../support/random.ts'
import { fidOf, fileOf, markOf, newFile, newTransfer, pairOf } from './samples.ts'

export const CHUNK_BYTES = 1000
export const CHUNKS = 8

/** Both files of a transfer take the same steps: a mark covers both, so after a crash both stand at the same step. */
async function runTransfer(number: number, directory: string, random: Random): Promise<void> {
  const sizeBytes = CHUNKS * CHUNK_BYTES
  const transfer = await catalog.announce(newTransfer(number, [newFile({ name: 'a', sizeBytes }), newFile({ name: 'b', sizeBytes })]))
  tell({ fact: 'announced', number, directory })
  let held = 0
  for (let step = 1; step <= CHUNKS; step++) {
    const offset = (step - 1) * CHUNK_BYTES
    const isHeld = step < CHUNKS && random.chance(0.4)
    if (!isHeld) {
      await Promise.all(transfer.files.map(({ id }) => contents.write(id, held, [bytesOf(id).subarray(held, offset + CHUNK_BYTES)])))
      await contents.sync(transfer.files.map(({ id }) => id))
    }
    await catalog.mark(transfer.files.map(({ id, number: file }) => markOf(transfer, file, {
      pages: [{ page: 0, bytes: new Uint8Array([step]) }], receivedBytes: step * CHUNK_BYTES, pairs: [pairOf(step * 2 + file, file, step)],
      held: isHeld ? [{ offsetBytes: offset, bytes: bytesOf(id).subarray(offset, offset + CHUNK_BYTES) }] : [], releaseHeld: !isHeld,
    })), step)
    if (!isHeld) held = offset + CHUNK_BYTES
    tell({ fact: 'marked', number, step })
  }
  await storeBoth(number, transfer, random)
}

async function storeBoth(number: number, transfer: TransferRecord, random: Random): Promise<void> {
  const sizeBytes = CHUNKS * CHUNK_BYTES
  for (const { id } of transfer.files) {
    const { digest, sums } = await contents.digest(id, sizeBytes)
    await catalog.store(id, digest, sizeBytes, 1, sums)
    await contents.release(id)
  }
  tell({ fact: 'stored', number })
  if (!random.chance(0.5)) return
  tell({ fact: 'removing', number })
  await catalog.remove(transfer.id, [fileOf(transfer, 0).id], 1)
  tell({ fact: 'removed', number })
  const garbage = await catalog.garbage(10)
  await Promise.all(garbage.map(blob => contents.remove(blob)))
  await catalog.forget(garbage)
}

function bytesOf(blob: number): Buffer {
  return contentOf(blob, CHUNKS * CHUNK_BYTES)
}

/** Straight to the pipe: what was told before a kill has been told. */
function tell(line: object): void {
  fs.writeSync(1, `${JSON.stringify(line)}\n`)
}

const [directory = '', durability = 'power', seed = '0', first = '0'] = process.argv.slice(2)
const { catalog, contents } = await openLocalStore({ path: directory, durability: durability as Durability })
const random = new Random(Number(seed))
tell({ fact: 'open' })
for (let number = Number(first); ; number += 3) {
  await Promise.all([0, 1, 2].map(i => runTransfer(number + i, fidOf(number + i), random)))
}
