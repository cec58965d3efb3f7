/**
 * Transfers over the memory store, without sockets: what a chunk means for its file, when it is answered, and what a failure leaves.
 * The store can be held up and made to fail, so that every order of arrival and commit can be had.
 */
import { createHash } from 'node:crypto'
import t from 'tap'
import { uuidToWords } from '../../protocol/chunk-id.ts'
import type { TallyError } from '../../protocol/errors.ts'
import { TallyError as Refusal } from '../../protocol/errors.ts'
import type { Authentication, FileAnnouncement } from '../../protocol/messages.ts'
import { openMemoryStore } from '../../daemon/storage/memory.ts'
import type { Quota } from '../../daemon/storage/quota.ts'
import type { Mark, Store } from '../../daemon/storage/storage.ts'
import { newTransfer } from '../../daemon/transfers/announcement.ts'
import { EMPTY_DIGEST } from '../../daemon/transfers/finish.ts'
import type { LiveTransfer } from '../../daemon/transfers/live-transfer.ts'
import { Registry } from '../../daemon/transfers/registry.ts'
import type { ChunkReply, StoredFile } from '../../daemon/transfers/reply.ts'

const FID = '6ba7b810-9dad-41d1-80b4-00c04fd430c8'
const MIB = 1_048_576

/** A reply that can be awaited. */
class Outcome implements ChunkReply {
  readonly settled: Promise<string>
  value: string | undefined
  error: TallyError | undefined
  stored: StoredFile | undefined
  #resolve: (value: string) => void = () => undefined

