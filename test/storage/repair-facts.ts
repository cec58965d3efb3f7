/** What every store promises about repairs: what is asked for again, what a mark means meanwhile, and how they end. */
import { ChunkSet } from '../../protocol/chunk-set.ts'
import { BLOCK_BYTES } from '../../daemon/storage/blocks.ts'
import type { FileRecord, Repair, Store, TransferRecord } from '../../daemon/storage/storage.ts'
import { contentOf } from '../support/random.ts'
import type { Fact } from './conformance.ts'
import { USER, codeOf, digestOf, fidOf, fileOf, limits, markOf, newFile, newTransfer, sha256 } from './samples.ts'

const SIZE_BYTES = 4 * BLOCK_BYTES + 100
const CHUNK_BYTES = 100_000
const CHUNKS = Math.ceil(SIZE_BYTES / CHUNK_BYTES)
const whole = { pages: [{ page: 0, bytes: pageOf(0, CHUNKS) }], receivedBytes: SIZE_BYTES, chunkSizeBytes: CHUNK_BYTES }

export function repairFacts(fact: Fact): void {
  fact('a repair asks for the chunks that touch damaged blocks, and the file stays stored', async (t, store, under) => {
    const { catalog } = store
    const transfer = await storeFiles(store, 1, ['one', 'two'])
    t.equal(await catalog.isDamaged(transfer.id), false)
    t.same(await catalog.beginRepairs(transfer.id, 5), [])
    await catalog.damaged(fileOf(transfer, 0).id, [[1, 1], [4, 1]])
    t.equal(await catalog.isDamaged(transfer.id), true)
    const [begun] = await catalog.beginRepairs(transfer.id, 5) as [FileRecord]
    t.match(begun, { number: 0, state: 'stored', kind: 'numbered', digest: digestOfFile(1, 0) })
    t.not(begun.repair, null)
    t.ok((begun.repair as number) > fileOf(transfer, 1).id, 'its blob has a name of its own')
    // Block 1 is bytes 262,144 to 524,287: chunks 2 to 5. Block 4 is the last 100 bytes: chunk 10.
    t.same([...ChunkSet.fromPages(begun.receipts).missing(CHUNKS, 99)], [[2, 4], [10, 1]])
    t.same(await catalog.beginRepairs(transfer.id, 6), [begun], 'one that is under way goes on')
    const again = await under.reopen()
    t.same(await again.catalog.load(USER, fidOf(1)), { ...transfer, files: [begun, fileOf(transfer, 1)] })
    t.match(await again.catalog.content(USER, { fid: fidOf(1), file: 0 }), { damaged: [[1, 1], [4, 1]] })
    const next = await again.catalog.announce(newTransfer(2, [newFile()]))
    t.ok(fileOf(next, 0).id > (begun.repair as number), 'no file gets that name')
  })

  fact('the damaged files of a transfer are told by their numbers: all that share the content, under repair or not, but none that is gone', async (t, store) => {
    const { catalog } = store
    const transfer = await storeFiles(store, 1, ['two', 'one', 'one', 'three'])
    t.same(await catalog.damagedFiles(transfer.id), [])
    await catalog.damaged(fileOf(transfer, 1).id, [[1, 1], [4, 1]])
    await catalog.damaged(fileOf(transfer, 3).id, [[0, 2]])
    const told = [{ file: 1, damaged: [[1, 1], [4, 1]] }, { file: 2, damaged: [[1, 1], [4, 1]] }, { file: 3, damaged: [[0, 2]] }]
    t.same(await catalog.damagedFiles(transfer.id), told)
    await catalog.beginRepairs(transfer.id, 5)
    t.same(await catalog.damagedFiles(transfer.id), told)
    await catalog.remove(transfer.id, [fileOf(transfer, 1).id], 6)
    t.same(await catalog.damagedFiles(transfer.id), told.slice(1))
    t.same(await catalog.damagedFiles(999), [])
  })

  fact('marks count for a file under repair; a complete one is listed, is ended once, and then is whole', async (t, store, under) => {
    const transfer = await storeFiles(store, 1, ['one'])
    const repair = await damageAndFill(store, transfer)
    t.same(repair.ranges, [[200_000, 400_000]])
    t.match(repair, { content: fileOf(transfer, 0).id, digest: digestOfFile(1, 0), sizeBytes: SIZE_BYTES })
    const { catalog, contents } = await under.reopen()
    t.same(await catalog.complete(), [{ user: USER, fid: fidOf(1) }])
    t.same(await catalog.repair(fileOf(transfer, 0).id), repair)
    t.equal(await contents.repair(repair), digestOfFile(1, 0))
    t.equal(await contents.repair(repair), digestOfFile(1, 0), 'again, as after a crash')
    t.same(await contents.check(repair.content, SIZE_BYTES, repair.digest, new Uint8Array(0)), [])
    await catalog.endRepair(fileOf(transfer, 0).id, repair.blob)
    await catalog.endRepair(fileOf(transfer, 0).id, repair.blob)
    t.same(await catalog.load(USER, fidOf(1)), transfer)
    t.same((await catalog.content(USER, { fid: fidOf(1), file: 0 }))?.damaged, [])
    t.equal(await catalog.repair(fileOf(transfer, 0).id), undefined)
    t.same(await catalog.complete(), [])
    t.same(await catalog.garbage(9), [repair.blob])
  })

  fact('a repair that ends says nothing of what was damaged since, and an older one of the same file nothing at all', async (t, store) => {
    const transfer = await storeFiles(store, 1, ['one'])
    const repair = await damageAndFill(store, transfer)
    const { catalog } = store
    const { id } = fileOf(transfer, 0)
    const damagedNow = async () => (await catalog.content(USER, { fid: fidOf(1), file: 0 }))?.damaged
    await catalog.endRepair(id, repair.blob + 77)
    const before = await damagedNow()
    t.ok(before?.length)
    await catalog.damaged(repair.content, [[4, 1]])
    await catalog.endRepair(id, repair.blob)
    t.same(await damagedNow(), [[4, 1]])
    const [again] = await catalog.beginRepairs(transfer.id, 9)
    await catalog.endRepair(id, repair.blob)
    t.same(await damagedNow(), [[4, 1]])
    t.not(again?.repair, repair.blob)
  })

  fact('other bytes than were stored repair nothing and spoil nothing; then all chunks are asked for', async (t, store) => {
    const transfer = await storeFiles(store, 1, ['one'])
    const repair = await damageAndFill(store, transfer, Buffer.alloc(400_000, 1))
    const { catalog, contents } = store
    const before = await bytesOf(store, repair.content)
    t.not(await contents.repair(repair), repair.digest)
    t.ok(before.equals(await bytesOf(store, repair.content)))
    await catalog.reset(fileOf(transfer, 0).id)
    t.match(await catalog.load(USER, fidOf(1)), { files: [{ state: 'stored', receipts: [], held: [], repair: repair.blob }] })
    t.same((await catalog.repair(fileOf(transfer, 0).id))?.ranges, [[0, SIZE_BYTES]])
  })

  fact('an absent blob is made anew by its repair; while the rest is not there, nothing is', async (t, store) => {
    const transfer = await storeFiles(store, 1, ['one'])
    const repair = await damageAndFill(store, transfer)
    const lost = { ...repair, content: 77_777 }
    t.not(await store.contents.repair(lost), repair.digest)
    t.equal(await codeOf(store.contents.open(77_777)), 'content-damaged')
    await store.contents.write(repair.blob, 0, [contentOf(1000, SIZE_BYTES)])
    await store.contents.sync([repair.blob])
    t.equal(await store.contents.repair({ ...lost, ranges: [[0, SIZE_BYTES]] }), repair.digest)
    t.ok((await bytesOf(store, 77_777)).equals(contentOf(1000, SIZE_BYTES)))
  })

  fact('whole content under another name takes the place of damaged content, for all that share it', async (t, store) => {
    const { catalog } = store
    const transfer = await storeFiles(store, 1, ['one', 'one'])
    const damaged = fileOf(transfer, 0).id
    await catalog.damaged(damaged, [[0, 1]])
    const begun = await catalog.beginRepairs(transfer.id, 5)
    const other = await catalog.announce(newTransfer(2, [newFile({ sizeBytes: SIZE_BYTES })]))
    // What is kept of the damaged content may be none, as in a store that was migrated.
    const sums = new Uint8Array(20).fill(1)
    await catalog.store(fileOf(other, 0).id, digestOfFile(1, 0), SIZE_BYTES, 9, sums)
    for (const wanted of [{ fid: fidOf(1), file: 0 }, { fid: fidOf(1), file: 1 }, { fid: fidOf(2), file: 0 }]) {
      t.match(await catalog.content(USER, wanted), { blob: fileOf(other, 0).id, damaged: [], sums: { length: 20, 0: 1 } })
    }
    t.same((await catalog.garbage(9)).toSorted(), [damaged, fileOf(transfer, 1).id, ...begun.map(({ repair }) => repair)])
    t.equal(await catalog.repair(damaged), undefined)
    await catalog.endRepair(damaged, begun[0]?.repair as number)
    await catalog.mark([markOf(transfer, 0, whole)], 9)
    t.same(await catalog.load(USER, fidOf(1)), transfer)
  })

  fact('a repair goes with its file, lapses as unfinished transfers do, and is dropped where the content is whole', async (t, store) => {
    const { catalog } = store
    const transfer = await storeFiles(store, 1, ['one', 'two'])
    for (const { id } of transfer.files) await catalog.damaged(id, [[0, 1]])
    const [first, second] = await catalog.beginRepairs(transfer.id, 5000) as [FileRecord, FileRecord]
    await catalog.remove(transfer.id, [first.id], 6000)
    t.same((await catalog.garbage(9)).toSorted(), [first.id, first.repair])
    t.same((await catalog.expire(limits({ unfinishedBeforeMs: 5000 }))).transfers, [])
    t.equal((await catalog.beginRepairs(transfer.id, 1))[0]?.repair, second.repair, 'it was begun later than that')
    await catalog.expire(limits({ unfinishedBeforeMs: 5001, inUse: new Set([transfer.id]) }))
    t.equal((await catalog.repair(second.id))?.blob, second.repair, 'it is in use')
    await catalog.expire(limits({ unfinishedBeforeMs: 5001 }))
    t.match(await catalog.load(USER, fidOf(1)), { files: [{ state: 'removed' }, { state: 'stored', receipts: [], repair: null }] })
    t.ok((await catalog.garbage(9)).includes(second.repair as number))
    t.match(await catalog.content(USER, { fid: fidOf(1), file: 1 }), { damaged: [[0, 1]] })
  })

  fact('a file of opaque chunks is not repaired in its place', async (t, { catalog }) => {
    const transfer = await catalog.announce(newTransfer(1, [newFile()]))
    await catalog.mark([markOf(transfer, 0, { kind: 'opaque' })], 1)
    await catalog.store(fileOf(transfer, 0).id, digestOf('x'), 3000, 1)
    await catalog.damaged(fileOf(transfer, 0).id, [[0, 1]])
    t.equal(await catalog.isDamaged(transfer.id), false)
    t.same(await catalog.beginRepairs(transfer.id, 1), [])
    t.same(await catalog.damagedFiles(transfer.id), [{ file: 0, damaged: [[0, 1]] }])
  })
}

