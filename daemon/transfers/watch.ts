/**
 * One WATCH under way: reads the numbered events from the catalog, a page at a time, from where it stands. What happened before and what
 * happens now come the same way, so nothing is missed or told twice, and a watcher who does not read costs no memory. What arrives of
 * unfinished files is told beside that, and is not kept for anybody.
 */
import { TallyError } from '../../protocol/errors.ts'
import type { EventName, FoundFile, Query } from '../../protocol/messages.ts'
import { fileMatcher } from '../storage/match.ts'
import type { Catalog, FileId } from '../storage/storage.ts'
import { toFoundFile } from './library.ts'

const PAGE_EVENTS = 64
/** Unfinished files that something arrived for since the last look. */
const ARRIVED_MAX = 1024

/** What happened, as it is told. */
export interface Told {
  readonly event: EventName
  /** Absent for `receiving`. */
  readonly sequence?: number
  readonly file: FoundFile
}

/** The peer's side of a WATCH. */
export interface WatchSink {
  /** Whether the peer takes more; where it does not, `resume` is called when it does. */
  isReady(): boolean
  event(told: Told): void
  /** Everything was told to a peer that sends no more. */
  done(): void
  failed(cause: unknown): void
}

export class Watch {
  /** It wants to know what arrives of unfinished files. */
  readonly wantsArrivals: boolean
  readonly #catalog: Catalog
  readonly #user: string
  readonly #query: Query
  readonly #matches: ReturnType<typeof fileMatcher>
  readonly #sink: WatchSink
  /** Every event up to this number was told, or does not match. */
  #through = 0
  #arrived = new Set<FileId>()
  #hasBegun = false
  #isPumping = false
  #isPumpWanted = false
  #isLast = false
  #isOver = false

  constructor(catalog: Catalog, user: string, query: Query, sink: WatchSink) {
    this.#catalog = catalog
    this.#user = user
    this.#query = query
    this.#matches = fileMatcher(query)
    this.#sink = sink
    this.wantsArrivals = query.state === 'receiving'
  }

  /** Finds its place: after `since`, or after the last event. Answers the number of the last event; nothing is told before `begin`. */
  async prepare(since: number | undefined): Promise<{ sequence: number; isTruncated: boolean }> {
    const { sequence, through, isTruncated } = await this.#page(since, 0)
    this.#through = through
    return { sequence, isTruncated }
  }

  begin(): void {
    this.#hasBegun = true
    this.resume()
  }

  /** Tells what there is. To be called whenever there may be more, or the peer can take more. */
  resume(): void {
    this.#isPumpWanted = true
    if (this.#isPumping || this.#isOver || !this.#hasBegun) return
    this.#isPumping = true
    void this.#pump()
      .catch(cause => this.#isOver || this.#sink.failed(cause))
      .finally(() => {
        this.#isPumping = false
        if (this.#isPumpWanted && this.#sink.isReady()) this.resume()
      })
  }

  /** Something arrived for an unfinished file; not told to a peer that is behind. */
  arrived(file: FileId): void {
    if (!this.#hasBegun || this.#arrived.size >= ARRIVED_MAX || !this.#sink.isReady()) return
    this.#arrived.add(file)
    this.resume()
  }

  /** The peer sends no more: ends once everything that happened so far was told. */
  endWhenTold(): void {
    this.#isLast = true
    this.resume()
  }

  /** Tells nothing more. */
  end(): void {
    this.#isOver = true
  }

  async #pump(): Promise<void> {
    while (!this.#isOver && this.#sink.isReady()) {
      this.#isPumpWanted = false
      await this.#tellArrivals()
      const { events, through, sequence, isTruncated } = await this.#page(this.#through, PAGE_EVENTS)
      if (this.#isOver) return
      if (isTruncated) throw new TallyError('busy', 'the watcher is so far behind that events are not kept any more', { 'retry-after': 0 })
      for (const record of events) this.#sink.event({ event: record.event, sequence: record.sequence, file: toFoundFile(record) })
      this.#through = through
      if (through < sequence || this.#isPumpWanted) continue
      if (this.#isLast) this.#sink.done()
      return
    }
  }

  async #tellArrivals(): Promise<void> {
    if (this.#arrived.size === 0) return
    const files = [...this.#arrived]
    this.#arrived.clear()
    for (const record of await this.#catalog.found(this.#user, files)) {
      // It may be finishing, or stored, by now: that is told by its number.
      if (!this.#isOver && this.#matches(record)) this.#sink.event({ event: 'receiving', file: toFoundFile(record) })
    }
  }

  #page(after: number | undefined, limit: number) {
    return this.#catalog.events({ ...this.#query, user: this.#user, limit, ...(after === undefined ? {} : { after }) })
  }
}
