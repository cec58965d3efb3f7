/** What every catalog promises about what a user has and may have: what counts, when it is given back, and who wins a race. */
import type { Store } from '../../daemon/storage/storage.ts'
import type { Fact } from './conformance.ts'
import { USER, codeOf, digestOf, fidOf, fileOf, limits, markOf, newFile, newTransfer, pairOf } from './samples.ts'

const quota = (bytesMax: number, filesMax = 1000) => ({ bytesMax, filesMax })

export function quotaFacts(fact: Fact): void {
  fact('announced sizes and marked bytes of unknown sizes count, from the announcement to the removal, and after opening anew', async (t, { catalog }, under) => {
    t.same(await catalog.usage(USER), { bytes: 0, files: 0 })
    const transfer = await catalog.announce(newTransfer(1, [newFile(), newFile({ sizeBytes: null }), newFile({ sizeBytes: 0 })]))
    t.same(await catalog.usage(USER), { bytes: 3000, files: 3 })
    await catalog.mark([markOf(transfer, 0, { receivedBytes: 2000 }), markOf(transfer, 1, { receivedBytes: 5000 })], 1)
    t.same(await catalog.usage(USER), { bytes: 8000, files: 3 })
    await catalog.amend({ transfer: transfer.id, files: [{ id: fileOf(transfer, 1).id, sizeBytes: 6000 }] }, 2)
    const store = await under.reopen()
    t.same(await store.catalog.usage(USER), { bytes: 9000, files: 3 })
    t.same(await store.catalog.usage('bob'), { bytes: 0, files: 0 })
  })

  fact('what a digest mismatch takes back of a file of unknown size no longer counts', async (t, { catalog }) => {
    const transfer = await catalog.announce(newTransfer(1, [newFile({ sizeBytes: null }), newFile()]))
    await catalog.mark([markOf(transfer, 0, { receivedBytes: 5000 }), markOf(transfer, 1, { receivedBytes: 3000 })], 1)
    for (const { id } of transfer.files) await catalog.reset(id)
    t.same(await catalog.usage(USER), { bytes: 3000, files: 2 })
  })

  fact('a content counts once however many files share it, until the last of them is removed; and for each user', async (t, { catalog }) => {
    const one = await stored(catalog, 1)
    const two = await stored(catalog, 2)
    const theirs = await stored(catalog, 1, 'bob')
    t.same(await catalog.usage(USER), { bytes: 3000, files: 2 })
    t.same(await catalog.usage('bob'), { bytes: 3000, files: 1 })
    await catalog.remove(one.id, undefined, 3)
    t.same(await catalog.usage(USER), { bytes: 3000, files: 1 }, 'the one that brought the bytes is gone, who shares them is not')
    await catalog.remove(two.id, undefined, 3)
    t.same(await catalog.usage(USER), { bytes: 0, files: 0 })
    await catalog.remove(theirs.id, [fileOf(theirs, 0).id], 3)
    t.same(await catalog.usage('bob'), { bytes: 0, files: 0 })
  })

  fact('what expires is given back', async (t, { catalog }) => {
    const unfinished = await catalog.announce(newTransfer(1, [newFile(), newFile({ sizeBytes: null })]))
    await catalog.mark([markOf(unfinished, 1, { receivedBytes: 1000 })], 1)
    const done = await catalog.announce(newTransfer(2, [newFile({ expiresMs: 5000 })], { nowMs: 9000 }))
    await catalog.store(fileOf(done, 0).id, digestOf('x'), 3000, 2)
    t.same(await catalog.usage(USER), { bytes: 7000, files: 3 })
    await catalog.expire(limits({ nowMs: 6000, unfinishedBeforeMs: 5000 }))
    t.same(await catalog.usage(USER), { bytes: 0, files: 0 })
  })

  fact('an announcement one byte or one file over the quota is refused with the figures, and leaves nothing', async (t, { catalog }) => {
    await catalog.announce(newTransfer(1, [newFile()], { quota: quota(3000, 1) }))
    const over = (fields: object, files = [newFile({ sizeBytes: 1 })]) => catalog.announce(newTransfer(2, files, fields))
    await t.rejects(over({ quota: quota(3000) }), { code: 'quota-exceeded', details: { unit: 'bytes', limit: 3000, used: 3000 } })
    await t.rejects(over({ quota: quota(9000, 1) }), { code: 'quota-exceeded', details: { unit: 'files', limit: 1, used: 1 } })
    t.equal(await catalog.load(USER, fidOf(2)), undefined)
    t.same(await catalog.usage(USER), { bytes: 3000, files: 1 })
    await over({ quota: quota(3000, 2) }, [newFile({ sizeBytes: 0 })])
    await catalog.announce(newTransfer(1, [newFile()], { user: 'bob', quota: quota(3000) }))
  })

  fact('sums of sizes stay exact: beyond 2^53 they are refused', async (t, { catalog }) => {
    const vast = newFile({ sizeBytes: 2 ** 53 - 1 })
    t.equal(await codeOf(catalog.announce(newTransfer(1, Array.from({ length: 4096 }, () => vast)))), 'quota-exceeded')
    await catalog.announce(newTransfer(2, [vast]))
    t.equal(await codeOf(catalog.announce(newTransfer(3, [newFile({ sizeBytes: 1 })]))), 'quota-exceeded')
    t.same(await catalog.usage(USER), { bytes: 2 ** 53 - 1, files: 1 })
  })

  fact('of announcements that race for the last bytes one wins', async (t, { catalog }) => {
    const codes = await Promise.all([1, 2, 3].map(fid => codeOf(catalog.announce(newTransfer(fid, [newFile()], { quota: quota(5999) })))))
    t.same(codes.sort(), ['none', 'quota-exceeded', 'quota-exceeded'])
    t.same(await catalog.usage(USER), { bytes: 3000, files: 1 })
  })

  fact('a mark that leads an unknown size beyond the quota is refused whole; one of a told size never is', async (t, { catalog }) => {
    const transfer = await catalog.announce(newTransfer(1, [newFile({ sizeBytes: null }), newFile()]))
    const grown = (receivedBytes: number) => markOf(transfer, 0, { receivedBytes, pairs: [pairOf(receivedBytes, 0, 0)] })
    await catalog.mark([grown(1000)], 1, quota(4000))
    await t.rejects(catalog.mark([grown(1001), markOf(transfer, 1, { receivedBytes: 1000 })], 2, quota(4000)), {
      code: 'quota-exceeded', details: { unit: 'bytes', limit: 4000, used: 4000 },
    })
    t.same(await catalog.pairs(transfer.id, [pairOf(1001, 0, 0).uuid]), [])
    await catalog.mark([grown(1000), markOf(transfer, 1, { receivedBytes: 3000 })], 3, quota(10))
    t.same(await catalog.usage(USER), { bytes: 4000, files: 2 })
  })

  fact('of two transfers that race for the last byte one wins', async (t, { catalog }) => {
    const two = [await catalog.announce(newTransfer(1, [newFile({ sizeBytes: null })])), await catalog.announce(newTransfer(2, [newFile({ sizeBytes: null })]))]
    const codes = await Promise.all(two.map(transfer => codeOf(catalog.mark([markOf(transfer, 0, { receivedBytes: 1000 })], 1, quota(1999)))))
    t.same(codes.sort(), ['none', 'quota-exceeded'])
    t.same(await catalog.usage(USER), { bytes: 1000, files: 2 })
  })

  fact('a size told late counts beyond what is marked, and is refused where that is too much', async (t, { catalog }) => {
    const transfer = await catalog.announce(newTransfer(1, [newFile({ sizeBytes: null })]))
    await catalog.mark([markOf(transfer, 0, { receivedBytes: 2000 })], 1)
    const tell = (bytesMax: number) => catalog.amend({ transfer: transfer.id, quota: quota(bytesMax), files: [{ id: fileOf(transfer, 0).id, sizeBytes: 2500 }] }, 2)
    t.equal(await codeOf(tell(2499)), 'quota-exceeded')
    t.equal(fileOf(await catalog.load(USER, fidOf(1)) ?? transfer, 0).sizeBytes, null)
    await tell(2500)
    await tell(1)
    t.same(await catalog.usage(USER), { bytes: 2500, files: 1 })
  })
}

async function stored(catalog: Store['catalog'], fid: number, user = USER) {
  const transfer = await catalog.announce(newTransfer(fid, [newFile()], { user }))
  await catalog.store(fileOf(transfer, 0).id, digestOf('x'), 3000, 2)
  return transfer
}
