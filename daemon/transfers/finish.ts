/**
 * Finishing: from every chunk marked to stored. It computes the digest from what the store gives back, compares it with the announced
 * one, and makes the file visible in one transaction. A crash anywhere in between leaves a file with every chunk marked, and it is
 * finished again.
 */
import { TallyError, asTallyError } from '../../protocol/errors.ts'
import type { ContentDigest, Store } from '../storage/storage.ts'
import type { Upload } from './upload.ts'

/** SHA-256 of nothing: a file of 0 bytes has no blob. */
export const EMPTY_DIGEST = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

/**
 * Finishes a complete upload, which is not finishing already. The answers that wait are given by the upload:
 * `stored`, or `digest-mismatch` (no chunk is marked any more), or the code of a failure (every chunk still is).
 */
export async function finish(upload: Upload, store: Store, nowMs: () => number): Promise<void> {
  upload.isFinishing = true
  try {
    const digest = upload.repair === null ? await storeWhole(upload, store, nowMs) : await repairWhole(upload, store)
    await store.contents.release(upload.blob)
    upload.isFinishing = false
    upload.stored(digest)
  } catch (cause) {
    upload.isFinishing = false
    upload.finishFailed(asTallyError(cause))
  }
}

async function storeWhole(upload: Upload, store: Store, nowMs: () => number): Promise<string> {
  const { digest, sums } = await computeDigest(upload, store).catch(async (cause: unknown) => {
    // The blob is absent or short, and stays so unless its chunks come again.
    if (asTallyError(cause).code === 'content-damaged') await refuse(upload, store, upload.digest, undefined)
    throw cause
  })
  if (upload.digest !== null && upload.digest !== digest) await refuse(upload, store, upload.digest, digest)
  await store.catalog.store(upload.id, digest, upload.sizeBytes as number, nowMs(), sums)
  return digest
}

/**
 * A file whose only chunk is in the blob, synced and not marked: its digest is computed, and if it agrees the file is stored, which needs
 * no mark. Answers the digest; undefined where it does not agree, and nothing has changed.
 */
export async function storeUnmarked(upload: Upload, store: Store, nowMs: () => number): Promise<string | undefined> {
  // From here on its digest can no longer be told.
  upload.isFinishing = true
  try {
    const { digest, sums } = await computeDigest(upload, store)
    if (upload.digest !== null && upload.digest !== digest) return undefined
    await store.catalog.store(upload.id, digest, upload.sizeBytes as number, nowMs(), sums)
    return digest
  } finally {
    upload.isFinishing = false
  }
}

/** The chunks of the damaged blocks are here: they go into the content, if it then has its digest. */
async function repairWhole(upload: Upload, store: Store): Promise<string> {
  await releaseHeld(upload, store)
  const repair = await store.catalog.repair(upload.id)
  if (repair !== undefined) {
    const digest = await store.contents.repair(repair)
    if (digest === repair.digest) await store.catalog.endRepair(upload.id, repair.blob)
    // The end of another file's repair of this content takes along what came for this one, also while it is read.
    else if ((await store.catalog.repair(upload.id))?.blob === repair.blob) await refuse(upload, store, repair.digest, digest)
  }
  // Without a repair: whole content came another way meanwhile.
  return upload.digest as string
}

/** Throws `digest-mismatch`; no chunk is marked any more. */
async function refuse(upload: Upload, store: Store, expected: string | null, actual: string | undefined): Promise<never> {
  await store.catalog.reset(upload.id)
  store.contents.restart(upload.blob)
  const reason = 'what is here is not the whole file as it was announced: all of its chunks are missing again'
  throw new TallyError('digest-mismatch', reason, {
    ...(expected === null ? {} : { expected }), ...(actual === undefined ? {} : { actual }),
  })
}

/**
 * A size told late, or the last chunk of a repair, can complete a file whose newest bytes are still held; `store` or `reset` drops them
 * there.
 */
async function releaseHeld(upload: Upload, { contents }: Store): Promise<void> {
  await upload.held.moving
  if (upload.held.list.length === 0) return
  for (const { offsetBytes, pieces } of upload.held.runs) await contents.write(upload.blob, offsetBytes, pieces)
  await contents.sync([upload.blob])
}

async function computeDigest(upload: Upload, store: Store): Promise<ContentDigest> {
  if (upload.sizeBytes === 0) return { digest: EMPTY_DIGEST, sums: new Uint8Array(0) }
  await releaseHeld(upload, store)
  return store.contents.digest(upload.id, upload.sizeBytes as number)
}
