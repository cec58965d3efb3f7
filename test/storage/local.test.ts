/** What only the local store can get wrong: who may open it, failing commits, full disks, threads, time and glob patterns at length. */
import fs from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'tap'
import type { Test } from 'tap'
import { globMatcher } from '../../daemon/storage/glob.ts'
import { openLocalStore } from '../../daemon/storage/local/index.ts'
import type { StoreFaults } from '../../daemon/storage/local/index.ts'
import { RESERVE_BYTES } from '../../daemon/storage/local/reserve.ts'
import { StoreThreads } from '../../daemon/storage/local/threads.ts'
import { STORE_VERSION } from '../../daemon/storage/local/version.ts'
import { workerUrl, WorkerLink } from '../../daemon/storage/local/worker-link.ts'
import type { Durability, Store, TransferRecord } from '../../daemon/storage/storage.ts'
import { chooseSeed, Random } from '../support/random.ts'
import { codeOf, fidOf, fileOf, limits, markOf, newFile, newTransfer, pairOf, sha256 } from './samples.ts'
import { freshDirectory, sqliteError } from './support.ts'

const SQLITE_FULL = 13
const SQLITE_IOERR_FSYNC = 1034

async function openAt(t: Test, directory: string, durability: Durability = 'process', faults: StoreFaults = {}): Promise<Store> {
  const store = await openLocalStore({ path: directory, durability, faults })
  t.teardown(() => store.close())
  return store
}

test('a second daemon is refused by name, also beside this one; a closed store can be opened', async t => {
  const directory = freshDirectory(t)
  const store = await openAt(t, directory, 'power')
  await t.rejects(openLocalStore({ path: directory, durability: 'power' }), { message: new RegExp(directory) })
  await t.rejects(openLocalStore({ path: `${directory}/.`, durability: 'process' }), { message: /in use/ })
  await store.close()
  await openAt(t, directory)
})

test('a store of a newer version is refused, and nothing in it is touched', async t => {
  const directory = freshDirectory(t)
  fs.writeFileSync(path.join(directory, 'version'), '99\n')
  await t.rejects(openLocalStore({ path: directory, durability: 'process' }), { message: /version 99/ })
  t.same(fs.readdirSync(directory), ['version'])
  fs.writeFileSync(path.join(directory, 'version'), 'one\n')
  await t.rejects(openLocalStore({ path: directory, durability: 'process' }))
})

test('a directory of something else does not become a store', async t => {
  const directory = freshDirectory(t)
  fs.chmodSync(directory, 0o755)
  fs.writeFileSync(path.join(directory, 'diary.txt'), '')
  await t.rejects(openLocalStore({ path: directory, durability: 'process' }), { message: /diary/ })
  t.same(fs.readdirSync(directory), ['diary.txt'])
  t.equal(fs.statSync(directory).mode & 0o777, 0o755)
})

test('what a first start left half done does not hinder the next one', async t => {
  const directory = freshDirectory(t)
  fs.writeFileSync(path.join(directory, 'version.new'), '')
  const store = await openAt(t, directory)
  t.equal((await store.catalog.announce(newTransfer(1, [newFile()]))).id, 1)
  t.equal(fs.readFileSync(path.join(directory, 'version'), 'latin1'), `${STORE_VERSION}\n`)
})

test('how many files have a tag is counted through every change, and a tag that none has is forgotten', async t => {
  const directory = freshDirectory(t)
  const { catalog } = await openAt(t, directory)
  const transfer = await catalog.announce(newTransfer(1, [newFile({ tags: ['a', 'b'] }), newFile({ tags: ['a'] }), newFile()]))
  const files = transfer.files.map(({ id }) => id) as [number, number, number]
  const counts = (): unknown => {
    const db = new DatabaseSync(path.join(directory, 'catalog.db'), { readOnly: true })
    const rows = db.prepare(`SELECT tag, files, (SELECT count(*) FROM tagged WHERE label = label.id) AS listed FROM label ORDER BY tag`).all()
    db.close()
    return rows.map(({ tag, files, listed }) => [tag, files, listed])
  }
  t.same(counts(), [['a', 2, 2], ['b', 1, 1]])
  await catalog.tag({ transfer: transfer.id, files, add: ['a', 'c'], remove: ['b', 'nobody'] }, 1)
  t.same(counts(), [['a', 3, 3], ['c', 3, 3]])
  await catalog.tag({ transfer: transfer.id, files: [files[0]], add: ['d'], remove: ['d', 'c'] }, 1)
  await catalog.remove(transfer.id, [files[1]], 1)
  t.same(counts(), [['a', 2, 2], ['c', 1, 1]])
  await catalog.tag({ transfer: transfer.id, files: [files[0], files[2]], add: [], remove: ['a', 'c'] }, 1)
  t.same(counts(), [])
})