  constructor() {
    this.settled = new Promise(resolve => (this.#resolve = resolve))
  }

  acknowledged(_file: number, _chunk: number, stored: StoredFile | undefined): void {
    this.stored = stored
    this.#end(stored === undefined ? 'ok' : `stored ${stored.file}`)
  }

  refused(error: TallyError): void {
    this.error = error
    this.#end(error.code)
  }

  #end(value: string): void {
    if (this.value !== undefined) throw new Error(`answered twice: ${this.value}, then ${value}`)
    this.value = value
    this.#resolve(value)
  }
}

/** The memory store with a gate before each mark, and failures on demand. */
function gatedStore(inner: Store = openMemoryStore()) {
  const control = {
    marks: [] as (readonly Mark[])[],
    fail: undefined as Refusal | undefined,
    gate: Promise.resolve() as Promise<unknown>,
    /** The next mark waits until the returned function is called. */
    hold(): () => void {
      let open: () => void = () => undefined
      control.gate = new Promise<void>(resolve => (open = resolve))
      return open
    },
  }
  const catalog = new Proxy(inner.catalog, {
    get(target, name) {
      if (name !== 'mark') {
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      }
      return async (marks: readonly Mark[], nowMs: number, quota?: Quota) => {
        await control.gate
        const failure = control.fail
        if (failure !== undefined) throw failure
        control.marks.push(marks)
        await target.mark(marks, nowMs, quota)
      }
    },
  })
  return { store: { catalog, contents: inner.contents, durability: inner.durability, close: () => inner.close() } as Store, control }
}

function authentication(files: readonly FileAnnouncement[], more: Partial<Authentication> = {}): Authentication {
  return { type: 1, messageId: FID, token: '', files, tags: [], fid: FID, ...more }
}

async function setUp(files: readonly FileAnnouncement[], more: Partial<Authentication> = {}, given = gatedStore()) {
  const registry = registryOf(given.store)
  const message = authentication(files, more)
  const connection = {}
  const opened = await registry.open(connection, 'ada', FID, () => newTransfer(message, 'ada', FID, 2 ** 40, 1))
  const transfer = opened?.transfer as LiveTransfer
  await transfer.emptyFilesStored()
  transfer.fillBy(connection)
  return { ...given, registry, transfer, connection }
}

function registryOf(store: Store): Registry {
  const unheard = () => undefined
  const listeners = { onArrival: unheard, onCommitFailure: unheard, onCommit: unheard, onStored: unheard }
  return new Registry({ store, nowMs: () => 1, fileBytesMax: 2 ** 40, ...listeners })
}

function send(transfer: LiveTransfer, file: number, chunk: number, data: Uint8Array): Outcome {
  const outcome = new Outcome()
  transfer.receiveNumbered(file, chunk, data, outcome)
  return outcome
}

function sendOpaque(transfer: LiveTransfer, uuid: number, data: Uint8Array, connection: object): Outcome {
  const words = uuidToWords(`9b2f1a52-3c0e-4d53-8b6f-${uuid.toString(16).padStart(12, '0')}`)
  if (words === undefined) throw new Error('not a UUID')
  const outcome = new Outcome()
  transfer.receiveOpaque(words, data, outcome, connection)
  return outcome
}

const bytes = (length: number, fill = 7) => new Uint8Array(length).fill(fill)
const sha = (data: Uint8Array) => `sha256:${createHash('sha256').update(data).digest('hex')}`
const states = (transfer: LiveTransfer) => transfer.report(1000, undefined).files.map(({ state, missing }) => ({ state, missing }))

t.test('acknowledges a chunk only when its mark has returned', async t => {
  const { transfer, control } = await setUp([{ name: 'a', sizeBytes: 2048 }])
  const open = control.hold()
  const first = send(transfer, 0, 0, bytes(1024))
  await new Promise(resolve => setTimeout(resolve, 20))
  t.equal(first.value, undefined)
  t.strictSame(states(transfer), [{ state: 'receiving', missing: [[0, 2]] }], 'a pending chunk is reported missing')
  open()
  t.equal(await first.settled, 'ok')
  t.strictSame(states(transfer), [{ state: 'receiving', missing: [[1, 1]] }])
})

t.test('answers the chunk that completes the file when it is stored, and again later', async t => {
  const { transfer } = await setUp([{ name: 'a', sizeBytes: 1500 }])
  const first = send(transfer, 0, 0, bytes(1024))
  const last = send(transfer, 0, 1, bytes(476))
  t.equal(await first.settled, 'ok')
  t.equal(await last.settled, 'stored 0')
  t.equal(last.stored?.digest, sha(bytes(1500)))
  t.equal(await send(transfer, 0, 0, bytes(1024)).settled, 'stored 0')
  t.strictSame(states(transfer), [{ state: 'stored', missing: [] }])
})

t.test('gives a chunk that comes again while pending the outcome of the first, and keeps the first bytes', async t => {
  const { transfer, control } = await setUp([{ name: 'a', sizeBytes: 2048 }])
  const open = control.hold()
  const first = send(transfer, 0, 1, bytes(1024, 1))
  await new Promise(resolve => setTimeout(resolve, 20))
  const again = send(transfer, 0, 1, bytes(1024, 2))
  open()
  t.equal(await first.settled, 'ok')
  t.equal(await again.settled, 'ok')
  const last = send(transfer, 0, 0, bytes(1024, 3))
  await last.settled
  t.equal(last.stored?.digest, sha(Buffer.concat([bytes(1024, 3), bytes(1024, 1)])))
})

t.test('shares one cycle among what arrived during the one before', async t => {
  const { transfer, control } = await setUp([{ name: 'a', sizeBytes: 100 * 1024 }])
  const open = control.hold()
  const outcomes = [send(transfer, 0, 0, bytes(1024))]
  await new Promise(resolve => setTimeout(resolve, 20))
  for (let chunk = 1; chunk < 50; chunk++) outcomes.push(send(transfer, 0, chunk, bytes(1024)))
  open()
  for (const outcome of outcomes) t.equal(await outcome.settled, 'ok')
  t.equal(control.marks.length, 2)
})

t.test('a failed cycle makes its chunks missing again, with its code, and nothing else', async t => {
  const { transfer, control } = await setUp([{ name: 'a', sizeBytes: 4096 }])
  t.equal(await send(transfer, 0, 0, bytes(1024)).settled, 'ok')
  const open = control.hold()
  control.fail = new Refusal('storage-full', 'full')
  const refused = send(transfer, 0, 1, bytes(1024, 1))
  await new Promise(resolve => setTimeout(resolve, 20))
  const again = send(transfer, 0, 1, bytes(1024, 1))
  open()
  t.equal(await refused.settled, 'storage-full')
  t.equal(await again.settled, 'storage-full')
  t.strictSame(states(transfer), [{ state: 'receiving', missing: [[1, 3]] }])
  control.fail = undefined
  for (const chunk of [1, 2]) t.equal(await send(transfer, 0, chunk, bytes(1024, 9)).settled, 'ok')
  const last = send(transfer, 0, 3, bytes(1024, 9))
  t.equal(await last.settled, 'stored 0')
  t.equal(last.stored?.digest, sha(Buffer.concat([bytes(1024), bytes(3072, 9)])))
})

t.test('what comes before a size that is told while the quota is asked is not counted twice', async t => {
  const given = gatedStore()
  let told: Promise<void> | undefined
  const catalog = new Proxy(given.store.catalog, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (name !== 'usage') return value
      return async (user: string) => {
        await told
        return target.usage(user)
      }
    },
  })
  const { transfer } = await setUp([{ name: 'stream', sizeBytes: null }], {}, { ...given, store: { ...given.store, catalog } })
  transfer.quota = { bytesMax: 2048, filesMax: 10 }
  t.equal(await send(transfer, 0, 0, bytes(1024)).settled, 'ok')
  const last = send(transfer, 0, 1, bytes(1024))
  told = transfer.amend(authentication([{ name: 'stream', sizeBytes: 2048 }]))
  t.equal(await last.settled, 'stored 0')
})