/** Files of one transfer; equal names have equal content. */
async function storeFiles({ catalog, contents }: Store, number: number, names: readonly string[]): Promise<TransferRecord> {
  const files = names.map(name => newFile({ name, sizeBytes: SIZE_BYTES }))
  const transfer = await catalog.announce(newTransfer(number, files, { chunkSizeBytes: CHUNK_BYTES }))
  for (const [file, name] of names.entries()) {
    const { id } = fileOf(transfer, file)
    await contents.write(id, 0, [bytesOfFile(number, names.indexOf(name))])
    await contents.sync([id])
    await catalog.mark([markOf(transfer, file, whole)], 2)
    const { digest, sums } = await contents.digest(id, SIZE_BYTES)
    await catalog.store(id, digest, SIZE_BYTES, 3, sums)
    await contents.release(id)
  }
  return await catalog.load(USER, fidOf(number)) as TransferRecord
}

/** Spoils block 1 of the first file, and gives its repair all that it asks for. */
async function damageAndFill({ catalog, contents }: Store, transfer: TransferRecord, bytes?: Uint8Array): Promise<Repair> {
  const { id } = fileOf(transfer, 0)
  await contents.write(id, BLOCK_BYTES + 3, [Buffer.from('spoiled')])
  await contents.sync([id])
  await catalog.damaged(id, [[1, 1]])
  const [begun] = await catalog.beginRepairs(transfer.id, 4) as [FileRecord]
  await contents.write(begun.repair as number, 200_000, [bytes ?? bytesOfFile(1, 0).subarray(200_000, 600_000)])
  await contents.sync([begun.repair as number])
  await catalog.mark([markOf(transfer, 0, whole)], 5)
  return await catalog.repair(id) as Repair
}

async function bytesOf({ contents }: Store, blob: number): Promise<Buffer> {
  const reader = await contents.open(blob)
  try {
    return Buffer.from(await reader.read(0, SIZE_BYTES))
  } finally {
    await reader.close()
  }
}

function bytesOfFile(transfer: number, file: number): Buffer {
  return contentOf(transfer * 1000 + file, SIZE_BYTES)
}

function digestOfFile(transfer: number, file: number): string {
  return sha256(bytesOfFile(transfer, file))
}

/** A page with chunks from 0 on. */
function pageOf(page: number, count: number): Uint8Array {
  const set = new ChunkSet()
  set.addRun(0, count)
  return set.encodePage(page)
}
