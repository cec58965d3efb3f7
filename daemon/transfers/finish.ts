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
    const { digest, sums } = await computeDigest(upload, store)
    const announced = upload.digest
    if (announced !== null && announced !== digest) {
      await store.catalog.reset(upload.id)
      store.contents.restart(upload.id)
      const reason = 'the file differs from its announced digest: all of its chunks are missing again'
      throw new TallyError('digest-mismatch', reason, { expected: announced, actual: digest })
    }
    await store.catalog.store(upload.id, digest, upload.sizeBytes as number, nowMs(), sums)
    await store.contents.release(upload.id)
    upload.isFinishing = false
    upload.stored(digest)
  } catch (cause) {
    upload.isFinishing = false
    upload.finishFailed(asTallyError(cause))
  }
}

async function computeDigest(upload: Upload, { contents }: Store): Promise<ContentDigest> {
  if (upload.sizeBytes === 0) return { digest: EMPTY_DIGEST, sums: new Uint8Array(0) }
  if (upload.held.length > 0) {
    // A size told late can complete a file whose newest bytes are still held; `store` or `reset` drops them there.
    for (const { offsetBytes, bytes } of upload.held) await contents.write(upload.id, offsetBytes, [bytes])
    await contents.sync([upload.id])
  }
  return contents.digest(upload.id, upload.sizeBytes as number)
}
