/**
 * What can be known of a content's digest before its first byte is sent, which lets a daemon store content that its user has already
 * without a byte: the digest that the caller gives, or whether it is worth to compute it first. It asks, and sends nothing.
 */
import { basename } from 'node:path'
import { type FoundFile, MESSAGE_TYPE, TallyError } from '../protocol/index.ts'
import { anyOf } from './abort.ts'
import type { FileLabel } from './upload-file.ts'
import type { Asking, Link } from './link.ts'
import { reportOn } from './report.ts'

const DIGEST = /^sha256:[0-9a-f]{64}$/i
/** Of stored files of one size so many are looked at, the newest. */
const CANDIDATES_MAX = 100
/** Who is not answered by then sends: the content may be new. */
const ANSWER_WITHIN_MS = 1000
/** A daemon that says so will say so again: it does not know the question, or our token may not ask it. */
const REFUSALS: ReadonlySet<string> = new Set(['forbidden', 'unsupported-type', 'malformed'])

/** What is going to be sent, as far as it can be told from the outside. */
export interface Candidate {
  readonly fid: string
  readonly sizeBytes: number
  /** What it is called here, and what it is going to be called. */
  readonly names: readonly string[]
  readonly modifiedMs: number | undefined
}

/** In lower case. Throws `malformed` with `field: 'digest'`. */
export function givenDigest(text: string): string {
  if (DIGEST.test(text)) return text.toLowerCase()
  throw new TallyError('malformed', `${JSON.stringify(text)} is no digest: expected sha256: and 64 hex digits`, { field: 'digest' })
}

/** One for each client: it remembers that it was refused. */
export class KnownDigest {
  readonly #link: Link
  #isRefused = false

  constructor(link: Link) {
    this.#link = link
  }

  /**
   * Whether the content should be hashed before it is sent: where the user has a stored file of its size and name, or of its size and time
   * of change (or where `always` says so), and the daemon does not know the transfer: of one that it knows only the missing chunks are
   * sent anyway. A wrong guess costs the hashing, or the sending. Throws as the report does, and the signal's reason.
   */
  async isWorthHashing(candidate: Candidate, always: boolean, asking: Asking): Promise<boolean> {
    if (!always && !await this.#isProbablyStored(candidate, asking.signal)) return false
    return !await this.#isAnnounced(candidate.fid, asking)
  }

  /** For a moment, and in silence: whatever else fails here is met again by the upload, which tells it. */
  async #isProbablyStored({ sizeBytes, names, modifiedMs }: Candidate, signal: AbortSignal | undefined): Promise<boolean> {
    if (this.#isRefused) return false
    const own = new Set(names.map(name => basename(name)))
    try {
      const question = { type: MESSAGE_TYPE.FIND, tags: [], anyTags: [], notTags: [], sizeBytes, limit: CANDIDATES_MAX } as const
      const asking = { signal: anyOf(AbortSignal.timeout(ANSWER_WITHIN_MS), signal), onEvent: () => {} }
      const { files = [] } = await this.#link.askUntilAnswered(question, asking)
      return (files as readonly FoundFile[]).some(found => found.sizeBytes === sizeBytes &&
        (own.has(basename(found.name)) || (modifiedMs !== undefined && found.modifiedMs === modifiedMs)))
    } catch (error) {
      signal?.throwIfAborted()
      this.#isRefused = error instanceof TallyError && REFUSALS.has(error.code)
      return false
    }
  }

  async #isAnnounced(fid: string, asking: Asking): Promise<boolean> {
    try {
      await reportOn(this.#link, fid, asking)
      return true
    } catch (error) {
      if (!(error instanceof TallyError)) throw error
      if (error.code === 'unknown-fid') return false
      // It is gone, which the upload will be told, too.
      if (error.code === 'conflict') return true
      throw error
    }
  }
}

/** The candidate that a file of an upload is. */
export function candidateOf(fid: string, sizeBytes: number, own: Partial<FileLabel>, label: FileLabel): Candidate {
  return { fid, sizeBytes, names: [own.name ?? label.name, label.name], modifiedMs: own.modifiedMs ?? label.modifiedMs }
}
