/**
 * Files of one small chunk over the memory store: they are stored in the cycle that brought them, without a mark, and what fails or
 * differs leaves them as if the chunk had never come.
 */
import { createHash } from 'node:crypto'
import t from 'tap'
import { TallyError } from '../../protocol/errors.ts'
import type { FileAnnouncement } from '../../protocol/messages.ts'
import { openMemoryStore } from '../../daemon/storage/memory.ts'
import type { Catalog, FileId, Mark, Store } from '../../daemon/storage/storage.ts'
import { newTransfer } from '../../daemon/transfers/announcement.ts'
import type { LiveTransfer } from '../../daemon/transfers/live-transfer.ts'
import { Registry } from '../../daemon/transfers/registry.ts'

const FID = '6ba7b810-9dad-41d1-80b4-00c04fd430c8'
const NOW_MS = 1_700_000_000_000
const DAY_MS = 86_400_000
const data = (value: number, lengthBytes = 100): Uint8Array => new Uint8Array(lengthBytes).fill(value)
const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/** A transfer of these files; which changes of the catalog were made, and what stands before a file is stored. */
async function setUp(files: readonly FileAnnouncement[]) {
  const inner = openMemoryStore()
  const marks: Mark[] = []
  const stored: FileId[] = []
  const control = { beforeStore: async (_file: FileId): Promise<void> => undefined }
  const changes: Partial<Catalog> = {
    mark: async (some, nowMs, quota) => {
      marks.push(...some)
      await inner.catalog.mark(some, nowMs, quota)
    },
    store: async (file, ...rest) => {
      await control.beforeStore(file)
      await inner.catalog.store(file, ...rest)
      stored.push(file)
    },
  }
  const catalog = new Proxy(inner.catalog, {
    get(target, name: keyof Catalog) {
      return changes[name] ?? target[name].bind(target)
    },
  })
  const store: Store = { catalog, contents: inner.contents, durability: inner.durability, close: () => inner.close() }
  const failures: string[] = []
  const registry = new Registry({
    store, nowMs: () => NOW_MS, fileBytesMax: 2 ** 40, onArrival: () => undefined, onCommit: () => undefined, onStored: () => undefined,
    onCommitFailure: ({ code }) => failures.push(code),
  })
  const message = { type: 1, messageId: FID, token: '', files, tags: [], fid: FID } as const
  // Long before the chunks come.
  const opened = await registry.open({}, 'ada', FID, () => newTransfer(message, 'ada', FID, 2 ** 40, NOW_MS - 10 * DAY_MS))
  return { store, control, marks, stored, failures, registry, transfer: opened?.transfer as LiveTransfer }
}

function send(transfer: LiveTransfer, file: number, bytes: Uint8Array, chunk = 0): Promise<string> {
  return new Promise(resolve => transfer.receiveNumbered(file, chunk, bytes, {
    acknowledged: (_file, _chunk, stored) => resolve(stored === undefined ? 'ok' : stored.digest),
    refused: ({ code }) => resolve(code),
  }))
}

const states = (transfer: LiveTransfer): unknown => transfer.report(1000, undefined).files.map(({ state, missing }) => [state, ...missing])

t.test('is stored without a mark, and its chunk is answered with the digest, however often it comes', async t => {
  const { transfer, marks, stored } = await setUp([{ name: 'a', sizeBytes: 100 }, { name: 'b', sizeBytes: 100, digest: digestOf(data(2)) }])
  const answers = [send(transfer, 0, data(1)), send(transfer, 1, data(2)), send(transfer, 0, data(1))]
  t.strictSame(await Promise.all(answers), [digestOf(data(1)), digestOf(data(2)), digestOf(data(1))])
  t.equal(await send(transfer, 1, data(2)), digestOf(data(2)))
  t.strictSame([marks.length, stored.length], [0, 2])
  t.strictSame(states(transfer), [['stored'], ['stored']])
})

t.test('is missing in a report until it is stored', async t => {
  const { transfer, control } = await setUp([{ name: 'a', sizeBytes: 100 }])
  let begun = (): void => undefined
  const isBegun = new Promise<void>(resolve => { begun = resolve })
  let go = (): void => undefined
  const mayGo = new Promise<void>(resolve => { go = resolve })
  control.beforeStore = async () => {
    begun()
    await mayGo
  }
  const answer = send(transfer, 0, data(1))
  await isBegun
  t.strictSame(states(transfer), [['receiving', [0, 1]]])
  go()
  t.equal(await answer, digestOf(data(1)))
  t.strictSame(states(transfer), [['stored']])
})

t.test('with another digest than announced it is refused, and stored when the right bytes come', async t => {
  const { transfer } = await setUp([{ name: 'a', sizeBytes: 100, digest: digestOf(data(1)) }])
  t.equal(await send(transfer, 0, data(2)), 'digest-mismatch')
  t.strictSame(states(transfer), [['receiving', [0, 1]]])
  t.equal(await send(transfer, 0, data(1)), digestOf(data(1)))
})

t.test('what cannot be stored is missing again, and the others of its cycle are stored', async t => {
  const { transfer, control, failures } = await setUp([{ name: 'a', sizeBytes: 100 }, { name: 'b', sizeBytes: 100 }, { name: 'c', sizeBytes: 5000 }])
  control.beforeStore = async file => {
    if (file === transfer.uploads[0]?.id) throw new TallyError('storage-full', 'full')
  }
  const answers = [send(transfer, 0, data(1)), send(transfer, 1, data(2)), send(transfer, 2, data(3, 1024))]
  t.strictSame(await Promise.all(answers), ['storage-full', digestOf(data(2)), 'ok'])
  t.strictSame(states(transfer), [['receiving', [0, 1]], ['stored'], ['receiving', [1, 4]]])
  t.strictSame(failures, ['storage-full'])
  control.beforeStore = async () => undefined
  t.equal(await send(transfer, 0, data(1)), digestOf(data(1)))
})

t.test('files of several chunks, of unknown size, and large ones are marked', async t => {
  const { transfer, marks } = await setUp([{ name: 'a', sizeBytes: 1500 }, { name: 'b', sizeBytes: null }])
  await Promise.all([send(transfer, 0, data(1, 1024)), send(transfer, 0, data(1, 476), 1), send(transfer, 1, data(1, 1024))])
  t.equal(marks.length, 2)
})

t.test('counts as a chunk for the expiry of the others of its transfer', async t => {
  const { transfer, store, registry } = await setUp([{ name: 'a', sizeBytes: 100 }, { name: 'b', sizeBytes: 100 }])
  await send(transfer, 0, data(1))
  const [unfinished] = await registry.unfinished({ limit: 10 })
  t.equal(unfinished?.touchedMs, NOW_MS)
  await store.close()
})
