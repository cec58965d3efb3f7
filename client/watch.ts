/**
 * A WATCH that outlives its connection: after a break, or when whoever listens is slow, it asks again for what came after the last event
 * that was handed out. The daemon keeps the events, so nothing is missed, and what waits here is bounded.
 */
import { type Event, MESSAGE_TYPE, type Response } from '../protocol/index.ts'
import type { Connection, Watcher } from './connection.ts'
import { errorOf } from './errors.ts'
import type { Link } from './link.ts'
import type { FindQuery, TallyEvent, WatchOptions } from './options.ts'
import { Retries } from './timings.ts'

/** Events that wait to be taken. */
const WAITING_MAX = 1024

/** See `Tally.watch`. */
export async function* watch(
  link: Link, query: FindQuery, { since, signal, onEvent }: WatchOptions,
): AsyncGenerator<TallyEvent, void, void> {
  const retries = new Retries(link.timings, signal, onEvent)
  let seen = since
  for (;;) {
    retries.begin()
    let connection: Connection | undefined
    let feed: Feed | undefined
    try {
      connection = await link.connection(signal)
      feed = await Feed.open(link, connection, query, seen, signal)
      if (feed.isTruncated && seen !== undefined) {
        onEvent?.({ type: 'truncated', since: seen, ...(feed.sequence === undefined ? {} : { sequence: feed.sequence }) })
      }
      // A number that was never given is another store's, or an older state's of this one: it says nothing about what comes.
      if (seen === undefined || (feed.sequence ?? seen) < seen) seen = feed.sequence
      for (let event = await feed.next(); event !== undefined; event = await feed.next()) {
        retries.progressed()
        if (event.sequence !== undefined) {
          // What a daemon tells twice is not handed out twice.
          if (seen !== undefined && event.sequence <= seen) continue
          seen = event.sequence
        }
        yield toldOf(event)
      }
      // It was too much at once: what waited has been handed out, and the rest is asked for anew.
    } catch (error) {
      await retries.failed(connection === undefined ? error : await recovered(link, connection, error, signal))
    } finally {
      feed?.close()
    }
  }
}

/** Returns what it failed with in the end. */
function recovered(link: Link, connection: Connection, error: unknown, signal: AbortSignal | undefined): Promise<unknown> {
  return link.recover(connection, error, signal).then(() => error, (cause: unknown) => cause)
}

/** The events of one WATCH on one connection. */
class Feed implements Watcher {
  readonly connection: Connection
  /** The number of the user's latest event when it began. */
  sequence: number | undefined
  isTruncated = false
  readonly #watchId: string
  readonly #signal: AbortSignal | undefined
  readonly #waiting: Event[] = []
  #failure: { readonly cause: unknown } | undefined
  #isFull = false
  #isOver = false
  #wake = (): void => {}
  readonly #aborted = (): void => this.#fail(this.#signal?.reason)

  private constructor(connection: Connection, signal: AbortSignal | undefined) {
    this.connection = connection
    this.#signal = signal
    this.#watchId = connection.nextMessageId()
  }

  static async open(link: Link, connection: Connection, query: FindQuery, since: number | undefined, signal?: AbortSignal): Promise<Feed> {
    const feed = new Feed(connection, signal)
    connection.openWatch(feed.#watchId, feed)
    signal?.addEventListener('abort', feed.#aborted)
    try {
      const ok = await link.ask(connection, {
        type: MESSAGE_TYPE.WATCH, messageId: feed.#watchId, tags: [], anyTags: [], notTags: [], ...query,
        ...(since === undefined ? {} : { since }),
      }, signal)
      feed.sequence = ok.sequence
      feed.isTruncated = ok.truncated === true
      return feed
    } catch (error) {
      feed.#isOver = true
      feed.close()
      throw error
    }
  }

  onEvent(event: Event): void {
    if (this.#isFull || this.#failure !== undefined) return
    this.#waiting.push(event)
    if (this.#waiting.length === WAITING_MAX) this.#stop()
    this.#wake()
  }

  onResponse(response: Response): void {
    if (response.response !== 'Error') return
    this.#isOver = true
    this.#fail(errorOf(response))
  }

  onLost(error: Error): void {
    this.#isOver = true
    this.#fail(error)
  }

  /** The next event; undefined where more came than may wait. Throws what ended the WATCH, once everything before was taken. */
  async next(): Promise<Event | undefined> {
    for (;;) {
      if (this.#signal?.aborted === true) throw this.#signal.reason
      const event = this.#waiting.shift()
      if (event !== undefined) return event
      if (this.#failure !== undefined) throw this.#failure.cause
      if (this.#isFull) return undefined
      await new Promise<void>(resolve => { this.#wake = resolve })
    }
  }

  /** No event is wanted any more. */
  close(): void {
    this.#signal?.removeEventListener('abort', this.#aborted)
    this.connection.closeWatch(this.#watchId)
    this.#end()
  }

  #stop(): void {
    this.#isFull = true
    this.#end()
  }

  /** Tells the daemon, where it does not know. */
  #end(): void {
    if (this.#isOver || this.connection.lost !== undefined) return
    this.#isOver = true
    this.connection.sendMessage({
      type: MESSAGE_TYPE.RESPONSE, messageId: this.#watchId, response: 'Error', reason: 'no longer wanted', code: 'not-found',
    })
  }

  #fail(cause: unknown): void {
    this.#failure ??= { cause }
    this.#wake()
  }
}

function toldOf({ type: _type, messageId: _messageId, watch: _watch, ...told }: Event): TallyEvent {
  return told
}