t.test('a quota that is used up while bytes are written refuses what has no size yet, and not what is paid for', async t => {
  const { transfer, control, store } = await setUp([{ name: 'known', sizeBytes: 2048 }, { name: 'stream', sizeBytes: null }])
  transfer.quota = { bytesMax: 5000, filesMax: 10 }
  const open = control.hold()
  const outcomes = [send(transfer, 1, 0, bytes(1024)), send(transfer, 0, 0, bytes(1024))]
  await new Promise(resolve => setTimeout(resolve, 20))
  // What is left is taken by another transfer, after this one asked what there is.
  const other = authentication([{ name: 'other', sizeBytes: 2500 }])
  await store.catalog.announce(newTransfer(other, 'ada', '6ba7b810-9dad-41d1-80b4-00c04fd430c9', 2 ** 40, 1))
  open()
  t.strictSame(await Promise.all(outcomes.map(({ settled }) => settled)), ['quota-exceeded', 'ok'])
  t.match(states(transfer), [{ missing: [[1, 1]] }, { missing: [] }])
})

t.test('a digest that differs makes every chunk missing, and the file can come again', async t => {
  const content = bytes(2000, 5)
  const { transfer } = await setUp([{ name: 'a', sizeBytes: 2000, digest: sha(content) }])
  send(transfer, 0, 0, bytes(1024, 6))
  const last = send(transfer, 0, 1, bytes(976, 5))
  t.equal(await last.settled, 'digest-mismatch')
  t.equal(last.error?.details.expected, sha(content))
  t.strictSame(states(transfer), [{ state: 'receiving', missing: [[0, 2]] }])
  send(transfer, 0, 0, bytes(1024, 5))
  t.equal(await send(transfer, 0, 1, bytes(976, 5)).settled, 'stored 0')
})

t.test('refuses a chunk of another length, past the end, of no file, of the other kind', async t => {
  const { transfer, connection } = await setUp([{ name: 'a', sizeBytes: 1500 }, { name: 'b', sizeBytes: 10 }])
  const short = send(transfer, 0, 0, bytes(1000))
  t.equal(await short.settled, 'chunk-length')
  t.equal(short.error?.details.expected, 1024)
  t.equal(await send(transfer, 0, 1, bytes(1024)).settled, 'chunk-length')
  t.equal(await send(transfer, 0, 2, bytes(1)).settled, 'chunk-unknown')
  t.equal(await send(transfer, 2, 0, bytes(1)).settled, 'chunk-unknown')
  t.equal(await sendOpaque(transfer, 1, bytes(1024), connection).settled, 'ok')
  t.equal(await send(transfer, 0, 0, bytes(1024)).settled, 'chunk-unknown')
})

t.test('opaque chunks fill file after file in order of arrival', async t => {
  const { transfer, connection } = await setUp([{ name: 'a', sizeBytes: 2500 }, { name: 'b', sizeBytes: 5 }, { name: 'c', sizeBytes: 3 }])
  const outcomes = [bytes(1000, 1), bytes(1000, 2), bytes(500, 3), bytes(5, 4), bytes(3, 5)]
    .map((data, uuid) => sendOpaque(transfer, uuid, data, connection))
  t.strictSame(await Promise.all(outcomes.map(({ settled }) => settled)), ['ok', 'ok', 'stored 0', 'stored 1', 'stored 2'])
  t.equal(outcomes[2]?.stored?.digest, sha(Buffer.concat([bytes(1000, 1), bytes(1000, 2), bytes(500, 3)])))
  t.equal(await sendOpaque(transfer, 9, bytes(3), connection).settled, 'chunk-unknown', 'every place is taken')
})

t.test('the last opaque chunk of a file that comes again after its Ok was lost does not land in the next file', async t => {
  const { transfer, connection } = await setUp([{ name: 'a', sizeBytes: 1024 }, { name: 'b', sizeBytes: 1024 }])
  t.equal(await sendOpaque(transfer, 1, bytes(1024), connection).settled, 'stored 0')
  t.equal(await sendOpaque(transfer, 1, bytes(1024), connection).settled, 'stored 0')
  t.strictSame(states(transfer)[1], { state: 'receiving', missing: [[0, 1]] })
})

t.test('after an Error for an opaque chunk new ones are refused until it comes again', async t => {
  const { transfer, connection } = await setUp([{ name: 'a', sizeBytes: 3000 }])
  t.equal(await sendOpaque(transfer, 1, bytes(1000, 1), connection).settled, 'ok')
  t.equal(await sendOpaque(transfer, 2, bytes(999, 2), connection).settled, 'chunk-length')
  t.equal(await sendOpaque(transfer, 3, bytes(1000, 3), connection).settled, 'chunk-unknown')
  t.equal(await sendOpaque(transfer, 1, bytes(1000, 1), connection).settled, 'ok', 'a known one is answered all the same')
  t.equal(await sendOpaque(transfer, 2, bytes(1000, 2), connection).settled, 'ok')
  t.equal(await sendOpaque(transfer, 3, bytes(1000, 3), connection).settled, 'stored 0')
})

