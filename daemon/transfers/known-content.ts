/**
 * Looks at content that is announced by a digest which its user has stored, before "stored" is promised for it: that it is there, in its
 * length, and not damaged. What is small is read whole, the rest is read in the background. Whether a file is stored at once
 * is then the catalog's to say, which never takes content that is known to be damaged.
 */
import { TallyError } from '../../protocol/errors.ts'
import { BLOCK_BYTES } from '../storage/blocks.ts'
import type { ContentReader, FileId, NewFile, Store, StoredContent } from '../storage/storage.ts'
import type { Damage } from './damage.ts'
import { openVerified } from './verified.ts'

/** A content up to this is read whole before the answer; of what one message announces so much in all. */
const WHOLE_BYTES_MAX = 1_048_576
const MESSAGE_BYTES_MAX = 16_777_216
/** Whoever announces a large content again and again makes nobody read it again and again. */
const READ_EVERY_MS = 86_400_000
const READ_REMEMBERED = 10_000
/** What a read fails with where the bytes are not to be had, for now or for ever. */
const DAMAGE: ReadonlySet<string> = new Set(['content-damaged', 'storage-failed'])

export class KnownContent {
  readonly #store: Store
  readonly #damage: Damage
  readonly #nowMs: () => number
  /** When a content was read in the background last. */
  readonly #readMs = new Map<FileId, number>()

  constructor(store: Store, damage: Damage, nowMs: () => number) {
    this.#store = store
    this.#damage = damage
    this.#nowMs = nowMs
  }

  /**
   * On return damage that was met is noted in the catalog, durably; what the disk does not give counts as damaged. Throws `busy`, and what
   * the catalog throws.
   */
  async look(user: string, files: readonly Pick<NewFile, 'digest' | 'sizeBytes'>[]): Promise<void> {
    const digests = new Set(files.flatMap(({ digest, sizeBytes }) => (digest === null || sizeBytes === 0 || sizeBytes === null ? [] : [digest])))
    let leftBytes = MESSAGE_BYTES_MAX
    for (const digest of digests) {
      const content = await this.#store.catalog.content(user, { digest })
      if (content === undefined || content.damaged.length > 0) continue
      const isWhole = content.sizeBytes <= Math.min(WHOLE_BYTES_MAX, leftBytes)
      if (isWhole) leftBytes -= content.sizeBytes
      await this.#lookAt(user, content, isWhole)
    }
  }

  /** Whole, or only the last block, without which the rest is short. */
  async #lookAt(user: string, content: StoredContent, isWhole: boolean): Promise<void> {
    const { blob, sizeBytes } = content
    let reader: ContentReader | undefined
    let at = isWhole ? 0 : sizeBytes - 1
    try {
      reader = await openVerified(this.#store, content, () => undefined)
      for (; at < sizeBytes; at += BLOCK_BYTES) await reader.read(at, 1)
    } catch (cause) {
      if (!(cause instanceof TallyError) || !DAMAGE.has(cause.code)) throw cause
      await this.#store.catalog.damaged(blob, [[Math.floor(at / BLOCK_BYTES), 1]])
      this.#damage.suspect(user, content)
      return
    } finally {
      await reader?.close()
    }
    if (!isWhole && this.#isDue(blob)) this.#damage.suspect(user, content)
  }

  #isDue(blob: FileId): boolean {
    const nowMs = this.#nowMs()
    if (Math.abs(nowMs - (this.#readMs.get(blob) ?? Number.NEGATIVE_INFINITY)) < READ_EVERY_MS) return false
    this.#readMs.delete(blob)
    this.#readMs.set(blob, nowMs)
    if (this.#readMs.size > READ_REMEMBERED) this.#readMs.delete(this.#readMs.keys().next().value as FileId)
    return true
  }
}
