/**
 * What every store promises, as one suite that each back-end runs (`conformance.test.ts`). It knows the contract in
 * `daemon/storage/storage.ts` and nothing of how a store keeps it. `reopen` ends a store in an orderly way and opens what it left.
 */
import { createHash } from 'node:crypto'
import type { Test } from 'tap'
import type { ErrorCode } from '../../protocol/errors.ts'
import type {
  ExpiryLimits, FileRecord, FindQuery, Mark, NewFile, NewTransfer, Pair, Store, TransferRecord,
} from '../../daemon/storage/storage.ts'

export interface StoreUnderTest {
  readonly store: Store
  /** Closes the store and opens it anew; the earlier one is not used again. */
  reopen(): Promise<Store>
  end(): Promise<void>
}

const USER = 'ann'

export function newFile(fields: Partial<NewFile> = {}): NewFile {
  return {
    name: 'a', sizeBytes: 3000, digest: null, mediaType: null, modifiedMs: null, expiresMs: null, meta: null, tags: [], ...fields,
  }
}

export function newTransfer(fid: number, files: readonly NewFile[], fields: Partial<NewTransfer> = {}): NewTransfer {
  return { user: USER, fid: fidOf(fid), chunkSizeBytes: 1000, acks: 'each', madeByDaemon: false, files, nowMs: 1000, ...fields }
}

export function fidOf(number: number): string {
  return `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`
}

export function markOf(transfer: TransferRecord, number: number, fields: Partial<Mark> = {}): Mark {
  return {
    file: fileOf(transfer, number).id, transfer: transfer.id, pages: [], pairs: [], held: [], releaseHeld: false, kind: 'numbered',
    chunkSizeBytes: 1000, receivedBytes: 0, ...fields,
  }
}

export function fileOf(transfer: TransferRecord, number: number): FileRecord {
  const file = transfer.files[number]
  if (file === undefined) throw new Error(`the transfer has no file ${number}`)
  return file
}

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

export function pairOf(uuid: number, file: number, chunk: number): Pair {
  return { uuid: uuid.toString(16).padStart(32, '0'), file, chunk }
}

const query = (fields: Partial<FindQuery> = {}): FindQuery => ({ user: USER, tags: [], anyTags: [], notTags: [], limit: 100, ...fields })

const limits = (fields: Partial<ExpiryLimits> = {}): ExpiryLimits => ({
  nowMs: 0, unfinishedBeforeMs: 0, pairsBeforeMs: 0, tombstonesBeforeMs: 0, dropMade: false, inUse: new Set(), ...fields,
})

const digestOf = (text: string): string => sha256(Buffer.from(text))

/** The code that a promise rejects with; undefined where it resolves. */
export async function codeOf(promise: Promise<unknown>): Promise<ErrorCode | 'none' | 'other'> {
  try {
    await promise
    return 'none'
  } catch (error) {
    return (error as { code?: ErrorCode }).code ?? 'other'
  }
}