t.test('every opaque chunk that got an Error comes again before a new one, in their order', async t => {
  const { transfer, connection, control } = await setUp([{ name: 'a', sizeBytes: 4000 }])
  control.fail = new Refusal('storage-full', 'full')
  const failed = [1, 2].map(uuid => sendOpaque(transfer, uuid, bytes(1000, uuid), connection))
  t.strictSame(await Promise.all(failed.map(({ settled }) => settled)), ['storage-full', 'storage-full'])
  control.fail = undefined
  t.equal(await sendOpaque(transfer, 2, bytes(1000, 2), connection).settled, 'chunk-unknown', 'the second before the first')
  t.equal(await sendOpaque(transfer, 3, bytes(1000, 3), connection).settled, 'chunk-unknown')
  control.fail = new Refusal('storage-full', 'full')
  t.equal(await sendOpaque(transfer, 1, bytes(1000, 1), connection).settled, 'storage-full')
  control.fail = undefined
  t.equal(await sendOpaque(transfer, 2, bytes(1000, 2), connection).settled, 'chunk-unknown', 'still before the first')
  t.equal(await sendOpaque(transfer, 1, bytes(1000, 1), connection).settled, 'ok')
  t.equal(await sendOpaque(transfer, 4, bytes(1000, 4), connection).settled, 'chunk-unknown', 'the second is still to come')
  for (const uuid of [2, 3]) t.equal(await sendOpaque(transfer, uuid, bytes(1000, uuid), connection).settled, 'ok')
  const last = sendOpaque(transfer, 4, bytes(1000, 4), connection)
  t.equal(await last.settled, 'stored 0')
  t.equal(last.stored?.digest, sha(Buffer.concat([1, 2, 3, 4].map(fill => bytes(1000, fill)))))
})

t.test('an authentication forgets what was refused before', async t => {
  const { transfer, connection } = await setUp([{ name: 'a', sizeBytes: 2000 }])
  t.equal(await sendOpaque(transfer, 1, bytes(3000), connection).settled, 'chunk-length')
  t.equal(await sendOpaque(transfer, 2, bytes(1000), connection).settled, 'chunk-unknown')
  transfer.fillBy(connection)
  t.equal(await sendOpaque(transfer, 2, bytes(1000), connection).settled, 'ok')
})

t.test('after a digest mismatch no new UUID gets a place before the paired ones came again', async t => {
  const content = bytes(2000, 5)
  const { transfer, connection } = await setUp([{ name: 'a', sizeBytes: 2000, digest: sha(content) }, { name: 'b', sizeBytes: 1000 }])
  t.equal(await sendOpaque(transfer, 1, bytes(1000, 6), connection).settled, 'ok')
  t.equal(await sendOpaque(transfer, 2, bytes(1000, 5), connection).settled, 'digest-mismatch')
  t.equal(await sendOpaque(transfer, 2, bytes(1000, 5), connection).settled, 'ok')
  t.equal(await sendOpaque(transfer, 3, bytes(1000, 7), connection).settled, 'chunk-unknown')
  t.equal(await sendOpaque(transfer, 1, bytes(1000, 5), connection).settled, 'stored 0')
  t.equal(await sendOpaque(transfer, 3, bytes(1000, 7), connection).settled, 'stored 1')
})

t.test('only the connection that fills gives bytes anew to a place that a digest mismatch freed', async t => {
  const content = bytes(2000, 5)
  const { transfer, connection } = await setUp([{ name: 'a', sizeBytes: 2000, digest: sha(content) }])
  t.equal(await sendOpaque(transfer, 1, bytes(1000, 6), connection).settled, 'ok')
  t.equal(await sendOpaque(transfer, 2, bytes(1000, 6), connection).settled, 'digest-mismatch')
  const newer = {}
  transfer.fillBy(newer)
  t.equal(await sendOpaque(transfer, 1, bytes(1000, 6), connection).settled, 'chunk-unknown')
  t.equal(await sendOpaque(transfer, 8, bytes(1000, 5), newer).settled, 'ok')
  t.equal(await sendOpaque(transfer, 9, bytes(1000, 5), newer).settled, 'stored 0')
})

t.test('a file that is removed unfinished ends the filling of its transfer with new UUIDs; a stored one does not', async t => {
  const { transfer, registry, connection } = await setUp([{ name: 'a', sizeBytes: 1000 }, { name: 'b', sizeBytes: 2000 }, { name: 'c', sizeBytes: 1000 }])
  t.equal(await sendOpaque(transfer, 1, bytes(1000, 1), connection).settled, 'stored 0')
  await registry.remove(transfer, 0)
  t.equal(await sendOpaque(transfer, 2, bytes(1000, 2), connection).settled, 'ok')
  await registry.remove(transfer, 1)
  t.equal(await sendOpaque(transfer, 3, bytes(1000, 3), connection).settled, 'chunk-unknown')
  t.strictSame(states(transfer)[2], { state: 'receiving', missing: [[0, 1]] })
})

