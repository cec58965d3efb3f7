/**
 * How much may be on its way through the daemon: bytes and chunks that were read but not answered yet, per connection and in total, and
 * the memory of unfinished frames. Over a limit the connection is not read until its share has shrunk; nothing is refused.
 */
import { TallyError } from '../protocol/errors.ts'
import type { MemoryBudget } from '../protocol/unfinished.ts'
import type { Connection } from './connection.ts'
import { Rate } from './rate.ts'
import { type Turn, Turns } from './turns.ts'
import type { UserShare } from './users.ts'

const CONNECTION_BYTES_MAX = 33_554_432
const CONNECTION_CHUNKS_MAX = 16_384
const TOTAL_BYTES_MAX = 67_108_864
/** Of all connections of one user: half, so that nobody takes all. */
const USER_BYTES_MAX = 33_554_432
/** What a pending chunk costs beside its bytes: a reply, a message-id, its places in lists and sets. */
const CHUNK_OVERHEAD_BYTES = 512
/** What a connection may have pending even when the total is reached, so that a newcomer is served beside a crowd. */
const CONNECTION_BYTES_MIN = 32_768
/** Unfinished frames of those who have authenticated, and of those who have not. */
const KNOWN_FRAMES_BYTES_MAX = 67_108_864
const STRANGERS_FRAMES_BYTES_MAX = 33_554_432

/** How many bytes of a transfer or a FETCH may be unanswered; told in chunks. More is no error, it only waits. */
const WINDOW_BYTES = 25_165_824
const WINDOW_CHUNKS_MAX = 16_384
const WINDOW_CHUNKS_MIN = 4

/** The window that a peer is told for this chunk size. */
export function windowChunks(chunkSizeBytes: number): number {
  return Math.max(WINDOW_CHUNKS_MIN, Math.min(WINDOW_CHUNKS_MAX, Math.floor(WINDOW_BYTES / chunkSizeBytes)))
}

/** The pending chunks of all connections, and how fast they come. */
export class FlowLimits {
  totalBytes = 0
  readonly turns: Turns

  constructor(rate = new Rate(() => Infinity)) {
    this.turns = new Turns(rate)
  }
}

/** One connection's share. */
export class Flow {
  pendingChunks = 0
  #pendingBytes = 0
  #isPaused = false
  #share: UserShare | undefined
  #turn: Turn | undefined
  readonly #limits: FlowLimits
  readonly #connection: Connection

  constructor(limits: FlowLimits, connection: Connection) {
    this.#limits = limits
    this.#connection = connection
  }

  /** Whose connection it is now: what is pending counts for them. A chunk that waits for its turn is dropped. */
  set share(share: UserShare | undefined) {
    this.#turn?.cancel()
    if (this.#share !== undefined) this.#share.pendingBytes -= this.#pendingBytes
    if (share !== undefined) share.pendingBytes += this.#pendingBytes
    this.#share = share
  }

  /** Waits for a chunk's turn, where a rate bounds how fast they come; false: it is to be dropped. Undefined: it may be taken at once. */
  turn(dataBytes: number): Promise<boolean> | undefined {
    this.#turn = this.#share === undefined ? undefined : this.#limits.turns.ask(this.#share, dataBytes)
    return this.#turn?.come
  }

  /** A chunk was taken. */
  begin(dataBytes: number): void {
    const bytes = dataBytes + CHUNK_OVERHEAD_BYTES
    this.pendingChunks++
    this.#pendingBytes += bytes
    this.#limits.totalBytes += bytes
    if (this.#share !== undefined) this.#share.pendingBytes += bytes
    if (this.#isPaused || !this.#isOver(1)) return
    this.#isPaused = true
    this.#connection.pause('flow')
  }

  /** It was answered. */
  end(dataBytes: number): void {
    const bytes = dataBytes + CHUNK_OVERHEAD_BYTES
    this.pendingChunks--
    this.#pendingBytes -= bytes
    this.#limits.totalBytes -= bytes
    if (this.#share !== undefined) this.#share.pendingBytes -= bytes
    if (!this.#isPaused || this.#isOver(2)) return
    this.#isPaused = false
    this.#connection.resume('flow')
  }

  /** Over its share divided by `divisor`: it is read again only when half of it is free, not at every chunk. */
  #isOver(divisor: number): boolean {
    if (this.pendingChunks > CONNECTION_CHUNKS_MAX / divisor || this.#pendingBytes > CONNECTION_BYTES_MAX / divisor) return true
    const isCrowded = this.#limits.totalBytes > TOTAL_BYTES_MAX || (this.#share?.pendingBytes ?? 0) > USER_BYTES_MAX
    return isCrowded && this.#pendingBytes > CONNECTION_BYTES_MIN / divisor
  }
}

/** The budgets of all unfinished frames: strangers have one of their own, so that they cannot shut out who has authenticated. */
export class FrameBudgets {
  readonly #known = new FrameBudget(KNOWN_FRAMES_BYTES_MAX)
  readonly #strangers = new FrameBudget(STRANGERS_FRAMES_BYTES_MAX)

  /** One connection's way to them. A frame is charged where it began, whoever the peer has become since. */
  of(isTrusted: () => boolean): MemoryBudget {
    let charged: FrameBudget | undefined
    return {
      charge: bytes => {
        charged ??= isTrusted() ? this.#known : this.#strangers
        charged.charge(bytes)
      },
      release: bytes => {
        charged?.release(bytes)
        charged = undefined
      },
    }
  }
}

/** So many bytes of unfinished frames. */
export class FrameBudget implements MemoryBudget {
  readonly #limitBytes: number
  #usedBytes = 0

  constructor(limitBytes = KNOWN_FRAMES_BYTES_MAX) {
    this.#limitBytes = limitBytes
  }

  /** Throws `busy`, fatal: the frame cannot be received, so neither can what follows it. */
  charge(bytes: number): void {
    if (this.#usedBytes + bytes > this.#limitBytes) {
      throw new TallyError('busy', 'too much memory is taken by unfinished messages', { 'retry-after': 1_000 }, { fatal: true })
    }
    this.#usedBytes += bytes
  }

  release(bytes: number): void {
    this.#usedBytes -= bytes
  }
}
