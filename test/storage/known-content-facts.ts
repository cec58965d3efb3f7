/** What every catalog promises about announcing what the user has already: stored at once, at no cost, and only the user's own. */
import type { Catalog } from '../../daemon/storage/storage.ts'
import type { Fact } from './conformance.ts'
import { USER, digestOf, fidOf, fileOf, markOf, newFile, newTransfer, query } from './samples.ts'

const known = newFile({ name: 'again', digest: digestOf('x'), tags: ['t'] })

export function knownContentFacts(fact: Fact): void {
  fact('what is announced with a digest and size that the user has is stored at once, and outlives who brought the bytes', async (t, { catalog }, under) => {
    const first = await stored(catalog)
    const again = await catalog.announce(newTransfer(2, [known, newFile()], { nowMs: 7000, quota: { bytesMax: 6000, filesMax: 3 } }))
    t.match(again.files, [{ state: 'stored', digest: digestOf('x'), storedMs: 7000, sizeBytes: 3000, receipts: [] }, { state: 'receiving' }])
    t.match((await catalog.find(query({ tags: ['t'] }))).files, [{ name: 'again', state: 'stored', receivedBytes: 3000 }])
    t.same(await catalog.usage(USER), { bytes: 6000, files: 3 })
    await catalog.remove(first.id, undefined, 8000)
    t.same(await catalog.garbage(9), [])
    const store = await under.reopen()
    t.equal((await store.catalog.content(USER, { fid: fidOf(2), file: 0 }))?.blob, fileOf(first, 0).id)
    await store.catalog.remove(again.id, [fileOf(again, 0).id], 9000)
    t.same(await store.catalog.garbage(9), [fileOf(first, 0).id])
    t.same(await store.catalog.usage(USER), { bytes: 3000, files: 1 })
  })

  fact('the storing is told to watchers', async (t, { catalog }) => {
    await stored(catalog)
    const before = (await catalog.find(query())).sequence
    await catalog.announce(newTransfer(2, [known]))
    t.match((await catalog.events({ ...query(), after: before })).events, [{ event: 'stored', name: 'again', state: 'stored' }])
  })

  fact('another size, another user, a removed or a damaged content is not had', async (t, { catalog }) => {
    const first = await stored(catalog)
    const stateOf = async (fid: number, fields: object, of: object = {}) =>
      fileOf(await catalog.announce(newTransfer(fid, [{ ...known, ...of }], fields)), 0).state
    t.equal(await stateOf(2, {}, { sizeBytes: 2999 }), 'receiving')
    t.equal(await stateOf(3, {}, { sizeBytes: null }), 'receiving')
    t.equal(await stateOf(4, {}, { digest: null }), 'receiving')
    t.equal(await stateOf(5, { user: 'bob' }), 'receiving')
    await catalog.damaged(fileOf(first, 0).id, [[0, 1]])
    t.equal(await stateOf(6, {}), 'receiving')
    await catalog.remove(first.id, undefined, 3)
    t.equal(await stateOf(7, {}), 'receiving')
  })

  fact('a repair gives no kind to a file that was stored without a chunk: nobody could tell afterwards that its chunks may still come', async (t, { catalog }) => {
    const first = await stored(catalog)
    const again = await catalog.announce(newTransfer(2, [known]))
    await catalog.damaged(fileOf(first, 0).id, [[0, 1]])
    const records = await catalog.beginRepairs(again.id, 3)
    t.match(records, [{ state: 'stored', kind: null }])
    await catalog.mark([markOf(again, 0)], 4)
    await catalog.endRepair(fileOf(again, 0).id, records[0]?.repair as number)
    t.match((await catalog.load(USER, fidOf(2)))?.files, [{ state: 'stored', kind: null }])
  })

  fact('of one announcement with the same unknown content twice both are received', async (t, { catalog }) => {
    const transfer = await catalog.announce(newTransfer(1, [known, known]))
    t.match(transfer.files, [{ state: 'receiving' }, { state: 'receiving' }])
    t.same(await catalog.usage(USER), { bytes: 6000, files: 2 })
    for (const { id } of transfer.files) await catalog.store(id, digestOf('x'), 3000, 2)
    t.same(await catalog.usage(USER), { bytes: 3000, files: 2 })
  })
}

async function stored(catalog: Catalog) {
  const transfer = await catalog.announce(newTransfer(1, [newFile()]))
  await catalog.store(fileOf(transfer, 0).id, digestOf('x'), 3000, 2)
  return transfer
}