t.test('a digest that is being told counts for a finish that begins before it is written down', async t => {
  const inner = openMemoryStore()
  let open: () => void = () => undefined
  const gate = new Promise<void>(resolve => (open = resolve))
  const slow: Store = {
    ...inner,
    catalog: new Proxy(inner.catalog, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name)
        if (name === 'amend') return (...args: Parameters<typeof target.amend>) => gate.then(() => target.amend(...args))
        return typeof value === 'function' ? value.bind(target) : value
      },
    }),
  }
  const { transfer } = await setUp([{ name: 'a', sizeBytes: 1500 }], {}, gatedStore(slow))
  t.equal(await send(transfer, 0, 0, bytes(1024)).settled, 'ok')
  const told = transfer.amend(authentication([{ name: 'a', sizeBytes: 1500, digest: sha(bytes(1500, 8)) }]))
  await new Promise(resolve => setImmediate(resolve))
  const last = send(transfer, 0, 1, bytes(476))
  t.equal(await last.settled, 'digest-mismatch')
  open()
  await told
})

t.test('opaque chunks behind a failed cycle fail with it: places become durable in order', async t => {
  const { transfer, connection, control } = await setUp([{ name: 'a', sizeBytes: 2000 }, { name: 'b', sizeBytes: 1000 }])
  const open = control.hold()
  control.fail = new Refusal('storage-full', 'full')
  const first = sendOpaque(transfer, 1, bytes(1000, 1), connection)
  await new Promise(resolve => setTimeout(resolve, 20))
  const second = sendOpaque(transfer, 2, bytes(1000, 2), connection)
  const third = sendOpaque(transfer, 3, bytes(1000, 3), connection)
  open()
  t.strictSame(await Promise.all([first.settled, second.settled, third.settled]), ['storage-full', 'chunk-unknown', 'chunk-unknown'])
  control.fail = undefined
  t.equal(await sendOpaque(transfer, 2, bytes(1000, 2), connection).settled, 'chunk-unknown', 'the first has to come first')
  const again = [1, 2, 3].map(uuid => sendOpaque(transfer, uuid, bytes(1000, uuid), connection))
  t.strictSame(await Promise.all(again.map(({ settled }) => settled)), ['ok', 'stored 0', 'stored 1'])
  t.equal(again[1]?.stored?.digest, sha(Buffer.concat([bytes(1000, 1), bytes(1000, 2)])))
})

t.test('one connection at a time fills with opaque chunks, the last that authenticated', async t => {
  const { transfer, connection } = await setUp([{ name: 'a', sizeBytes: 3000 }])
  t.equal(await sendOpaque(transfer, 1, bytes(1000), connection).settled, 'ok')
  const newer = {}
  transfer.fillBy(newer)
  t.equal(await sendOpaque(transfer, 2, bytes(1000), connection).settled, 'chunk-unknown')
  t.equal(await sendOpaque(transfer, 1, bytes(1000), connection).settled, 'ok', 'what is paired is known to everybody')
  t.equal(await sendOpaque(transfer, 3, bytes(1000), newer).settled, 'ok')
})

t.test('pairs are known after the transfer was loaded again', async t => {
  const given = gatedStore()
  const { transfer, connection } = await setUp([{ name: 'a', sizeBytes: 2000 }, { name: 'b', sizeBytes: 1000 }], {}, given)
  for (const uuid of [1, 2]) await sendOpaque(transfer, uuid, bytes(1000, uuid), connection).settled
  const again = await registryOf(given.store).open({}, 'ada', FID)
  again?.transfer.fillBy(connection)
  const loaded = again?.transfer as LiveTransfer
  const outcomes = [2, 1, 3].map(uuid => sendOpaque(loaded, uuid, bytes(1000, uuid), connection))
  t.strictSame(await Promise.all(outcomes.map(({ settled }) => settled)), ['stored 0', 'stored 0', 'stored 1'])
})

t.test('a chunk\'s bytes may be overwritten as soon as it was handed over, also while its UUID is looked up', async t => {
  const given = gatedStore()
  const opaqueFile = { name: 'a', sizeBytes: 40_000 }
  const { transfer, connection } = await setUp([opaqueFile, { name: 'b', sizeBytes: 200_000 }], { chunkSizeBytes: 100_000 }, given)
  await sendOpaque(transfer, 1, bytes(20_000, 1), connection).settled
  const again = await registryOf(given.store).open({}, 'ada', FID)
  const loaded = again?.transfer as LiveTransfer
  loaded.fillBy(connection)
  const lent = [bytes(20_000, 2), bytes(100_000, 3), bytes(100_000, 4)] as const
  const outcomes = [sendOpaque(loaded, 2, lent[0], connection), send(loaded, 1, 1, lent[1]), send(loaded, 1, 0, lent[2])]
  for (const data of lent) data.fill(0)
  t.strictSame((await Promise.all(outcomes.map(({ settled }) => settled))).sort(), ['ok', 'stored 0', 'stored 1'])
  const stored = [Buffer.concat([bytes(20_000, 1), bytes(20_000, 2)]), Buffer.concat([bytes(100_000, 4), bytes(100_000, 3)])]
  t.strictSame(loaded.report(10, undefined).files.map(({ digest }) => digest), stored.map(sha))
})

