/**
 * The time, looked up once in a turn of the event loop: the token of each chunk is judged by it, and one read brings sixty of them.
 */

/** Milliseconds since 1970; at most a turn old. */
export function turnClock(): () => number {
  let nowMs: number | undefined
  return () => {
    if (nowMs === undefined) {
      nowMs = Date.now()
      // Not unreferenced: then the loop may wait for the next event before it comes here, and that would be judged by the time before.
      setImmediate(() => {
        nowMs = undefined
      })
    }
    return nowMs
  }
}