test('a commit without room changes nothing, and later ones succeed', async t => {
  let fails = false
  const store = await openAt(t, freshDirectory(t), 'power', { beforeCommit: () => { if (fails) throw sqliteError(SQLITE_FULL) } })
  const transfer = await store.catalog.announce(newTransfer(1, [newFile()]))
  fails = true
  const codes = await Promise.all([
    codeOf(store.catalog.mark([markOf(transfer, 0, { receivedBytes: 7, pairs: [pairOf(1, 0, 0)] })], 1)),
    codeOf(store.catalog.announce(newTransfer(2, [newFile()]))),
  ])
  t.same(codes, ['storage-full', 'storage-full'])
  fails = false
  t.equal((await store.catalog.load('ann', fidOf(1)))?.pairCount, 0)
  t.equal(await store.catalog.load('ann', fidOf(2)), undefined)
  await store.catalog.mark([markOf(transfer, 0, { receivedBytes: 7, pairs: [pairOf(1, 0, 0)] })], 1)
  t.equal((await store.catalog.load('ann', fidOf(1)))?.pairCount, 1)
})

test('one large change without room does not drag along those that came with it', async t => {
  let commits = 0
  const store = await openAt(t, freshDirectory(t), 'process', { beforeCommit: () => { if (++commits === 1) throw sqliteError(SQLITE_FULL) } })
  t.same(await Promise.all([1, 2].map(fid => codeOf(store.catalog.announce(newTransfer(fid, [newFile()]))))), ['none', 'none'])
})

test('removal gives up the reserve where the disk is full, and it is made again once there is room', async t => {
  const directory = freshDirectory(t)
  const reserve = path.join(directory, 'reserve')
  let isFull = false
  const store = await openAt(t, directory, 'process', {
    beforeCommit: () => { if (isFull && fs.existsSync(reserve)) throw sqliteError(SQLITE_FULL) },
  })
  t.equal(fs.statSync(reserve).size, RESERVE_BYTES)
  const transfer = await store.catalog.announce(newTransfer(1, [newFile()]))
  isFull = true
  t.equal(await codeOf(store.catalog.announce(newTransfer(2, [newFile()]))), 'storage-full', 'nobody else gets it')
  t.equal(await store.catalog.remove(transfer.id, undefined, 1), 1)
  t.notOk(fs.existsSync(reserve))
  isFull = false
  await store.catalog.forget(await store.catalog.garbage(10))
  t.equal(fs.statSync(reserve).size, RESERVE_BYTES)
})

test('after a failed commit every change is refused until the store is opened anew, and reads go on', async t => {
  const directory = freshDirectory(t)
  let fails = false
  const store = await openAt(t, directory, 'power', { beforeCommit: () => { if (fails) throw sqliteError(SQLITE_IOERR_FSYNC) } })
  const transfer = await store.catalog.announce(newTransfer(1, [newFile()]))
  fails = true
  t.equal(await codeOf(store.catalog.mark([markOf(transfer, 0)], 1)), 'storage-failed')
  fails = false
  t.equal(await codeOf(store.catalog.mark([markOf(transfer, 0)], 1)), 'storage-failed')
  t.equal(await codeOf(store.contents.write(1, 0, [Buffer.from('x')])), 'storage-failed')
  t.equal((await store.catalog.load('ann', fidOf(1)))?.state, 'open')
  await store.close()
  const again = await openAt(t, directory)
  await again.catalog.mark([markOf(transfer, 0)], 1)
})

test('a fault of our own in one change leaves the others of its transaction alone', async t => {
  const { catalog } = await openAt(t, freshDirectory(t))
  const transfer = await catalog.announce(newTransfer(1, [newFile()]))
  const codes = await Promise.all([
    codeOf(catalog.mark([markOf(transfer, 0, { receivedBytes: 5 })], 1)),
    codeOf(catalog.announce(newTransfer(1, [newFile()]))),
    codeOf(catalog.announce(newTransfer(2, [newFile()]))),
  ])
  t.same(codes, ['none', 'internal', 'none'])
  const { files: found } = await catalog.find({ user: 'ann', tags: [], anyTags: [], notTags: [], state: 'receiving', limit: 10 })
  t.same(found.map(({ receivedBytes }) => receivedBytes), [0, 5])
})

