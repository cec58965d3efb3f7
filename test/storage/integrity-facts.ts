/** What every store promises about blocks: their sums, what is damaged, and how that is found. */
import { crc32 } from 'node:zlib'
import { BLOCK_BYTES, SUMS_PER_PAGE } from '../../daemon/storage/blocks.ts'
import type { Store } from '../../daemon/storage/storage.ts'
import type { Fact } from './conformance.ts'
import { USER, digestOf, fidOf, fileOf, newFile, newTransfer, sha256 } from './samples.ts'

export function integrityFacts(fact: Fact): void {
  fact('the sums of blocks are those of the bytes, hashed along at any place or not', async (t, { contents }) => {
    const bytes = Buffer.alloc(3 * BLOCK_BYTES + 5)
    for (let at = 0; at + 4 <= bytes.length; at += 4) bytes.writeUInt32LE(at * 2_654_435_761 % 2 ** 32, at)
    await contents.write(1, 0, [bytes])
    await contents.sync([1])
    for (const hint of [0, 1_000_000 / 2, BLOCK_BYTES, BLOCK_BYTES + 1]) {
      if (hint > 0) contents.advance(1, hint)
      const { sums } = await contents.digest(1, bytes.length)
      const expected = Buffer.alloc(16)
      for (let block = 0; block < 4; block++) expected.writeUInt32BE(crc32(bytes.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES)), block * 4)
      t.same(Buffer.from(sums), expected)
    }
    t.equal((await contents.digest(1, BLOCK_BYTES)).sums.length, 0, 'one block needs none besides the digest')
    t.equal((await contents.digest(1, BLOCK_BYTES + 1)).sums.length, 8)
  })

  fact('a check names the damaged blocks; without sums, or where no sum tells, all', async (t, { contents }) => {
    const bytes = Buffer.alloc(4 * BLOCK_BYTES - 7, 5)
    await contents.write(1, 0, [bytes])
    await contents.sync([1])
    const { digest, sums } = await contents.digest(1, bytes.length)
    t.same(await contents.check(1, bytes.length, digest, sums), [])
    await contents.write(1, 2 * BLOCK_BYTES + 9, [Buffer.from([4])])
    await contents.write(1, 4 * BLOCK_BYTES - 8, [Buffer.from([4])])
    await contents.sync([1])
    t.same(await contents.check(1, bytes.length, digest, sums), [[2, 2]])
    t.same(await contents.check(1, bytes.length, digest, new Uint8Array(0)), [[0, 4]])
    t.same(await contents.check(1, bytes.length + BLOCK_BYTES, digest, sums), [[2, 3]], 'a short blob lacks its last blocks')
    t.same(await contents.check(2, bytes.length, digest, sums), [[0, 4]], 'an absent one all')
    t.same(await contents.check(2, 0, sha256(Buffer.alloc(0)), new Uint8Array(0)), [], 'of nothing, nothing is damaged')
  })

  fact('sums are kept in pages with their content, and go with it', async (t, { catalog }, under) => {
    const transfer = await catalog.announce(newTransfer(1, [newFile({ sizeBytes: 2 ** 31 }), newFile()]))
    const sums = Buffer.alloc(2 * SUMS_PER_PAGE * 4 - 4)
    sums.writeUInt32BE(7, SUMS_PER_PAGE * 4)
    const blob = fileOf(transfer, 0).id
    await catalog.store(blob, digestOf('x'), 2 ** 31, 1, sums)
    await catalog.store(fileOf(transfer, 1).id, digestOf('y'), 3000, 1)
    const { catalog: again } = await under.reopen()
    const content = await again.content(USER, { fid: fidOf(1), file: 0 })
    t.same([content?.sums.length, content?.damaged], [SUMS_PER_PAGE * 4, []])
    t.same(Buffer.from(await again.sums(blob, 1)), sums.subarray(SUMS_PER_PAGE * 4))
    t.equal((await again.sums(blob, 2)).length, 0)
    t.equal((await again.content(USER, { digest: digestOf('y') }))?.sums.length, 0)
    await again.remove(transfer.id, [blob], 2)
    t.equal((await again.sums(blob, 1)).length, 0)
  })

  fact('damage is noted for every file that shares the content, joined with what is known, and bounded', async (t, { catalog }, under) => {
    const transfer = await catalog.announce(newTransfer(1, [newFile(), newFile()]))
    const [first, second] = transfer.files.map(({ id }) => id) as [number, number]
    for (const id of [first, second]) await catalog.store(id, digestOf('x'), 3000, 1)
    await catalog.damaged(first, [[7, 1], [1, 2]])
    await catalog.damaged(first, [[3, 1]])
    await catalog.damaged(999_999, [[0, 1]])
    const check = async ({ catalog }: Store): Promise<void> => {
      for (const file of [0, 1]) t.same((await catalog.content(USER, { fid: fidOf(1), file }))?.damaged, [[1, 3], [7, 1]])
    }
    await check(under.store)
    const store = await under.reopen()
    await check(store)
    await store.catalog.damaged(first, Array.from({ length: 5000 }, (_, i) => [i * 2, 1] as const))
    const damaged = (await store.catalog.content(USER, { digest: digestOf('x') }))?.damaged ?? []
    t.equal(damaged.length, 1024)
    const [last, count] = damaged.at(-1) ?? [0, 0]
    t.equal(last + count, 9999, 'what is too much to list is counted in')
  })
}
