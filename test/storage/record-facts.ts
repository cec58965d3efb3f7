/** What every catalog promises about transfers, files, marks, contents and removal. */
import type { Store, TransferRecord } from '../../daemon/storage/storage.ts'
import type { Fact } from './conformance.ts'
import { USER, codeOf, digestOf, fidOf, fileOf, markOf, newFile, newTransfer, pairOf, query } from './samples.ts'

export function recordFacts(fact: Fact): void {
  fact('an announced transfer is loaded as it was announced, also after opening anew', async (t, { catalog }, under) => {
    const meta = new Uint8Array([0x81, 0xa1, 0x61, 1])
    const full = newFile({ name: 'ü/\u{1f600}', sizeBytes: 2 ** 53 - 1, digest: digestOf('x'), mediaType: 'a/b', modifiedMs: 7, expiresMs: 8, meta, tags: ['b', 'a', 'b'] })
    const announced = await catalog.announce(newTransfer(1, [full, newFile({ sizeBytes: null })], { acks: 'ranges', madeByDaemon: true }))
    t.match(announced, { user: USER, fid: fidOf(1), state: 'open', chunkSizeBytes: 1000, acks: 'ranges', madeByDaemon: true, createdMs: 1000, pairCount: 0 })
    t.match(fileOf(announced, 0), {
      number: 0, name: 'ü/\u{1f600}', sizeBytes: 2 ** 53 - 1, digest: digestOf('x'), mediaType: 'a/b', modifiedMs: 7, expiresMs: 8,
      tags: ['b', 'a'], state: 'receiving', kind: null, chunkSizeBytes: 1000, receipts: [], held: [], storedMs: null,
    })
    t.strictSame([...fileOf(announced, 0).meta ?? []], [...meta])
    t.equal(fileOf(announced, 1).sizeBytes, null)
    t.ok(fileOf(announced, 1).id > fileOf(announced, 0).id)
    t.same(await catalog.load(USER, fidOf(1)), announced)
    t.same(await (await under.reopen()).catalog.load(USER, fidOf(1)), announced)
  })

  fact('a file that is stored without ever being marked counts as a mark for its transfer', async (t, { catalog }) => {
    const transfer = await catalog.announce(newTransfer(1, [newFile(), newFile()]))
    await catalog.store(fileOf(transfer, 0).id, digestOf('x'), 3000, 90_000)
    t.equal((await catalog.unfinished({ limit: 1 }))[0]?.touchedMs, 90_000)
  })

  fact("a user's transfers do not exist for others", async (t, { catalog }) => {
    const mine = await catalog.announce(newTransfer(1, [newFile({ tags: ['t'] })]))
    await catalog.store(fileOf(mine, 0).id, digestOf('x'), 3000, 2000)
    t.equal(await catalog.load('bob', fidOf(1)), undefined)
    t.equal(await catalog.content('bob', { fid: fidOf(1), file: 0 }), undefined)
    t.equal(await catalog.content('bob', { digest: digestOf('x') }), undefined)
    t.same((await catalog.find(query({ user: 'bob' }))).files, [])
    t.same((await catalog.find(query({ user: 'bob', tags: ['t'] }))).files, [])
    const theirs = await catalog.announce(newTransfer(1, [newFile({ tags: ['t'] })], { user: 'bob' }))
    t.not(theirs.id, mine.id)
    t.same((await catalog.find(query({ tags: ['t'] }))).files.map(({ id }) => id), [fileOf(mine, 0).id])
  })

  fact('what is marked is loaded: pages are replaced, the first pair of a UUID stays, held bytes come and go', async (t, { catalog }, under) => {
    const transfer = await catalog.announce(newTransfer(1, [newFile({ sizeBytes: 2 ** 40 }), newFile()]))
    const first = { page: 0, bytes: new Uint8Array([1]) }
    const held = { offsetBytes: 2000, bytes: Buffer.from('xheld').subarray(1) }
    await catalog.mark([
      markOf(transfer, 0, { pages: [first, { page: 3, bytes: new Uint8Array([3]) }], kind: 'opaque', chunkSizeBytes: 1024, pairs: [pairOf(1, 0, 0)], held: [held] }),
      markOf(transfer, 1, { pages: [first], receivedBytes: 1000 }),
    ], 2000)
    await catalog.mark([markOf(transfer, 0, {
      pages: [{ page: 0, bytes: new Uint8Array([2, 2]) }], kind: 'opaque', chunkSizeBytes: 1024, pairs: [pairOf(1, 0, 9), pairOf(2, 0, 1)],
    })], 2001)
    const check = async ({ catalog }: Store): Promise<void> => {
      const loaded = await catalog.load(USER, fidOf(1)) as TransferRecord
      const [zero, one] = [fileOf(loaded, 0), fileOf(loaded, 1)]
      t.same(zero.receipts.map(({ page, bytes }) => [page, [...bytes]]), [[0, [2, 2]], [3, [3]]])
      t.same(zero.held.map(({ offsetBytes, bytes }) => [offsetBytes, Buffer.from(bytes).toString()]), [[2000, 'held']])
      t.match([zero.kind, zero.chunkSizeBytes, one.kind, one.chunkSizeBytes], ['opaque', 1024, 'numbered', 1000])
      t.equal(loaded.pairCount, 2)
      t.same(await catalog.pairs(loaded.id, [pairOf(2, 0, 0).uuid, pairOf(7, 0, 0).uuid, pairOf(1, 0, 0).uuid]), [pairOf(2, 0, 1), pairOf(1, 0, 0)])
    }
    await check(under.store)
    const store = await under.reopen()
    await check(store)
    await store.catalog.mark([markOf(transfer, 0, { kind: 'opaque', held: [{ offsetBytes: 5, bytes: new Uint8Array([5]) }], releaseHeld: true })], 2002)
    const after = fileOf(await store.catalog.load(USER, fidOf(1)) as TransferRecord, 0)
    t.same(after.held.map(({ offsetBytes }) => offsetBytes), [5], 'what this call adds is not what it releases')
  })

  fact('buffers given to a mark may change afterwards', async (t, { catalog }) => {
    const transfer = await catalog.announce(newTransfer(1, [newFile()]))
    const shared = Buffer.from([1, 2, 3, 4])
    await catalog.mark([markOf(transfer, 0, { pages: [{ page: 0, bytes: shared.subarray(1, 3) }], held: [{ offsetBytes: 0, bytes: shared.subarray(2) }] })], 1)
    shared.fill(0)
    const file = fileOf(await catalog.load(USER, fidOf(1)) as TransferRecord, 0)
    t.same([...file.receipts[0]?.bytes ?? []], [2, 3])
    t.same([...file.held[0]?.bytes ?? []], [3, 4])
  })

  fact('a file whose every byte is marked is finishing, until it is stored', async (t, { catalog }) => {
    const transfer = await catalog.announce(newTransfer(1, [newFile(), newFile({ sizeBytes: 0 }), newFile({ sizeBytes: null })]))
    await catalog.announce(newTransfer(2, [newFile()]))
    await catalog.mark([markOf(transfer, 0, { receivedBytes: 2000 })], 1)
    t.same((await catalog.find(query({ state: 'receiving' }))).files.map(({ number, fid, receivedBytes }) => [fid, number, receivedBytes]),
      [[fidOf(2), 0, 0], [fidOf(1), 2, 0], [fidOf(1), 0, 2000]])
    t.same((await catalog.find(query({ state: 'finishing' }))).files.map(({ number }) => number), [1])
    await catalog.mark([markOf(transfer, 0, { receivedBytes: 3000 })], 1)
    t.same((await catalog.find(query({ state: 'finishing' }))).files.map(({ number, state }) => [number, state]), [[1, 'finishing'], [0, 'finishing']])
    t.same(await catalog.complete(), [{ user: USER, fid: fidOf(1) }])
    await catalog.store(fileOf(transfer, 0).id, digestOf('x'), 3000, 1)
    await catalog.store(fileOf(transfer, 1).id, digestOf(''), 0, 1)
    t.same(await catalog.complete(), [])
  })

  fact('lists transfers with files that are not stored, newest first, of all users or of one, a page at a time', async (t, { catalog }) => {
    const first = await catalog.announce(newTransfer(1, [newFile(), newFile({ sizeBytes: 7 })], { nowMs: 10 }))
    const other = await catalog.announce(newTransfer(1, [newFile({ sizeBytes: null })], { user: 'bob' }))
    await catalog.announce(newTransfer(2, [newFile()]))
    await catalog.mark([markOf(first, 0, { receivedBytes: 2000 })], 120_000)
    const all = await catalog.unfinished({ limit: 10 })
    t.same(all.map(({ user, fid }) => [user, fid]), [[USER, fidOf(2)], ['bob', fidOf(1)], [USER, fidOf(1)]])
    t.same(all[2], { id: first.id, user: USER, fid: fidOf(1), createdMs: 10, touchedMs: 120_000, files: 2, sizeBytes: 3007, receivedBytes: 2000 })
    t.match(all[1], { id: other.id, files: 1, sizeBytes: null, receivedBytes: 0 })
    t.same((await catalog.unfinished({ user: USER, limit: 1 })).map(({ fid }) => fid), [fidOf(2)])
    t.same((await catalog.unfinished({ user: USER, limit: 9, after: all[0]?.id ?? 0 })).map(({ fid }) => fid), [fidOf(1)])
    t.same(await catalog.unfinished({ user: 'nobody', limit: 9 }), [])
    await catalog.store(fileOf(other, 0).id, digestOf('x'), 1, 1)
    await catalog.remove(first.id, [fileOf(first, 0).id], 1)
    t.same((await catalog.unfinished({ limit: 9 })).map(({ fid, files, sizeBytes }) => [fid, files, sizeBytes]), [[fidOf(2), 1, 3000], [fidOf(1), 1, 7]])
  })

  fact('a stored file has no receipts and is found under its digest; its pairs stay', async (t, { catalog }, under) => {
    const transfer = await catalog.announce(newTransfer(1, [newFile({ digest: digestOf('x'), tags: ['t'] })]))
    const { id } = fileOf(transfer, 0)
    await catalog.mark([markOf(transfer, 0, { pages: [{ page: 0, bytes: new Uint8Array(1) }], pairs: [pairOf(1, 0, 0)], held: [{ offsetBytes: 0, bytes: new Uint8Array(1) }] })], 2000)
    t.equal(await catalog.content(USER, { fid: fidOf(1), file: 0 }), undefined)
    await catalog.store(id, digestOf('x'), 3000, 3000)
    await catalog.store(id, digestOf('y'), 1, 9000)
    const { catalog: again } = await under.reopen()
    const loaded = await again.load(USER, fidOf(1)) as TransferRecord
    t.match(fileOf(loaded, 0), { state: 'stored', digest: digestOf('x'), receipts: [], held: [], storedMs: 3000, kind: 'numbered' })
    t.equal(loaded.pairCount, 1)
    const content = { fid: fidOf(1), file: 0, name: 'a', sizeBytes: 3000, digest: digestOf('x'), tags: ['t'], meta: null, blob: id, damaged: [], sums: new Uint8Array(0) }
    t.same(await again.content(USER, { fid: fidOf(1), file: 0 }), content)
    t.same(await again.content(USER, { digest: digestOf('x') }), content)
    t.match((await again.find(query())).files, [{ id, fid: fidOf(1), state: 'stored', digest: digestOf('x'), receivedBytes: 3000, createdMs: 1000, storedMs: 3000 }])
  })

  fact('equal content of a user is kept once; the later blob is garbage until forgotten', async (t, { catalog }) => {
    const transfer = await catalog.announce(newTransfer(1, [newFile(), newFile({ name: 'b' })]))
    const [first, second] = [fileOf(transfer, 0).id, fileOf(transfer, 1).id]
    await catalog.store(first, digestOf('x'), 3000, 1)
    await catalog.store(second, digestOf('x'), 3000, 2)
    t.same(await catalog.garbage(10), [second])
    t.equal((await catalog.content(USER, { fid: fidOf(1), file: 1 }))?.blob, first)
    t.equal(await catalog.remove(transfer.id, [first], 3), 1)
    t.match(await catalog.content(USER, { digest: digestOf('x') }), { name: 'b', file: 1, blob: first }, 'the other file keeps it')
    await catalog.forget([second])
    t.same(await catalog.garbage(10), [])
    t.equal(await catalog.remove(transfer.id, [second], 4), 1)
    t.same(await catalog.garbage(10), [first])
    t.equal(await catalog.content(USER, { digest: digestOf('x') }), undefined)
  })

  fact('users do not share content', async (t, { catalog }) => {
    for (const user of [USER, 'bob']) {
      const transfer = await catalog.announce(newTransfer(1, [newFile()], { user }))
      await catalog.store(fileOf(transfer, 0).id, digestOf('x'), 3000, 1)
      t.equal((await catalog.content(user, { digest: digestOf('x') }))?.blob, fileOf(transfer, 0).id)
    }
    t.same(await catalog.garbage(10), [])
  })

  fact('after a reset no chunk is marked; pairs, kind and chunk size stay', async (t, { catalog }) => {
    const transfer = await catalog.announce(newTransfer(1, [newFile()]))
    await catalog.mark([markOf(transfer, 0, {
      pages: [{ page: 0, bytes: new Uint8Array(1) }], pairs: [pairOf(1, 0, 0)], held: [{ offsetBytes: 0, bytes: new Uint8Array(1) }], kind: 'opaque',
      chunkSizeBytes: 1024, receivedBytes: 3000,
    })], 1)
    await catalog.reset(fileOf(transfer, 0).id)
    const loaded = await catalog.load(USER, fidOf(1)) as TransferRecord
    t.match(fileOf(loaded, 0), { state: 'receiving', receipts: [], held: [], kind: 'opaque', chunkSizeBytes: 1024 })
    t.equal(loaded.pairCount, 1)
    t.same(await catalog.complete(), [])
  })

  fact('what is told late is kept, what is not told stays', async (t, { catalog }) => {
    const transfer = await catalog.announce(newTransfer(1, [newFile({ sizeBytes: null, mediaType: 'a/b', tags: ['a'] }), newFile()]))
    const { id } = fileOf(transfer, 0)
    await catalog.amend({ transfer: transfer.id, acks: 'ranges', files: [{ id, sizeBytes: 9, digest: digestOf('x'), addTags: ['b', 'a', 'b'] }] }, 1)
    const loaded = await catalog.load(USER, fidOf(1)) as TransferRecord
    t.equal(loaded.acks, 'ranges')
    t.match(fileOf(loaded, 0), { sizeBytes: 9, digest: digestOf('x'), mediaType: 'a/b', tags: ['a', 'b'] })
    t.match(fileOf(loaded, 1), { sizeBytes: 3000, digest: null })
    await catalog.amend({ transfer: transfer.id, files: [{ id, modifiedMs: 5, expiresMs: 6, mediaType: 'c/d', meta: new Uint8Array([0x80]) }] }, 1)
    t.match(fileOf(await catalog.load(USER, fidOf(1)) as TransferRecord, 0), { sizeBytes: 9, modifiedMs: 5, expiresMs: 6, mediaType: 'c/d' })
    await catalog.store(id, digestOf('x'), 9, 1)
    t.same((await catalog.find(query({ tags: ['b'] }))).files.map(file => file.id), [id])
    await catalog.remove(transfer.id, undefined, 1)
    t.equal(await codeOf(catalog.amend({ transfer: transfer.id, files: [] }, 1)), 'not-found')
  })

  fact('tags are added and removed in all the files named or in none, and FIND follows', async (t, { catalog }, under) => {
    const transfer = await catalog.announce(newTransfer(1, [newFile({ tags: ['a', 'b', 'c'] }), newFile({ tags: ['c'] }), newFile({ tags: ['a'] })]))
    const other = await catalog.announce(newTransfer(2, [newFile({ tags: ['a'] })]))
    const [zero, one, two] = transfer.files.map(({ id }) => id) as [number, number, number]
    for (const id of [zero, two]) await catalog.store(id, digestOf('x'), 3000, 1)
    await catalog.tag({ transfer: transfer.id, files: [zero, one], add: ['d', 'a', 'e', 'd'], remove: ['b', 'e', 'nobody'] }, 1)
    const tags = async ({ catalog }: Store): Promise<unknown> => (await catalog.load(USER, fidOf(1)))?.files.map(file => file.tags)
    t.same(await tags(under.store), [['a', 'c', 'd'], ['c', 'd', 'a'], ['a']])
    const found = async ({ catalog }: Store, tag: string): Promise<unknown> => [
      ...(await catalog.find(query({ tags: [tag] }))).files, ...(await catalog.find(query({ tags: [tag], state: 'receiving' }))).files,
    ].map(({ id }) => id)
    const check = async (store: Store): Promise<void> => {
      t.same(await found(store, 'a'), [two, zero, fileOf(other, 0).id, one])
      t.same(await found(store, 'd'), [zero, one])
      for (const tag of ['b', 'e', 'nobody']) t.same(await found(store, tag), [])
      t.same((await store.catalog.content(USER, { fid: fidOf(1), file: 0 }))?.tags, ['a', 'c', 'd'])
    }
    await check(under.store)
    await check(await under.reopen())
  })

  fact('tags of what is not there cannot be changed, and then nothing is', async (t, _store, under) => {
    const { catalog } = under.store
    const transfer = await catalog.announce(newTransfer(1, [newFile({ tags: ['a'] }), newFile(), newFile()]))
    const other = await catalog.announce(newTransfer(2, [newFile()]))
    const [zero, one, two] = transfer.files.map(({ id }) => id) as [number, number, number]
    await catalog.remove(transfer.id, [one], 1)
    for (const absent of [one, fileOf(other, 0).id, 10_000]) {
      t.equal(await codeOf(catalog.tag({ transfer: transfer.id, files: [zero, absent], add: ['b'], remove: ['a'] }, 1)), 'not-found')
    }
    t.same((await catalog.load(USER, fidOf(1)))?.files.map(file => file.tags), [['a'], [], []])
    t.same((await catalog.find(query({ tags: ['b'], state: 'receiving' }))).files, [])
    t.same((await catalog.find(query({ tags: ['a'], state: 'receiving' }))).files.map(({ id }) => id), [zero])
    await catalog.tag({ transfer: transfer.id, files: [two], add: ['a'], remove: [] }, 1)
    await catalog.remove(transfer.id, [zero], 2)
    t.same((await catalog.find(query({ tags: ['a'], state: 'receiving' }))).files.map(({ id }) => id), [two])
    await catalog.remove(transfer.id, undefined, 3)
    t.equal(await codeOf(catalog.tag({ transfer: transfer.id, files: [two], add: ['b'], remove: [] }, 1)), 'not-found')
  })

  fact('a removed file keeps its number; with the last one the transfer is gone', async (t, { catalog }, under) => {
    const transfer = await catalog.announce(newTransfer(1, [newFile({ tags: ['t'] }), newFile({ name: 'b' })]))
    const [first, second] = [fileOf(transfer, 0).id, fileOf(transfer, 1).id]
    await catalog.mark([markOf(transfer, 0, { pages: [{ page: 0, bytes: new Uint8Array(1) }], pairs: [pairOf(1, 0, 0)] })], 2)
    t.equal(await catalog.remove(transfer.id, [first], 3), 1)
    t.equal(await catalog.remove(transfer.id, [first], 3), 0)
    t.match((await catalog.load(USER, fidOf(1)))?.files, [{ number: 0, name: 'a', state: 'removed', receipts: [] }, { number: 1, name: 'b', state: 'receiving' }])
    t.same(await catalog.garbage(10), [first])
    t.equal(await catalog.remove(transfer.id, undefined, 4), 1)
    const store = await under.reopen()
    t.match(await store.catalog.load(USER, fidOf(1)), { state: 'gone', files: [], pairCount: 0 })
    t.same(await store.catalog.pairs(transfer.id, [pairOf(1, 0, 0).uuid]), [])
    t.same((await store.catalog.garbage(10)).toSorted((a, b) => a - b), [first, second])
    t.same((await store.catalog.garbage(1)).length, 1)
    t.equal(await store.catalog.remove(transfer.id, undefined, 5), 0)
    for (const state of ['receiving', 'finishing', 'stored', 'removed'] as const) t.same((await store.catalog.find(query({ state }))).files, [])
  })

  fact('marks and stores of a removed file change nothing', async (t, { catalog }) => {
    const transfer = await catalog.announce(newTransfer(1, [newFile(), newFile()]))
    await catalog.remove(transfer.id, [fileOf(transfer, 0).id], 1)
    await catalog.mark([
      markOf(transfer, 0, { pages: [{ page: 0, bytes: new Uint8Array(1) }], pairs: [pairOf(1, 0, 0)], receivedBytes: 1000 }),
      markOf(transfer, 1, { pages: [{ page: 0, bytes: new Uint8Array(1) }], receivedBytes: 1000 }),
    ], 2)
    t.equal(await codeOf(catalog.store(fileOf(transfer, 0).id, digestOf('x'), 3000, 3)), 'not-found')
    await catalog.reset(fileOf(transfer, 0).id)
    const loaded = await catalog.load(USER, fidOf(1)) as TransferRecord
    t.match(fileOf(loaded, 0), { state: 'removed', receipts: [] })
    t.equal(fileOf(loaded, 1).receipts.length, 1)
    t.equal(loaded.pairCount, 0)
    t.equal(await catalog.content(USER, { digest: digestOf('x') }), undefined)
  })

  fact('file ids are never used again', async (t, { catalog }, under) => {
    const transfer = await catalog.announce(newTransfer(1, [newFile()], { madeByDaemon: true }))
    await catalog.remove(transfer.id, undefined, 1)
    t.equal(await catalog.load(USER, fidOf(1)), undefined, 'a made fid without any chunk leaves no tombstone')
    const { catalog: again } = await under.reopen()
    const later = await again.announce(newTransfer(1, [newFile()]))
    t.ok(fileOf(later, 0).id > fileOf(transfer, 0).id)
    t.not(later.id, transfer.id)
  })
}