test('a thread that dies fails what waits for it, and what is asked of it later', async t => {
  const file = path.join(freshDirectory(t), 'dying.ts')
  fs.writeFileSync(file, "import { parentPort } from 'node:worker_threads'\nparentPort.on('message', () => process.exit(1))\n")
  const link = new WorkerLink(workerUrl(`file://${file}`, 'dying'), {})
  t.same(await Promise.all([codeOf(link.call('a', [])), codeOf(link.call('b', []))]), ['storage-failed', 'storage-failed'])
  t.equal(await codeOf(link.call('c', [])), 'storage-failed')
  await link.close()
})

test('threads that run before the store is opened leave its directory alone, answer once it is, and end with it', async t => {
  const directory = freshDirectory(t)
  const threads = new StoreThreads({ directory, durability: 'power' })
  threads.start()
  await Promise.all([threads.reader, threads.writer].map(link => link.call('close', [])))
  t.equal(await codeOf(threads.reader.call('garbage', [1])), 'busy', 'there is no catalog yet')
  t.same(fs.readdirSync(directory), [])
  const store = await openLocalStore({ path: directory, durability: 'power', threads })
  await store.catalog.announce(newTransfer(1, [newFile()]))
  t.equal((await store.catalog.load('ann', fidOf(1)))?.state, 'open')
  t.same(await threads.reader.call('garbage', [1]), [])
  await store.close()
  t.same(await Promise.all([threads.reader, threads.writer].map(link => codeOf(link.call('close', [])))), ['storage-failed', 'storage-failed'])
})

test('what closes is what was asked before: pending changes are kept', async t => {
  const directory = freshDirectory(t)
  const store = await openAt(t, directory, 'power')
  const pending = [1, 2, 3].map(fid => store.catalog.announce(newTransfer(fid, [newFile()])))
  await store.close()
  await Promise.all(pending)
  const again = await openAt(t, directory)
  for (const fid of [1, 2, 3]) t.equal((await again.catalog.load('ann', fidOf(fid)))?.state, 'open')
})

test('the pairs of a gone transfer are forgotten in slices, and its tombstone after them', async t => {
  const directory = freshDirectory(t)
  const { catalog } = await openAt(t, directory)
  const transfer = await catalog.announce(newTransfer(1, [newFile({ sizeBytes: 2 ** 40 })]))
  await catalog.mark([markOf(transfer, 0, { kind: 'opaque', pairs: Array.from({ length: 45_000 }, (_, i) => pairOf(i, 0, i)) })], 1)
  t.equal((await catalog.load('ann', fidOf(1)))?.pairCount, 45_000)
  await catalog.remove(transfer.id, undefined, 2)
  let calls = 0
  for (; await catalog.load('ann', fidOf(1)) !== undefined && calls < 10; calls++) {
    await catalog.expire({ nowMs: 9, unfinishedBeforeMs: 0, pairsBeforeMs: 0, tombstonesBeforeMs: 9, eventsBeforeMs: 0, dropMade: false, inUse: new Set() })
  }
  t.equal(calls, 3)
})

test('content that arrives again is not dropped for a blob that is absent or short', async t => {
  const directory = freshDirectory(t)
  const { catalog, contents } = await openAt(t, directory)
  const bytes = Buffer.alloc(3000, 7)
  const blobs: number[] = []
  for (let fid = 1; fid <= 3; fid++) {
    const { id } = fileOf(await catalog.announce(newTransfer(fid, [newFile()])), 0)
    await contents.write(id, 0, [bytes])
    await catalog.store(id, sha256(bytes), bytes.length, 1)
    blobs.push((await catalog.content('ann', { fid: fidOf(1), file: 0 }))?.blob as number)
    await contents.release(id)
    if (fid === 1) fs.truncateSync(path.join(directory, 'blobs', '000', id.toString(16).padStart(8, '0')), 2999)
  }
  t.same(blobs, [1, 2, 2])
  t.same((await catalog.garbage(9)).toSorted(), [1, 3])
})

test('one call of expiry ends with the transfer that brings it to 1,000 files', async t => {
  const { catalog } = await openAt(t, freshDirectory(t))
  const files = Array.from({ length: 600 }, () => newFile())
  for (let fid = 1; fid <= 5; fid++) await catalog.announce(newTransfer(fid, files))
  const went = async () => {
    const { transfers, files } = await catalog.expire(limits({ nowMs: 9000, unfinishedBeforeMs: 9000 }))
    return [transfers.length, files]
  }
  t.same([await went(), await went(), await went(), await went()], [[2, 1200], [2, 1200], [1, 600], [0, 0]])
})