t.test('small groups are held with their mark, and go to the blob before the file is stored', async t => {
  const { transfer, control } = await setUp([{ name: 'a', sizeBytes: 40 * 1024 }])
  const parts: Uint8Array[] = []
  let last: Outcome | undefined
  for (let chunk = 0; chunk < 40; chunk++) {
    parts.push(bytes(1024, chunk))
    last = send(transfer, 0, chunk, bytes(1024, chunk))
    await last.settled
  }
  t.equal(last?.stored?.digest, sha(Buffer.concat(parts)))
  const marks = control.marks.flat()
  t.ok(marks.some(({ held }) => held.length > 0))
  t.ok(marks.some(({ releaseHeld }) => releaseHeld))
})

t.test('held bytes move to the blob beside the answers; what came meanwhile is held on', async t => {
  const inner = openMemoryStore()
  let synced: () => void = () => undefined
  const isSynced = new Promise<void>(resolve => (synced = resolve))
  let syncs = 0
  let writes = 0
  const contents = new Proxy(inner.contents, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (name === 'write') writes++
      if (name !== 'sync') return typeof value === 'function' ? value.bind(target) : value
      return async (blobs: readonly number[]) => {
        syncs++
        await isSynced
        await target.sync(blobs)
      }
    },
  })
  const content = Buffer.concat(Array.from({ length: 272 }, (_, i) => bytes(1024, i)))
  const piece = (chunk: number) => content.subarray(chunk * 1024, (chunk + 1) * 1024)
  const given = gatedStore({ ...inner, contents })
  const { transfer, control } = await setUp([{ name: 'a', sizeBytes: content.length, digest: sha(content) }], {}, given)
  for (let chunk = 0; chunk < 262; chunk++) t.equal(await send(transfer, 0, chunk, piece(chunk)).settled, 'ok', 'although the blob is not synced')
  t.equal(syncs, 1)
  t.equal(writes, 1, 'what came in order is one write')
  t.notOk(control.marks.flat().some(({ releaseHeld }) => releaseHeld))
  synced()
  await transfer.settled()
  await send(transfer, 0, 262, piece(262)).settled
  const release = control.marks.flat().at(-1)
  t.equal(release?.releaseHeld, true)
  t.strictSame(release?.held.map(({ offsetBytes }) => offsetBytes / 1024), [256, 257, 258, 259, 260, 261, 262])
  const again = await registryOf(given.store).open({}, 'ada', FID)
  const rest = Array.from({ length: 9 }, (_, i) => send(again?.transfer as LiveTransfer, 0, 263 + i, piece(263 + i)))
  t.match(await Promise.all(rest.map(({ settled }) => settled)), [...Array(8).fill('ok'), 'stored 0'])
})

t.test('held bytes are there after the transfer was loaded again', async t => {
  const given = gatedStore()
  const { transfer } = await setUp([{ name: 'a', sizeBytes: 3000 }], {}, given)
  t.equal(await send(transfer, 0, 1, bytes(1024, 1)).settled, 'ok')
  const again = await registryOf(given.store).open({}, 'ada', FID)
  const loaded = again?.transfer as LiveTransfer
  send(loaded, 0, 0, bytes(1024, 0))
  const last = send(loaded, 0, 2, bytes(952, 2))
  t.equal(await last.settled, 'stored 0')
  t.equal(last.stored?.digest, sha(Buffer.concat([bytes(1024, 0), bytes(1024, 1), bytes(952, 2)])))
})

t.test('a size told late: whole chunks before, gaps below the highest, conflict below what came', async t => {
  const { transfer } = await setUp([{ name: 'a', sizeBytes: null }])
  t.equal(await send(transfer, 0, 0, bytes(500)).settled, 'chunk-length')
  t.equal(await send(transfer, 0, 2, bytes(1024, 2)).settled, 'ok')
  t.strictSame(states(transfer), [{ state: 'receiving', missing: [[0, 2]] }])
  await t.rejects(transfer.amend(authentication([{ name: 'a', sizeBytes: 3071 }])), { code: 'conflict' })
  await transfer.amend(authentication([{ name: 'a', sizeBytes: 3082 }]))
  await t.rejects(transfer.amend(authentication([{ name: 'a', sizeBytes: 3083 }])), { code: 'conflict' })
  t.strictSame(states(transfer), [{ state: 'receiving', missing: [[0, 2], [3, 1]] }])
  for (const chunk of [0, 1]) send(transfer, 0, chunk, bytes(1024, chunk))
  const last = send(transfer, 0, 3, bytes(10, 3))
  t.equal(await last.settled, 'stored 0')
  t.equal(last.stored?.digest, sha(Buffer.concat([bytes(1024, 0), bytes(1024, 1), bytes(1024, 2), bytes(10, 3)])))
})

