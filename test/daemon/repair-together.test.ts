/** Two files of one damaged content are repaired at once: the end of either repair is the end of both, and neither chunk is refused. */
import t, { type Test } from 'tap'
import { MESSAGE_TYPE } from '../../protocol/messages.ts'
import { openLocalStore } from '../../daemon/storage/local/index.ts'
import type { Catalog, FileId, Repair, Store } from '../../daemon/storage/storage.ts'
import { newTransfer } from '../../daemon/transfers/announcement.ts'
import type { LiveTransfer } from '../../daemon/transfers/live-transfer.ts'
import { Registry } from '../../daemon/transfers/registry.ts'
import { contentOf } from '../support/random.ts'
import { fidOf, sha256 } from '../storage/samples.ts'
import { freshDirectory } from '../storage/support.ts'

const BYTES = contentOf(1, 3000)
const CHUNK_BYTES = 1024
const DIGEST = sha256(BYTES)

/** A store in which this runs between what a finishing repair asks the catalog for, and its use. */
async function setUp(t: Test) {
  const inner = await openLocalStore({ path: freshDirectory(t), durability: 'process' })
  t.teardown(() => inner.close())
  const control = { afterAsked: async (_file: FileId, _repair: Repair | undefined): Promise<void> => undefined }
  const catalog = new Proxy(inner.catalog, {
    get(target, name: keyof Catalog) {
      if (name !== 'repair') return target[name].bind(target)
      return async (file: FileId): Promise<Repair | undefined> => {
        const repair = await target.repair(file)
        await control.afterAsked(file, repair)
        return repair
      }
    },
  })
  const store: Store = { catalog, contents: inner.contents, durability: inner.durability, close: () => inner.close() }
  const registry = new Registry({
    store, nowMs: Date.now, fileBytesMax: 2 ** 40, onArrival: () => undefined, onCommit: () => undefined, onStored: () => undefined,
    onCommitFailure: () => undefined,
  })
  const announce = async (number: number): Promise<LiveTransfer> => {
    const fid = fidOf(number)
    const message = { type: MESSAGE_TYPE.AUTHENTICATION, messageId: fid, token: '', files: [{ name: 'a', sizeBytes: BYTES.length }], tags: [], fid } as const
    const { transfer, isNew } = await registry.open({}, 'ada', fid, () => newTransfer(message, 'ada', fid, 2 ** 40, Date.now())) as { transfer: LiveTransfer; isNew: boolean }
    if (!isNew) await transfer.amend(message, transfer.quota)
    return transfer
  }
  return { inner, control, announce }
}

/** All chunks; what the last one was answered. */
async function sendAll(transfer: LiveTransfer): Promise<string> {
  const answers = Array.from({ length: Math.ceil(BYTES.length / CHUNK_BYTES) }, (_, chunk) => new Promise<string>(resolve => {
    transfer.receiveNumbered(0, chunk, BYTES.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES), {
      acknowledged: (_file, _chunk, stored) => resolve(stored === undefined ? 'ok' : stored.digest),
      refused: ({ code }) => resolve(code),
    })
  }))
  return (await Promise.all(answers)).at(-1) as string
}

for (const isUnlinked of [false, true]) {
  t.test(`one ends while the other is about to be read${isUnlinked ? ', whose blob is reclaimed' : ''}`, async t => {
    const { inner, control, announce } = await setUp(t)
    t.equal(await sendAll(await announce(1)), DIGEST)
    t.equal(await sendAll(await announce(2)), DIGEST)
    const content = await inner.catalog.content('ada', { digest: DIGEST })
    const blob = content?.blob as FileId
    await inner.contents.write(blob, 5, [Buffer.from('spoiled')])
    await inner.catalog.damaged(blob, [[0, 1]])
    const [first, second] = [await announce(1), await announce(2)]
    t.same([first, second].map(transfer => transfer.report(9, undefined).files[0]?.state), ['receiving', 'receiving'])
    let ended: string | undefined
    control.afterAsked = async (file, repair) => {
      if (file !== second.uploads[0]?.id || ended !== undefined) return
      ended = 'not yet'
      ended = await sendAll(first)
      t.not(repair, undefined)
      const garbage = await inner.catalog.garbage(9)
      t.ok(garbage.includes(repair?.blob as FileId))
      if (isUnlinked) for (const one of garbage) await inner.contents.remove(one)
    }
    t.equal(await sendAll(second), DIGEST)
    t.equal(ended, DIGEST)
    t.same((await inner.catalog.content('ada', { digest: DIGEST }))?.damaged, [])
    t.same(await inner.contents.check(blob, BYTES.length, DIGEST, new Uint8Array(0)), [])
    t.same([first, second].map(transfer => transfer.report(9, undefined).files[0]?.state), ['stored', 'stored'])
  })
}
