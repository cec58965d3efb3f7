/**
 * Who watches, by user: wakes the watches of a user when the catalog has new events, and tells those that want it what arrives of
 * unfinished files, each at most once a second. Where nobody watches it does nothing.
 */
import { TallyError } from '../../protocol/errors.ts'
import type { Query } from '../../protocol/messages.ts'
import type { Catalog, FileId } from '../storage/storage.ts'
import { Watch, type WatchSink } from './watch.ts'

/** Each change of a user's file wakes all of these. */
const USER_WATCHES_MAX = 64
/** A file is told as `receiving` at most this often (docs/protocol.md, EVENT). */
const ARRIVALS_EVERY_MS = 1_000
/** Files of which it is known when they were told last. */
const ARRIVALS_KNOWN_MAX = 4096

export class Feed {
  readonly #catalog: Catalog
  readonly #nowMs: () => number
  readonly #watches = new Map<string, Set<Watch>>()
  /** Of all users: a file has one. */
  readonly #toldMs = new Map<FileId, number>()

  constructor(catalog: Catalog, nowMs: () => number) {
    this.#catalog = catalog
    this.#nowMs = nowMs
    catalog.onEvents(user => {
      for (const watch of this.#watches.get(user) ?? []) watch.resume()
    })
  }

  /** A watch of this user's files, which is woken from now on until `close`. Throws `busy` where the user has as many as allowed. */
  open(user: string, query: Query, sink: WatchSink): Watch {
    const watches = this.#watches.get(user) ?? new Set()
    if (watches.size >= USER_WATCHES_MAX) {
      throw new TallyError('busy', `a user may have ${USER_WATCHES_MAX} watches`, { limit: USER_WATCHES_MAX, 'retry-after': 1_000 })
    }
    const watch = new Watch(this.#catalog, user, query, sink)
    this.#watches.set(user, watches.add(watch))
    return watch
  }

  close(user: string, watch: Watch): void {
    watch.end()
    const watches = this.#watches.get(user)
    watches?.delete(watch)
    if (watches?.size === 0) this.#watches.delete(user)
  }

  /** Chunks of an unfinished file were marked. Called for each of them and each cycle, so it asks nobody anything. */
  arrived(user: string, file: FileId): void {
    const watches = this.#watches.get(user)
    if (watches === undefined) return
    const wanting = [...watches].filter(({ wantsArrivals }) => wantsArrivals)
    if (wanting.length === 0 || !this.#isDue(file)) return
    for (const watch of wanting) watch.arrived(file)
  }

  #isDue(file: FileId): boolean {
    const nowMs = this.#nowMs()
    // Told later than now: the clock was set back since.
    const isDue = (toldMs: number): boolean => toldMs <= nowMs - ARRIVALS_EVERY_MS || toldMs > nowMs
    if (!isDue(this.#toldMs.get(file) ?? Number.NEGATIVE_INFINITY)) return false
    if (this.#toldMs.size >= ARRIVALS_KNOWN_MAX) {
      for (const [known, atMs] of this.#toldMs) if (isDue(atMs)) this.#toldMs.delete(known)
      if (this.#toldMs.size >= ARRIVALS_KNOWN_MAX) return false
    }
    this.#toldMs.set(file, nowMs)
    return true
  }
}
