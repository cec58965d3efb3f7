/**
 * How long a client waits, and how it spaces its retries. All of it can be passed in, so that tests need neither long waits nor luck.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { TallyError } from '../protocol/index.ts'
import { anyOf } from './abort.ts'
import { ClientError } from './errors.ts'
import type { OnEvent } from './events.ts'

export interface Timings {
  /** Without an answer for so long the client asks again, then on a new connection (protocol, 3.3). */
  readonly answerTimeoutMs: number
  readonly backOffFirstMs: number
  readonly backOffMaxMs: number
  /** Gives up when failures followed one another for so long and nothing was acknowledged between them; Infinity: never. */
  readonly retryForMs: number
  /** 0 ≤ result < 1, for the jitter. */
  readonly random: () => number
  readonly nowMs: () => number
}

export const TIMINGS_DEFAULT: Timings = {
  answerTimeoutMs: 10_000,
  backOffFirstMs: 50,
  backOffMaxMs: 5000,
  retryForMs: 60_000,
  random: Math.random,
  nowMs: () => performance.now(),
}

/** Refusals after which asking again at once is right (with another token, on a new connection), but not over and over. */
const AT_ONCE_MAX = 3
const AT_ONCE: ReadonlySet<string> = new Set([
  'unauthenticated', 'token-expired', 'chunk-unknown', 'crc-mismatch', 'digest-mismatch', 'connection-silent', 'connection-lost',
])
/** Of those, what stays the daemon's last word when it keeps coming. */
const FINAL_WHEN_REPEATED: ReadonlySet<string> = new Set(['token-expired', 'chunk-unknown', 'crc-mismatch', 'digest-mismatch'])
const AFTER_A_WHILE: ReadonlySet<string> = new Set(['busy', 'storage-full', 'storage-failed', 'shutting-down', 'connect-failed'])

/** A failure that no retry can help, whatever its code; `withRetries` throws its cause. */
export class Final extends Error {
  constructor(cause: unknown) {
    super('no retry can help', { cause })
  }
}

/** Half of it is jitter, so that clients that failed together do not come back together. */
export function backOffMs(timings: Timings, attempt: number): number {
  const fullMs = Math.min(timings.backOffMaxMs, timings.backOffFirstMs * 2 ** Math.min(attempt, 30))
  return fullMs * (0.5 + timings.random() / 2)
}

/**
 * What failed so far of something that is tried again and again, and whether and when it may be tried once more. Each retry is told by an
 * event before its pause, and whoever hears of it may stop it.
 */
export class Retries {
  readonly #timings: Timings
  readonly #signal: AbortSignal | undefined
  readonly #onEvent: OnEvent | undefined
  /** In a row. */
  #failures = 0
  /** Of those, the latest ones with one and the same code. */
  #repeats = 0
  #code = ''
  #failingSinceMs = 0
  #beganMs: number

  constructor(timings: Timings, signal: AbortSignal | undefined, onEvent: OnEvent | undefined) {
    this.#timings = timings
    this.#signal = signal
    this.#onEvent = onEvent
    this.#beganMs = timings.nowMs()
  }

  /** An attempt begins. */
  begin(): void {
    this.#signal?.throwIfAborted()
    this.#beganMs = this.#timings.nowMs()
  }

  /** Something new was acknowledged: the back-off starts anew. */
  readonly progressed = (): void => { this.#failures = 0 }

  /**
   * Returns when the attempt that failed may be followed by another. Throws what it failed with where a retry cannot help, `gave-up` when
   * it only failed for `retryForMs` or was stopped, the signal's reason when that is aborted.
   */
  async failed(error: unknown): Promise<void> {
    this.#signal?.throwIfAborted()
    if (error instanceof Final) throw error.cause
    if (!(error instanceof TallyError || error instanceof ClientError)) throw error
    const atOnce = AT_ONCE.has(error.code)
    if (!atOnce && !AFTER_A_WHILE.has(error.code)) throw error
    const { retryForMs } = this.#timings
    const nowMs = this.#timings.nowMs()
    // An attempt that lived long, such as one that waited for its input, did not fail in a row with the one before.
    if (nowMs - this.#beganMs > retryForMs) this.#failures = 0
    const failures = this.#failures++
    if (failures === 0) this.#failingSinceMs = this.#beganMs
    this.#repeats = failures > 0 && error.code === this.#code ? this.#repeats + 1 : 0
    this.#code = error.code
    if (this.#repeats >= AT_ONCE_MAX && FINAL_WHEN_REPEATED.has(error.code)) throw error
    if (failures > 0 && nowMs - this.#failingSinceMs >= retryForMs) throw gaveUp(error)
    const pauseMs = atOnce && failures === 0 ? 0 : Math.max(backOffMs(this.#timings, failures), retryAfterMs(error))
    const stopped = new AbortController()
    const stop = (): void => stopped.abort(gaveUp(error))
    const leftMs = Math.max(0, this.#failingSinceMs + retryForMs - nowMs)
    this.#onEvent?.({ type: 'retry', attempt: failures + 1, afterMs: pauseMs, leftMs, cause: error, stop })
    if (pauseMs > 0) await pause(pauseMs, anyOf(stopped.signal, this.#signal))
    stopped.signal.throwIfAborted()
  }
}

/**
 * Runs `operation` until it succeeds, fails for good, or only failed for `retryForMs` (see `Retries`). `operation` calls `progressed`
 * whenever something new was acknowledged.
 */
export async function withRetries<T>(
  timings: Timings, signal: AbortSignal | undefined, onEvent: OnEvent | undefined, operation: (progressed: () => void) => Promise<T>,
): Promise<T> {
  const retries = new Retries(timings, signal, onEvent)
  for (;;) {
    retries.begin()
    try {
      return await operation(retries.progressed)
    } catch (error) {
      await retries.failed(error)
    }
  }
}

function gaveUp(cause: Error): ClientError {
  return new ClientError('gave-up', cause.message, { cause })
}

/** Rejects with the signal's reason when aborted. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal })
  } catch {
    signal?.throwIfAborted()
  }
}

function retryAfterMs(error: Error): number {
  const told = error instanceof TallyError ? error.details['retry-after'] : undefined
  return typeof told === 'number' && told >= 0 ? Math.min(told, 60_000) : 0
}