t.test('a size told late can complete the file, held bytes included', async t => {
  const { transfer } = await setUp([{ name: 'a', sizeBytes: null }])
  t.equal(await send(transfer, 0, 0, bytes(1024)).settled, 'ok')
  await transfer.amend(authentication([{ name: 'a', sizeBytes: 1024 }]))
  await transfer.drained()
  t.strictSame(states(transfer), [{ state: 'stored', missing: [] }])
})

t.test('a digest told late is agreed before the file is stored', async t => {
  const { transfer } = await setUp([{ name: 'a', sizeBytes: 1500 }])
  t.equal(await send(transfer, 0, 0, bytes(1024)).settled, 'ok')
  await transfer.amend(authentication([{ name: 'a', sizeBytes: 1500, digest: sha(bytes(1500, 8)) }]))
  await t.rejects(transfer.amend(authentication([{ name: 'a', sizeBytes: 1500, digest: EMPTY_DIGEST }])), { code: 'conflict' })
  t.equal(await send(transfer, 0, 1, bytes(476)).settled, 'digest-mismatch')
})

t.test('other names, sizes or order are a conflict and change nothing', async t => {
  const { transfer } = await setUp([{ name: 'a', sizeBytes: 1 }, { name: 'b', sizeBytes: 1 }])
  const wrong: FileAnnouncement[][] = [
    [{ name: 'b', sizeBytes: 1 }, { name: 'a', sizeBytes: 1 }],
    [{ name: 'a', sizeBytes: 2 }, { name: 'b', sizeBytes: 1 }],
    [{ name: 'a', sizeBytes: 1 }],
  ]
  for (const files of wrong) await t.rejects(transfer.amend(authentication(files, { tags: ['x'] })), { code: 'conflict' })
  await transfer.amend(authentication([]))
})

t.test('a file of 0 bytes is stored at once', async t => {
  const { transfer } = await setUp([{ name: 'a', sizeBytes: 0 }, { name: 'b', sizeBytes: 1 }])
  t.strictSame(transfer.report(10, undefined).files, [
    { state: 'stored', missing: [], digest: EMPTY_DIGEST },
    { state: 'receiving', missing: [[0, 1]] },
  ])
  await t.rejects(setUp([{ name: 'a', sizeBytes: 0, digest: sha(bytes(1)) }]), { code: 'digest-mismatch' })
})

t.test('removal answers what is pending with chunk-unknown, and the fid is gone', async t => {
  const { transfer, registry, control } = await setUp([{ name: 'a', sizeBytes: 4096 }])
  t.equal(await send(transfer, 0, 0, bytes(1024)).settled, 'ok')
  const open = control.hold()
  const inCycle = send(transfer, 0, 1, bytes(1024))
  await new Promise(resolve => setTimeout(resolve, 20))
  const gathered = send(transfer, 0, 2, bytes(1024))
  const removed = registry.remove(transfer, undefined)
  await new Promise(resolve => setTimeout(resolve, 5))
  const late = send(transfer, 0, 3, bytes(1024))
  open()
  t.equal(await removed, 1)
  t.strictSame(await Promise.all([inCycle, gathered, late].map(({ settled }) => settled)), ['chunk-unknown', 'chunk-unknown', 'chunk-unknown'])
  await t.rejects(registry.open({}, 'ada', FID), { code: 'conflict', details: { state: 'gone' } })
})

t.test('one removed file leaves the others their numbers', async t => {
  const { transfer, registry } = await setUp([{ name: 'a', sizeBytes: 1 }, { name: 'b', sizeBytes: 1 }])
  t.equal(await registry.remove(transfer, 0), 1)
  t.equal(await send(transfer, 0, 0, bytes(1)).settled, 'chunk-unknown')
  t.equal(await send(transfer, 1, 0, bytes(1)).settled, 'stored 1')
  t.strictSame(states(transfer).map(({ state }) => state), ['removed', 'stored'])
  await t.rejects(registry.remove(transfer, 0), { code: 'not-found' })
})

