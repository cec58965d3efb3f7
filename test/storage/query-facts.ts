/** What every catalog promises about FIND, and about what time does. */
import type { FindQuery, TransferRecord } from '../../daemon/storage/storage.ts'
import type { Fact } from './conformance.ts'
import { USER, codeOf, digestOf, fidOf, fileOf, limits, markOf, newFile, newTransfer, pairOf, query } from './samples.ts'

export function queryFacts(fact: Fact): void {
  fact('FIND combines tags, name and pages, newest first', async (t, { catalog }) => {
    const names = ['img-1.png', 'img-2.png', 'dir/img-3.png', 'Img-4.png', '[x].png', 'a]b']
    const tags = [['a', 'b'], ['a'], ['a', 'b', 'c'], ['b'], ['c'], []]
    const transfer = await catalog.announce(newTransfer(1, names.map((name, i) => newFile({ name, tags: tags[i] ?? [] }))))
    for (const { id, name } of transfer.files) await catalog.store(id, digestOf(name), 3000, 1)
    const numbers = async (fields: Partial<FindQuery>): Promise<number[]> => (await catalog.find(query(fields))).files.map(({ number }) => number)
    t.same(await numbers({}), [5, 4, 3, 2, 1, 0])
    t.same(await numbers({ tags: ['a'] }), [2, 1, 0])
    t.same(await numbers({ tags: ['a', 'b'] }), [2, 0])
    t.same(await numbers({ tags: ['a', 'nobody'] }), [])
    t.same(await numbers({ anyTags: ['b', 'c'] }), [4, 3, 2, 0])
    t.same(await numbers({ anyTags: ['nobody'] }), [])
    t.same(await numbers({ anyTags: ['c', 'nobody'], notTags: ['a'] }), [4])
    t.same(await numbers({ tags: ['a'], anyTags: ['b', 'c'] }), [2, 0])
    t.same(await numbers({ tags: ['a'], anyTags: ['c'] }), [2])
    t.same(await numbers({ notTags: ['a', 'nobody'] }), [5, 4, 3])
    t.same(await numbers({ tags: ['b'], notTags: ['c'], name: '*g-*' }), [3, 0])
    t.same(await numbers({ name: 'img-?.png' }), [1, 0])
    t.same(await numbers({ name: '*img-?.png' }), [2, 1, 0])
    t.same(await numbers({ name: '[!i]*' }), [5, 4, 3, 2])
    t.same(await numbers({ name: '[^a-z]*' }), [4, 3])
    t.same(await numbers({ name: '[[]x[]].png' }), [4])
    t.same(await numbers({ name: '[x].png' }), [])
    t.same(await numbers({ name: '[' }), [])
    t.same(await numbers({ name: 'a[]]b' }), [5])
    t.same(await numbers({ tags: ['A'] }), [])
    const paged: number[] = []
    for (let after: string | undefined; ;) {
      const { files: page } = await catalog.find(query({ anyTags: ['a', 'b', 'c'], limit: 2, ...(after === undefined ? {} : { after }) }))
      paged.push(...page.map(({ number }) => number))
      after = page.at(-1)?.cursor
      if (page.length < 2) break
    }
    t.same(paged, [4, 3, 2, 1, 0])
    t.same(await numbers({ limit: 1, after: (await catalog.find(query({ limit: 1 }))).files[0]?.cursor ?? '' }), [4])
  })

  fact('FIND by size, alone and with tags, name, state and pages; of equal contents every file', async (t, { catalog }) => {
    const told: readonly (readonly [name: string, sizeBytes: number, content: string, tags: readonly string[]])[] = [
      ['a', 3000, 'x', ['t']], ['b', 3000, 'y', []], ['c', 3000, 'x', ['t']], ['d', 2999, 'z', ['t']], ['e', 0, '', []],
    ]
    const transfer = await catalog.announce(newTransfer(1, told.map(([name, sizeBytes, , tags]) => newFile({ name, sizeBytes, tags }))))
    for (const [number, [, sizeBytes, content]] of told.entries()) await catalog.store(fileOf(transfer, number).id, digestOf(content), sizeBytes, 1)
    await catalog.announce(newTransfer(2, [newFile({ name: 'f' }), newFile({ name: 'g', sizeBytes: null })]))
    const names = async (fields: Partial<FindQuery>): Promise<string> => (await catalog.find(query(fields))).files.map(({ name }) => name).join('')
    t.equal(await names({ sizeBytes: 3000 }), 'cba')
    t.equal(await names({ sizeBytes: 3000, limit: 2 }), 'cb')
    t.equal(await names({ sizeBytes: 3000, after: (await catalog.find(query({ sizeBytes: 3000, limit: 2 }))).files[1]?.cursor ?? '' }), 'a')
    t.equal(await names({ sizeBytes: 3000, name: '[ab]' }), 'ba')
    t.equal(await names({ sizeBytes: 3000, tags: ['t'] }), 'ca')
    t.equal(await names({ sizeBytes: 3000, anyTags: ['t', 'u'] }), 'ca')
    t.equal(await names({ sizeBytes: 3000, notTags: ['t'] }), 'b')
    t.equal(await names({ sizeBytes: 3000, state: 'receiving' }), 'f')
    t.equal(await names({ sizeBytes: 0 }), 'e')
    t.equal(await names({ sizeBytes: 1 }), '')
    t.equal(await names({ sizeBytes: 3000, user: 'eve' }), '')
    await catalog.remove(transfer.id, [fileOf(transfer, 0).id], 2)
    t.equal(await names({ sizeBytes: 3000 }), 'cb')
  })

  fact('expiry removes unfinished files by their last chunk, spares what is stored and what is in use', async (t, { catalog }) => {
    const old = await catalog.announce(newTransfer(1, [newFile(), newFile()]))
    const used = await catalog.announce(newTransfer(2, [newFile()]))
    const touched = await catalog.announce(newTransfer(3, [newFile()]))
    const half = await catalog.announce(newTransfer(4, [newFile(), newFile()]))
    await catalog.mark([markOf(touched, 0)], 5000)
    await catalog.store(fileOf(half, 0).id, digestOf('x'), 3000, 1000)
    const bounds = limits({ nowMs: 9000, unfinishedBeforeMs: 4000 })
    t.same((await catalog.expire({ ...bounds, inUse: new Set([used.id]) })).transfers, [{ user: USER, fid: fidOf(1) }])
    t.equal((await catalog.load(USER, fidOf(1)))?.state, 'gone')
    t.equal((await catalog.load(USER, fidOf(2)))?.state, 'open')
    t.equal((await catalog.load(USER, fidOf(3)))?.state, 'open')
    t.same((await catalog.load(USER, fidOf(4)))?.files.map(({ state }) => state), ['stored', 'removed'])
    t.same((await catalog.garbage(10)).toSorted((a, b) => a - b), [fileOf(old, 0).id, fileOf(old, 1).id, fileOf(half, 1).id])
    t.same((await catalog.expire(bounds)).transfers, [{ user: USER, fid: fidOf(2) }])
    t.same((await catalog.expire(bounds)).transfers, [])
  })

  fact('stored files go when they are asked to; tombstones are forgotten in time', async (t, { catalog }) => {
    const transfer = await catalog.announce(newTransfer(1, [newFile({ expiresMs: 5000 }), newFile({ expiresMs: 7000 })]))
    for (const { id } of transfer.files) await catalog.store(id, digestOf(String(id)), 3000, 1)
    t.same((await catalog.expire(limits({ nowMs: 5000 }))).transfers, [])
    t.equal((await catalog.find(query())).files.length, 2, 'not before their time')
    t.same((await catalog.expire(limits({ nowMs: 5001 }))).transfers, [])
    t.equal((await catalog.find(query())).files.length, 1)
    t.same((await catalog.expire(limits({ nowMs: 8000 }))).transfers, [{ user: USER, fid: fidOf(1) }])
    await catalog.expire(limits({ nowMs: 8001, tombstonesBeforeMs: 8000 }))
    t.equal((await catalog.load(USER, fidOf(1)))?.state, 'gone')
    await catalog.expire(limits({ nowMs: 8001, tombstonesBeforeMs: 8001 }))
    t.equal(await catalog.load(USER, fidOf(1)), undefined)
  })

  fact('pairs are forgotten when all files were stored long enough ago', async (t, { catalog }) => {
    const transfer = await catalog.announce(newTransfer(1, [newFile(), newFile()]))
    await catalog.mark([markOf(transfer, 0, { pairs: [pairOf(1, 0, 0)] }), markOf(transfer, 1, { pairs: [pairOf(2, 1, 0)] })], 1)
    await catalog.store(fileOf(transfer, 0).id, digestOf('x'), 3000, 2000)
    const pairCount = async (pairsBeforeMs: number): Promise<number | undefined> => {
      await catalog.expire(limits({ pairsBeforeMs }))
      return (await catalog.load(USER, fidOf(1)))?.pairCount
    }
    t.equal(await pairCount(9000), 2)
    await catalog.store(fileOf(transfer, 1).id, digestOf('y'), 3000, 3000)
    t.equal(await pairCount(3000), 2)
    t.equal(await pairCount(3001), 0)
    t.same(await catalog.pairs(transfer.id, [pairOf(1, 0, 0).uuid]), [])
  })

  fact('made transfers without any chunk are dropped without a trace when asked', async (t, { catalog }) => {
    const made = { madeByDaemon: true }
    await catalog.announce(newTransfer(1, [newFile()], made))
    const chunked = await catalog.announce(newTransfer(2, [newFile(), newFile()], made))
    const stored = await catalog.announce(newTransfer(3, [newFile({ sizeBytes: 0 }), newFile()], made))
    await catalog.announce(newTransfer(4, [newFile()]))
    await catalog.mark([markOf(chunked, 1)], 1)
    await catalog.store(fileOf(stored, 0).id, digestOf(''), 0, 1)
    t.same((await catalog.expire(limits())).transfers, [])
    t.same((await catalog.expire(limits({ dropMade: true }))).transfers, [{ user: USER, fid: fidOf(1) }])
    t.equal(await catalog.load(USER, fidOf(1)), undefined)
    for (const fid of [2, 3, 4]) t.equal((await catalog.load(USER, fidOf(fid)))?.state, 'open')
  })

  fact('calls made together are all answered, each for itself', async (t, { catalog }) => {
    const announced = await Promise.all([1, 2, 3].map(fid => catalog.announce(newTransfer(fid, [newFile()]))))
    const codes = await Promise.all([
      codeOf(catalog.store(fileOf(announced[0] as TransferRecord, 0).id, digestOf('x'), 3000, 1)),
      codeOf(catalog.store(999_999, digestOf('x'), 3000, 1)),
      codeOf(catalog.mark([markOf(announced[1] as TransferRecord, 0, { receivedBytes: 5 })], 1)),
    ])
    t.same(codes, ['none', 'not-found', 'none'])
    t.same((await catalog.find(query({ state: 'receiving' }))).files.map(({ receivedBytes }) => receivedBytes), [0, 5])
    t.equal((await catalog.find(query())).files.length, 1)
  })
}