export function conformance(t: Test, name: string, open: () => Promise<StoreUnderTest>): void {
  const fact = (sentence: string, prove: (t: Test, store: Store, under: StoreUnderTest) => Promise<void>): void => {
    t.test(`${name}: ${sentence}`, async t => {
      const under = await open()
      try {
        await prove(t, under.store, under)
      } finally {
        await under.end()
      }
    })
  }

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

  fact("a user's transfers do not exist for others", async (t, { catalog }) => {
    const mine = await catalog.announce(newTransfer(1, [newFile({ tags: ['t'] })]))
    await catalog.store(fileOf(mine, 0).id, digestOf('x'), 3000, 2000)
    t.equal(await catalog.load('bob', fidOf(1)), undefined)
    t.equal(await catalog.content('bob', { fid: fidOf(1), file: 0 }), undefined)
    t.equal(await catalog.content('bob', { digest: digestOf('x') }), undefined)
    t.same(await catalog.find(query({ user: 'bob' })), [])
    t.same(await catalog.find(query({ user: 'bob', tags: ['t'] })), [])
    const theirs = await catalog.announce(newTransfer(1, [newFile({ tags: ['t'] })], { user: 'bob' }))
    t.not(theirs.id, mine.id)
    t.same((await catalog.find(query({ tags: ['t'] }))).map(({ id }) => id), [fileOf(mine, 0).id])
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
      t.same(await catalog.recentPairs(loaded.id, 1), [pairOf(2, 0, 1)])
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
    t.same((await catalog.find(query({ state: 'receiving' }))).map(({ number, fid, receivedBytes }) => [fid, number, receivedBytes]),
      [[fidOf(2), 0, 0], [fidOf(1), 2, 0], [fidOf(1), 0, 2000]])
    t.same((await catalog.find(query({ state: 'finishing' }))).map(({ number }) => number), [1])
    await catalog.mark([markOf(transfer, 0, { receivedBytes: 3000 })], 1)
    t.same((await catalog.find(query({ state: 'finishing' }))).map(({ number, state }) => [number, state]), [[1, 'finishing'], [0, 'finishing']])
    t.same(await catalog.complete(), [{ user: USER, fid: fidOf(1) }])
    await catalog.store(fileOf(transfer, 0).id, digestOf('x'), 3000, 1)
    await catalog.store(fileOf(transfer, 1).id, digestOf(''), 0, 1)
    t.same(await catalog.complete(), [])
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
    const content = { fid: fidOf(1), file: 0, name: 'a', sizeBytes: 3000, digest: digestOf('x'), tags: ['t'], meta: null, blob: id }
    t.same(await again.content(USER, { fid: fidOf(1), file: 0 }), content)
    t.same(await again.content(USER, { digest: digestOf('x') }), content)
    t.match(await again.find(query()), [{ id, fid: fidOf(1), state: 'stored', digest: digestOf('x'), receivedBytes: 3000, createdMs: 1000, storedMs: 3000 }])
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
    await catalog.amend({ transfer: transfer.id, acks: 'ranges', files: [{ id, sizeBytes: 9, digest: digestOf('x'), addTags: ['b', 'a', 'b'] }] })
    const loaded = await catalog.load(USER, fidOf(1)) as TransferRecord
    t.equal(loaded.acks, 'ranges')
    t.match(fileOf(loaded, 0), { sizeBytes: 9, digest: digestOf('x'), mediaType: 'a/b', tags: ['a', 'b'] })
    t.match(fileOf(loaded, 1), { sizeBytes: 3000, digest: null })
    await catalog.amend({ transfer: transfer.id, files: [{ id, modifiedMs: 5, expiresMs: 6, mediaType: 'c/d', meta: new Uint8Array([0x80]) }] })
    t.match(fileOf(await catalog.load(USER, fidOf(1)) as TransferRecord, 0), { sizeBytes: 9, modifiedMs: 5, expiresMs: 6, mediaType: 'c/d' })
    await catalog.store(id, digestOf('x'), 9, 1)
    t.same((await catalog.find(query({ tags: ['b'] }))).map(file => file.id), [id])
    await catalog.remove(transfer.id, undefined, 1)
    t.equal(await codeOf(catalog.amend({ transfer: transfer.id, files: [] })), 'not-found')
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
    t.same(await store.catalog.recentPairs(transfer.id, 10), [])
    t.same((await store.catalog.garbage(10)).toSorted((a, b) => a - b), [first, second])
    t.same((await store.catalog.garbage(1)).length, 1)
    t.equal(await store.catalog.remove(transfer.id, undefined, 5), 0)
    for (const state of ['receiving', 'finishing', 'stored', 'removed'] as const) t.same(await store.catalog.find(query({ state })), [])
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

  fact('FIND combines tags, name and pages, newest first', async (t, { catalog }) => {
    const names = ['img-1.png', 'img-2.png', 'dir/img-3.png', 'Img-4.png', '[x].png', 'a]b']
    const tags = [['a', 'b'], ['a'], ['a', 'b', 'c'], ['b'], ['c'], []]
    const transfer = await catalog.announce(newTransfer(1, names.map((name, i) => newFile({ name, tags: tags[i] ?? [] }))))
    for (const { id, name } of transfer.files) await catalog.store(id, digestOf(name), 3000, 1)
    const numbers = async (fields: Partial<FindQuery>): Promise<number[]> => (await catalog.find(query(fields))).map(({ number }) => number)
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
      const page = await catalog.find(query({ anyTags: ['a', 'b', 'c'], limit: 2, ...(after === undefined ? {} : { after }) }))
      paged.push(...page.map(({ number }) => number))
      after = page.at(-1)?.cursor
      if (page.length < 2) break
    }
    t.same(paged, [4, 3, 2, 1, 0])
    t.same(await numbers({ limit: 1, after: (await catalog.find(query({ limit: 1 })))[0]?.cursor ?? '' }), [4])
  })

  fact('expiry removes unfinished files by their last chunk, spares what is stored and what is in use', async (t, { catalog }) => {
    const old = await catalog.announce(newTransfer(1, [newFile(), newFile()]))
    const used = await catalog.announce(newTransfer(2, [newFile()]))
    const touched = await catalog.announce(newTransfer(3, [newFile()]))
    const half = await catalog.announce(newTransfer(4, [newFile(), newFile()]))
    await catalog.mark([markOf(touched, 0)], 5000)
    await catalog.store(fileOf(half, 0).id, digestOf('x'), 3000, 1000)
    const bounds = limits({ nowMs: 9000, unfinishedBeforeMs: 4000 })
    t.same(await catalog.expire({ ...bounds, inUse: new Set([used.id]) }), [{ user: USER, fid: fidOf(1) }])
    t.equal((await catalog.load(USER, fidOf(1)))?.state, 'gone')
    t.equal((await catalog.load(USER, fidOf(2)))?.state, 'open')
    t.equal((await catalog.load(USER, fidOf(3)))?.state, 'open')
    t.same((await catalog.load(USER, fidOf(4)))?.files.map(({ state }) => state), ['stored', 'removed'])
    t.same((await catalog.garbage(10)).toSorted((a, b) => a - b), [fileOf(old, 0).id, fileOf(old, 1).id, fileOf(half, 1).id])
    t.same(await catalog.expire(bounds), [{ user: USER, fid: fidOf(2) }])
    t.same(await catalog.expire(bounds), [])
  })

  fact('stored files go when they are asked to; tombstones are forgotten in time', async (t, { catalog }) => {
    const transfer = await catalog.announce(newTransfer(1, [newFile({ expiresMs: 5000 }), newFile({ expiresMs: 7000 })]))
    for (const { id } of transfer.files) await catalog.store(id, digestOf(String(id)), 3000, 1)
    t.same(await catalog.expire(limits({ nowMs: 5000 })), [])
    t.equal((await catalog.find(query())).length, 2, 'not before their time')
    t.same(await catalog.expire(limits({ nowMs: 5001 })), [])
    t.equal((await catalog.find(query())).length, 1)
    t.same(await catalog.expire(limits({ nowMs: 8000 })), [{ user: USER, fid: fidOf(1) }])
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
    t.same(await catalog.expire(limits()), [])
    t.same(await catalog.expire(limits({ dropMade: true })), [{ user: USER, fid: fidOf(1) }])
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
    t.same((await catalog.find(query({ state: 'receiving' }))).map(({ receivedBytes }) => receivedBytes), [0, 5])
    t.equal((await catalog.find(query())).length, 1)
  })

  fact('bytes are read back as written, in any order, with holes as zeros', async (t, { contents }, under) => {
    await Promise.all([
      contents.write(7, 5000, [Buffer.from('tail')]),
      contents.write(7, 0, [Buffer.from('he'), Buffer.alloc(0), Buffer.from('ad')]),
      contents.write(4097, 0, [Buffer.alloc(300_000, 7)]),
    ])
    await contents.sync([7, 4097, 7])
    const whole = Buffer.concat([Buffer.from('head'), Buffer.alloc(4996), Buffer.from('tail')])
    const check = async ({ contents }: Store): Promise<void> => {
      const reader = await contents.open(7)
      t.same(Buffer.from(await reader.read(0, 5004)), whole)
      t.same(Buffer.from(await reader.read(4999, 3)), Buffer.from('\0ta'))
      t.equal((await reader.read(1, 0)).length, 0)
      t.equal(await codeOf(reader.read(5000, 5)), 'content-damaged')
      await reader.close()
      t.equal(await contents.digest(4097, 300_000), sha256(Buffer.alloc(300_000, 7)))
    }
    await check(under.store)
    await check(await under.reopen())
  })

  fact('digests cover exactly the bytes asked for, hashed along or not, and after a restart', async (t, { contents }) => {
    const bytes = Buffer.alloc(5_000_000)
    for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(at, at)
    for (let at = 0; at < bytes.length; at += 1_000_000) {
      await contents.write(1, at, [bytes.subarray(at, at + 1_000_000)])
      contents.advance(1, at + 1_000_000)
    }
    t.equal(await contents.digest(1, 5_000_000), sha256(bytes))
    t.equal(await contents.digest(1, 4_999_999), sha256(bytes.subarray(0, 4_999_999)))
    contents.advance(1, 3_000_000)
    contents.restart(1)
    await contents.write(1, 0, [Buffer.from('anew')])
    bytes.write('anew')
    contents.advance(1, 4_000_000)
    t.equal(await contents.digest(1, 5_000_000), sha256(bytes))
    t.equal(await contents.digest(2, 0), sha256(Buffer.alloc(0)), 'nothing needs no blob')
    t.equal(await codeOf(contents.digest(2, 1)), 'content-damaged')
    t.equal(await codeOf(contents.digest(1, 5_000_001)), 'content-damaged')
  })

  fact('an absent blob is damaged content; removing it is no error', async (t, { contents }) => {
    t.equal(await codeOf(contents.open(5)), 'content-damaged')
    await contents.remove(5)
    await contents.release(6)
    await contents.sync([6])
  })

  fact('removal does not disturb an open reader, and nothing brings the blob back', async (t, { contents }, under) => {
    await contents.write(3, 0, [Buffer.from('bytes')])
    await contents.sync([3])
    const reader = await contents.open(3)
    await contents.remove(3)
    t.same(Buffer.from(await reader.read(0, 5)), Buffer.from('bytes'))
    await reader.close()
    await contents.write(3, 0, [Buffer.from('late')])
    await contents.sync([3])
    t.equal(await codeOf(contents.open(3)), 'content-damaged')
    const again = await under.reopen()
    t.equal(await codeOf(again.contents.open(3)), 'content-damaged')
  })

  fact('a released blob can be written again', async (t, { contents }) => {
    await contents.write(3, 0, [Buffer.from('first')])
    await contents.release(3)
    await contents.sync([3])
    await contents.release(3)
    await contents.write(3, 5, [Buffer.from('second')])
    await contents.sync([3])
    t.equal(await contents.digest(3, 11), sha256(Buffer.from('firstsecond')))
  })
}