t.test('tags that were added and removed count for the next announcement', async t => {
  const files = [{ name: 'a', sizeBytes: 1, tags: ['x', 'y'] }, { name: 'b', sizeBytes: 1, tags: ['y'] }]
  const { transfer, registry } = await setUp(files)
  t.strictSame(await transfer.tag(undefined, [], []), ['y'])
  t.strictSame(await transfer.tag(0, ['z', 'y'], ['x', 'absent']), ['y', 'z'])
  t.strictSame(await transfer.tag(undefined, ['both'], ['both']), ['y'], 'what is added and removed is removed')
  await transfer.amend(authentication(files))
  t.strictSame(await transfer.tag(0, [], []), ['y', 'z', 'x'], 'an announcement adds its tags again')
  const many = Array.from({ length: 64 }, (_, i) => `${i}`)
  t.strictSame(await transfer.tag(1, many, ['y']), many, 'the limit holds for what is left')
  await t.rejects(transfer.tag(undefined, ['y'], []), { code: 'tag-invalid', details: { field: 'add', limit: 64 } })
  t.strictSame(await transfer.tag(0, [], []), ['y', 'z', 'x'], 'one that is refused changes no file')
  await registry.remove(transfer, 1)
  await t.rejects(transfer.tag(1, [], []), { code: 'not-found' })
  await t.rejects(transfer.tag(2, ['a'], []), { code: 'not-found' })
  t.strictSame(await transfer.tag(undefined, [], ['x']), ['y', 'z'], 'a removed file does not count')
  await registry.remove(transfer, 0)
  await t.rejects(transfer.tag(undefined, ['a'], []), { code: 'not-found' })
})

t.test('a made fid is dropped when its connection goes before the first chunk', async t => {
  const { transfer, registry, connection } = await setUp([{ name: 'a', sizeBytes: 1 }])
  t.equal(transfer.isMade, false)
  await registry.leave(transfer, connection)
  t.ok(await registry.open({}, 'ada', FID), 'a fid of the client stays')
  const made = registryOf(openMemoryStore())
  const message = authentication([{ name: 'a', sizeBytes: 2000 }])
  const opened = await made.open(connection, 'ada', FID, () => ({ ...newTransfer(message, 'ada', FID, 2 ** 40, 1), madeByDaemon: true }))
  await made.leave(opened?.transfer as LiveTransfer, connection)
  t.equal(await made.open({}, 'ada', FID), undefined)
})

t.test('a report is cut at the limit and goes on strictly after `more`', async t => {
  const { transfer } = await setUp([{ name: 'a', sizeBytes: 10 * 1024 }, { name: 'b', sizeBytes: 3 * 1024 }])
  await Promise.all([1, 3, 5, 7].map(chunk => send(transfer, 0, chunk, bytes(1024)).settled))
  await send(transfer, 1, 1, bytes(1024)).settled
  const whole = transfer.report(100, undefined)
  t.strictSame(whole.files.map(({ missing }) => missing), [[[0, 1], [2, 1], [4, 1], [6, 1], [8, 2]], [[0, 1], [2, 1]]])
  t.equal(whole.more, undefined)
  const found: (readonly [number, number])[][] = [[], []]
  let after: readonly [number, number] | undefined
  for (let i = 0; i < 20; i++) {
    const part = transfer.report(2, after)
    for (const [file, { missing }] of part.files.entries()) found[file]?.push(...missing)
    after = part.more
    if (after === undefined) break
  }
  t.strictSame(found, whole.files.map(({ missing }) => missing))
})

t.test('a file whose every chunk was marked when the daemon died is finished when it is opened again', async t => {
  const inner = openMemoryStore()
  const broken: Store = {
    ...inner,
    catalog: new Proxy(inner.catalog, {
      get(target, name) {
        if (name === 'store') return async () => Promise.reject(new Refusal('storage-full', 'full'))
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    }),
  }
  const { transfer } = await setUp([{ name: 'a', sizeBytes: MIB }], { chunkSizeBytes: 65_536 }, gatedStore(broken))
  const outcomes = Array.from({ length: 16 }, (_, chunk) => send(transfer, 0, chunk, bytes(65_536, chunk)))
  const values = await Promise.all(outcomes.map(({ settled }) => settled))
  t.strictSame(values, [...Array(15).fill('ok'), 'storage-full'])
  t.strictSame(states(transfer), [{ state: 'finishing', missing: [] }])
  t.equal(await send(transfer, 0, 3, bytes(65_536)).settled, 'storage-full', 'no Ok while it is not stored')
  const again = await registryOf(inner).open({}, 'ada', FID)
  await again?.transfer.drained()
  t.strictSame(states(again?.transfer as LiveTransfer), [{ state: 'stored', missing: [] }])
})

t.test('a file of 2^31 chunks is finished like any other, as far as its chunks are concerned', async t => {
  const chunks = 2 ** 31
  const inner = openMemoryStore()
  const digests: number[] = []
  const store: Store = {
    ...inner,
    contents: new Proxy(inner.contents, {
      get(target, name) {
        if (name === 'write' || name === 'sync') return async () => undefined
        if (name === 'digest') {
          return async (_blob: number, sizeBytes: number) => {
            digests.push(sizeBytes)
            return sha(bytes(1))
          }
        }
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    }),
  }
  const { transfer } = await setUp([{ name: 'a', sizeBytes: chunks }], { chunkSizeBytes: 1 }, gatedStore(store))
  transfer.uploads[0]?.marking.addRun(0, chunks - 1)
  transfer.uploads[0]?.marked.addRun(0, chunks - 1)
  t.equal(await send(transfer, 0, chunks - 1, bytes(1)).settled, 'stored 0')
  t.strictSame(digests, [chunks])
})
