/**
 * How long a client waits, and how it spaces its retries. All of it can be passed in, so that tests need neither long waits nor luck.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { TallyError } from '../protocol/index.ts'
import { anyOf } from './abort.ts'
import { ClientError } from './errors.ts'
import type { ClientEvent, OnEvent } from './events.ts'

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
  'unauthenticated', 'token-expired', 'chunk-unknown', 'digest-mismatch', 'connection-silent', 'connection-lost',
])
/** Of those, what stays the daemon's last word when it keeps coming. */
const FINAL_WHEN_REPEATED: ReadonlySet<string> = new Set(['unauthenticated', 'token-expired', 'chunk-unknown', 'digest-mismatch'])
const AFTER_A_WHILE: ReadonlySet<string> = new Set(['busy', 'storage-full', 'storage-failed', 'shutting-down', 'connect-failed'])

/** A failure that no retry can help, whatever its code; `withRetries` throws its cause. */
export class Final extends Error {
  constructor(cause: unknown) {
    super('no retry can help', { cause })
  }
}

type RetryEvent = Extract<ClientEvent, { type: 'retry' }>

/** Half of it is jitter, so that clients that failed together do not come back together. */
export function backOffMs(timings: Timings, attempt: number): number {
  const fullMs = Math.min(timings.backOffMaxMs, timings.backOffFirstMs * 2 ** Math.min(attempt, 30))
  return fullMs * (0.5 + timings.random() / 2)
}

/**
 * Runs `operation` until it succeeds, fails for good, or only failed for `retryForMs`. `operation` calls `progressed` whenever
 * something new was acknowledged, which starts the back-off anew. Each retry is told by an event before its pause, and whoever hears of it
 * may stop it. Throws what the last attempt threw where a retry cannot help, else `gave-up`; the signal's reason when it is aborted.
 */
export async function withRetries<T>(
  timings: Timings, signal: AbortSignal | undefined, onEvent: OnEvent | undefined, operation: (progressed: () => void) => Promise<T>,
): Promise<T> {
  let failures = 0
  let failingSinceMs = 0
  const progressed = (): void => { failures = 0 }
  for (;;) {
    signal?.throwIfAborted()
    const beganMs = timings.nowMs()
    try {
      return await operation(progressed)
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof Final) throw error.cause
      if (!(error instanceof TallyError || error instanceof ClientError)) throw error
      const atOnce = AT_ONCE.has(error.code)
      if (!atOnce && !AFTER_A_WHILE.has(error.code)) throw error
      const nowMs = timings.nowMs()
      // An attempt that lived long, such as one that waited for its input, did not fail in a row with the one before.
      if (nowMs - beganMs > timings.retryForMs) failures = 0
      if (failures === 0) failingSinceMs = beganMs
      if (failures >= AT_ONCE_MAX && FINAL_WHEN_REPEATED.has(error.code)) throw error
      if (failures > 0 && nowMs - failingSinceMs >= timings.retryForMs) throw new ClientError('gave-up', error.message, { cause: error })
      const pauseMs = atOnce && failures === 0 ? 0 : Math.max(backOffMs(timings, failures), retryAfterMs(error))
      failures++
      await untilRetry({ type: 'retry', attempt: failures, afterMs: pauseMs, cause: error }, signal, onEvent)
    }
  }
}

/** Tells of a retry and waits for it. Throws `gave-up` when it was stopped. */
async function untilRetry(retry: Omit<RetryEvent, 'stop'>, signal: AbortSignal | undefined, onEvent: OnEvent | undefined): Promise<void> {
  const stopped = new AbortController()
  onEvent?.({ ...retry, stop: () => stopped.abort(new ClientError('gave-up', retry.cause.message, { cause: retry.cause })) })
  if (retry.afterMs > 0) await pause(retry.afterMs, anyOf(stopped.signal, signal))
  stopped.signal.throwIfAborted()
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
