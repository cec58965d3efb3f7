/**
 * What happens when a block of a stored content turns out not to be what was stored: the whole content is read once, and every block that
 * is damaged is written down, so that a FETCH is refused from its start and a repair asks for all of them.
 */
import { asTallyError } from '../../protocol/errors.ts'
import type { Run } from '../../protocol/messages.ts'
import { blockCount, SUMS_PER_PAGE } from '../storage/blocks.ts'
import type { FileId, Store, StoredContent } from '../storage/storage.ts'

export interface DamageLog {
  /** Once for each content that is found damaged; names and tags are the user's and are not told. */
  found(content: StoredContent, runs: readonly Run[]): void
  failed(content: StoredContent, cause: unknown): void
}

export class Damage {
  readonly #store: Store
  readonly #log: DamageLog
  readonly #checking = new Set<FileId>()

  constructor(store: Store, log: DamageLog) {
    this.#store = store
    this.#log = log
  }

  /** Checks the content in the background, unless that is under way. */
  suspect(user: string, content: StoredContent): void {
    if (this.#checking.has(content.blob)) return
    this.#checking.add(content.blob)
    void this.#check(user, content)
      .catch(cause => this.#log.failed(content, asTallyError(cause)))
      .finally(() => this.#checking.delete(content.blob))
  }

  async #check(user: string, content: StoredContent): Promise<void> {
    const { catalog, contents } = this.#store
    const { fid, file, blob, sizeBytes, digest } = content
    const pages = [content.sums]
    while (pages.length * SUMS_PER_PAGE < blockCount(sizeBytes)) pages.push(await catalog.sums(blob, pages.length))
    const runs = await contents.check(blob, sizeBytes, digest, Buffer.concat(pages))
    if (runs.length === 0) return
    await catalog.damaged(blob, runs)
    // One that was removed meanwhile had no bytes to read: that is no damage.
    if ((await catalog.content(user, { fid, file }))?.blob === blob) this.#log.found(content, runs)
  }
}
