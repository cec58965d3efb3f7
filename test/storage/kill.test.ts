/**
 * kill -9 of a process that changes a store, again and again on the same store: whatever had returned is there afterwards, and what
 * belongs together is there together. (Losing power is `contents.test.ts`'s and the fault campaigns' business.)
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import type { Test } from 'tap'
import { openLocalStore } from '../../daemon/storage/local/index.ts'
import type { Durability, FileRecord, Store } from '../../daemon/storage/storage.ts'
import { chooseSeed, contentOf, Random } from '../support/random.ts'
import { fidOf, pairOf } from './samples.ts'
import { freshDirectory } from './support.ts'

const CHUNK_BYTES = 1000
const CHUNKS = 8
const ROUNDS = 3

/** What the child told about one transfer. */
interface Told {
  announced: boolean
  marked: number
  stored: boolean
  removing: boolean
  removed: boolean
}

for (const durability of ['power', 'process'] as const) {
  test(`what returned before a kill -9 is there after it, durability ${durability}`, { timeout: 110_000 }, async t => {
    const seed = chooseSeed()
    t.comment(`TALLY_TEST_SEED=${seed}`)
    const random = new Random(seed)
    const directory = freshDirectory(t)
    const told = new Map<number, Told>()
    let checked = 0
    let cutOff = 0
    for (let round = 0; round < ROUNDS; round++) {
      await runAndKill(directory, durability, random.uint32(), round * 1_000_000, random.between(1, 150), told)
      const store = await openLocalStore({ path: directory, durability })
      for (const [number, facts] of told) cutOff += await checkTransfer(t, store, number, facts)
      checked += told.size
      await finishAll(store, told)
      await store.close()
    }
    t.ok(checked > 0, `${checked} transfers were checked`)
    t.comment(`${cutOff} were cut off before they were stored`)
  })
}

/** Kills the child after it has told so many lines. */
async function runAndKill(
  directory: string, durability: Durability, seed: number, first: number, lines: number, told: Map<number, Told>,
): Promise<void> {
  const script = fileURLToPath(new URL('./kill-child.ts', import.meta.url))
  const child = spawn(process.execPath, [script, directory, durability, String(seed), String(first)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = new Promise(resolve => child.on('exit', resolve))
  let left = lines
  for await (const line of createInterface({ input: child.stdout })) {
    const { fact, number, step } = JSON.parse(line) as { fact: string; number?: number; step?: number }
    if (number !== undefined) {
      const facts = told.get(number) ?? { announced: false, marked: 0, stored: false, removing: false, removed: false }
      told.set(number, facts)
      if (fact === 'marked') facts.marked = step as number
      else facts[fact as 'announced' | 'stored' | 'removing' | 'removed'] = true
    }
    if (--left === 0) child.kill('SIGKILL')
  }
  await exited
}

/** Answers 1 where the transfer was under way when the child was killed. */
async function checkTransfer(t: Test, { catalog, contents }: Store, number: number, told: Told): Promise<number> {
  const transfer = await catalog.load('ann', fidOf(number))
  if (transfer?.files.length !== 2) {
    t.fail(`transfer ${number} is not there`)
    return 0
  }
  const [a, b] = transfer.files as [FileRecord, FileRecord]
  if (told.stored && (b.state !== 'stored' || (!told.removing && a.state !== 'stored'))) t.fail(`transfer ${number} was stored, and is not`)
  if (told.removed && a.state !== 'removed') t.fail(`file 0 of ${number} was removed, and is ${a.state}`)
  for (const file of transfer.files) {
    if (file.state === 'removed') continue
    const marked = file.state === 'stored' ? CHUNKS : file.receipts[0]?.bytes[0] ?? 0
    if (marked < told.marked) t.fail(`file ${file.number} of ${number}: ${told.marked} chunks were marked, ${marked} are`)
    if (a.state === 'receiving' && b.state === 'receiving' && a.receipts[0]?.bytes[0] !== b.receipts[0]?.bytes[0]) t.fail('half a mark')
    const pairs = await catalog.pairs(transfer.id, Array.from({ length: marked }, (_, i) => pairOf((i + 1) * 2 + file.number, 0, 0).uuid))
    if (pairs.length !== marked) t.fail(`file ${file.number} of ${number} has ${marked} chunks and ${pairs.length} pairs`)
    const bytes = Buffer.alloc(marked * CHUNK_BYTES)
    const heldFrom = file.held[0]?.offsetBytes ?? bytes.length
    if (heldFrom > 0) {
      const reader = await contents.open(file.id)
      bytes.set(await reader.read(0, heldFrom))
      await reader.close()
    }
    for (const { offsetBytes, bytes: piece } of file.held) bytes.set(piece, offsetBytes)
    if (!bytes.equals(contentOf(file.id, CHUNKS * CHUNK_BYTES).subarray(0, bytes.length))) t.fail(`file ${file.number} of ${number} has other bytes`)
  }
  return a.state === 'receiving' || b.state === 'receiving' ? 1 : 0
}

/** Clears the stage for the next round, so that each is checked for itself. */
async function finishAll({ catalog, contents }: Store, told: Map<number, Told>): Promise<void> {
  const transfers = await Promise.all([...told.keys()].map(number => catalog.load('ann', fidOf(number))))
  await Promise.all(transfers.map(transfer => transfer && catalog.remove(transfer.id, undefined, 1)))
  const garbage = await catalog.garbage(100_000)
  await Promise.all(garbage.map(blob => contents.remove(blob)))
  await catalog.forget(garbage)
  told.clear()
}
