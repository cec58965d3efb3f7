/**
 * The local store on a file system that really fills up: a small tmpfs, which takes root to mount. Everything acknowledged stays,
 * refusals are `storage-full`, removal works, and what it frees is used again.
 */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'tap'
import { reclaimStore } from '../../daemon/storage/local/gc.ts'
import { openLocalStore } from '../../daemon/storage/local/index.ts'
import type { FileId } from '../../daemon/storage/storage.ts'
import { FILES_MAX } from '../../protocol/limits.ts'
import { codeOf, fidOf, limits, markOf, newFile, newTransfer, USER } from '../storage/samples.ts'
import { freshDirectory } from '../storage/support.ts'

const BLOB_BYTES = 256 * 1024

for (const durability of ['power', 'process'] as const) {
  test(`a full disk loses nothing, and removal makes room, durability ${durability}`, { timeout: 60_000 }, async t => {
    const mount = freshDirectory(t)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=20m,mode=0700', 'tmpfs', mount])
    t.teardown(() => execFileSync('umount', [mount]))
    const directory = path.join(mount, 'store')
    let store = await openLocalStore({ path: directory, durability })
    t.teardown(() => store.close())
    const sizeBytes = 64 * BLOB_BYTES
    const transfer = await store.catalog.announce(newTransfer(1, Array.from({ length: 64 }, () => newFile({ sizeBytes }))))

    const marked: FileId[] = []
    let code = 'none'
    for (const { id, number } of transfer.files) {
      code = await codeOf(store.contents.write(id, 0, [Buffer.alloc(BLOB_BYTES, id)]))
      if (code !== 'none') break
      await store.contents.sync([id])
      code = await codeOf(store.catalog.mark([markOf(transfer, number, { pages: [{ page: 0, bytes: new Uint8Array([1]) }], receivedBytes: BLOB_BYTES })], 1))
      if (code !== 'none') break
      marked.push(id)
    }
    t.equal(code, 'storage-full')
    t.ok(marked.length > 20, `${marked.length} files were marked`)

    // What the bytes left is taken by records, until those do not fit either.
    const announced: number[] = []
    for (let fid = 2; fid < 5000; fid++) {
      code = await codeOf(store.catalog.announce(newTransfer(fid, [newFile({ name: 'x'.repeat(1024), meta: new Uint8Array(16_000) })])))
      if (code !== 'none') break
      announced.push(fid)
    }
    t.equal(code, 'storage-full')
    fill(mount)
    await store.close()
    // Closing gave back the room of the WAL, which the next opening needs.
    fill(mount)
    store = await openLocalStore({ path: directory, durability })
    const loaded = await store.catalog.load('ann', fidOf(1))
    t.same(loaded?.files.filter(file => file.receipts.length > 0).map(({ id }) => id), marked, 'every mark is there after opening anew')
    for (const id of marked) {
      const reader = await store.contents.open(id)
      if (!Buffer.alloc(BLOB_BYTES, id).equals(await reader.read(0, BLOB_BYTES))) t.fail(`file ${id} has other bytes`)
      await reader.close()
    }
    for (const fid of announced) if (await store.catalog.load('ann', fidOf(fid)) === undefined) t.fail(`transfer ${fid} is not there`)

    t.equal(await store.catalog.remove(transfer.id, marked.slice(0, 8), 2), 8)
    const garbage = await store.catalog.garbage(100)
    t.same(garbage, marked.slice(0, 8))
    await Promise.all(garbage.map(blob => store.contents.remove(blob)))
    await store.catalog.forget(garbage)
    t.ok(fs.existsSync(path.join(directory, 'reserve')), 'the reserve was made again')
    const id = marked[10] as FileId
    await store.contents.write(id, BLOB_BYTES, [Buffer.alloc(BLOB_BYTES, 9)])
    await store.contents.sync([id])
    await store.catalog.mark([markOf(transfer, 10, { pages: [{ page: 0, bytes: new Uint8Array([2]) }], receivedBytes: 2 * BLOB_BYTES })], 3)
  })
}

test('a transfer of 4,096 files with long names is removed on a full disk', { timeout: 120_000 }, async t => {
  const mount = freshDirectory(t)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m,mode=0700', 'tmpfs', mount])
  t.teardown(() => execFileSync('umount', [mount]))
  const directory = path.join(mount, 'store')
  let store = await openLocalStore({ path: directory, durability: 'power' })
  t.teardown(() => store.close())
  const files = Array.from({ length: FILES_MAX }, () => newFile({ name: 'n'.repeat(400) }))
  await store.catalog.announce(newTransfer(1, files))
  // Closing gives back the room of the WAL: the removal has only the reserve.
  await store.close()
  store = await openLocalStore({ path: directory, durability: 'power' })
  const transfer = await store.catalog.load('ann', fidOf(1))
  if (transfer === undefined) throw new Error('the transfer is not there')
  fill(mount)
  t.equal(await codeOf(store.catalog.announce(newTransfer(2, [newFile({ meta: new Uint8Array(16_000) })]))), 'storage-full')
  t.equal(await store.catalog.remove(transfer.id, undefined, 2), FILES_MAX)
  t.equal(await store.catalog.load('ann', fidOf(1)).then(found => found?.state), 'gone')
})

for (const who of ['the running store', 'gc'] as const) {
  test(`20,000 files with long names expire on a full disk, by ${who}`, { timeout: 300_000 }, async t => {
    const mount = freshDirectory(t)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=96m,mode=0700', 'tmpfs', mount])
    t.teardown(() => execFileSync('umount', [mount]))
    const directory = path.join(mount, 'store')
    let store = await openLocalStore({ path: directory, durability: 'power' })
    t.teardown(() => store.close())
    const files = Array.from({ length: 1000 }, () => newFile({ name: 'n'.repeat(400), tags: ['a', 'b', 'c'] }))
    for (let fid = 1; fid <= 20; fid++) await store.catalog.announce(newTransfer(fid, files))
    await store.close()
    if (who === 'gc') {
      fill(mount)
      const due = limits({ nowMs: 9000, unfinishedBeforeMs: 9000 })
      t.match(reclaimStore({ path: directory, limits: due, isDryRun: false, found: () => {} }), { transfers: 20, files: 20_000 })
      return
    }
    store = await openLocalStore({ path: directory, durability: 'power' })
    fill(mount)
    for (let went = 1; went > 0;) went = (await store.catalog.expire(limits({ nowMs: 9000, unfinishedBeforeMs: 9000 }))).files
    t.same(await store.catalog.usage(USER), { bytes: 0, files: 0 })
  })
}

function fill(mount: string): void {
  for (;;) {
    try {
      fs.appendFileSync(path.join(mount, 'filler'), Buffer.alloc(4096, 1))
    } catch {
      return
    }
  }
}