test('10,000 unfinished transfers are there after opening', async t => {
  const directory = freshDirectory(t)
  const store = await openAt(t, directory)
  const announced = await Promise.all(Array.from({ length: 10_000 }, (_, i) => store.catalog.announce(newTransfer(i, [newFile({ tags: ['t'] })]))))
  await store.catalog.mark(announced.map(transfer => markOf(transfer, 0, { pages: [{ page: 0, bytes: new Uint8Array(12) }], receivedBytes: 1000 })), 1)
  await store.close()
  const before = performance.now()
  const again = await openAt(t, directory, 'power')
  const loaded = await again.catalog.load('ann', fidOf(7777)) as TransferRecord
  t.comment(`opened and loaded one in ${Math.round(performance.now() - before)} ms`)
  t.equal(fileOf(loaded, 0).receipts.length, 1)
})

test('the queries of FIND use their indexes', async t => {
  const directory = freshDirectory(t)
  const store = await openAt(t, directory)
  await store.catalog.announce(newTransfer(1, [newFile({ tags: ['a'] })]))
  await store.close()
  const db = new DatabaseSync(path.join(directory, 'catalog.db'))
  t.teardown(() => db.close())
  const plan = (sql: string): string => db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all().map(({ detail }) => detail).join('; ')
  const tagged = plan('SELECT 1 FROM tagged d CROSS JOIN file f ON f.id = d.file WHERE d.label = 1 AND f.state = 1 AND d.file < 9 ORDER BY d.file DESC LIMIT 5')
  t.match(tagged, /SEARCH d USING PRIMARY KEY \(label=\? AND file<\?\)/)
  t.notMatch(tagged, /TEMP B-TREE/)
  const listed = plan('SELECT 1 FROM file f WHERE f.owner = 1 AND f.state = 1 AND f.id < 9 ORDER BY f.id DESC LIMIT 5')
  t.match(listed, /file_listed \(owner=\? AND state=\? AND rowid<\?\)/)
  t.notMatch(listed, /TEMP B-TREE/)
})

test('glob patterns without sets mean to SQLite what they mean to us', async t => {
  const seed = chooseSeed()
  t.comment(`TALLY_TEST_SEED=${seed}`)
  const random = new Random(seed)
  const db = new DatabaseSync(':memory:')
  t.teardown(() => db.close())
  const glob = db.prepare('SELECT ? GLOB ? AS matches')
  const text = (alphabet: readonly string[]): string => Array.from({ length: random.between(0, 8) }, () => random.pick(alphabet)).join('')
  for (let i = 0; i < 5000; i++) {
    const name = text(['a', 'b', '/', '\u{1f600}', 'ü', ']'])
    const pattern = text(['a', 'b', '/', '\u{1f600}', '*', '?', ']', '!', '^', '-'])
    const ours = globMatcher(pattern)(name)
    if (ours !== (glob.get(name, pattern)?.matches === 1)) t.fail(`${JSON.stringify(name)} GLOB ${JSON.stringify(pattern)}: ours says ${ours}`)
  }
  t.ok(globMatcher(`${'*'.repeat(500)}${'a*'.repeat(500)}b`)('a'.repeat(1024)) === false, 'and end soon, whatever the pattern')
})

test('digests of many blobs at once are each their own', async t => {
  const { contents } = await openAt(t, freshDirectory(t))
  const blobs = Array.from({ length: 40 }, (_, i) => i + 1)
  const bytesOf = (blob: number): Buffer => Buffer.alloc(blob * 50_000, blob)
  await Promise.all(blobs.map(blob => contents.write(blob, 0, [bytesOf(blob)])))
  for (const blob of blobs) contents.advance(blob, blob * 25_000)
  const digests = await Promise.all(blobs.map(blob => contents.digest(blob, blob * 50_000)))
  t.same(digests.map(({ digest }) => digest), blobs.map(blob => sha256(bytesOf(blob))))
})

test('the time of a last chunk whose transaction was taken back is not taken for written', async t => {
  let isFull = false
  const store = await openAt(t, freshDirectory(t), 'process', { beforeCommit: () => { if (isFull) throw sqliteError(SQLITE_FULL) } })
  const { catalog } = store
  const transfer = await catalog.announce(newTransfer(1, [newFile()]))
  isFull = true
  t.equal(await codeOf(catalog.mark([markOf(transfer, 0)], 1_000_000)), 'storage-full')
  isFull = false
  await catalog.mark([markOf(transfer, 0)], 1_005_000)
  const limits = { nowMs: 2_000_000, unfinishedBeforeMs: 900_000, pairsBeforeMs: 0, tombstonesBeforeMs: 0, eventsBeforeMs: 0, dropMade: false, inUse: new Set<number>() }
  t.same((await catalog.expire(limits)).transfers, [])
})
