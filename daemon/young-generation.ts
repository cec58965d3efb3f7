/**
 * Bounds the memory that V8 takes for young objects. It doubles that whenever much of it survives, up to 128 MiB that it never gives back,
 * and a thousand clients with chunks under way are enough for it. The limit cannot be set in a running process, but the doubling can be
 * ended, so whoever starts the daemon needs no flags.
 */
import { PerformanceObserver } from 'node:perf_hooks'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'

/** Both halves and what is being filled. Half of it gave P1 a tenth less: what is under way must fit. */
const YOUNG_BYTES = 33_554_432

/** Ends the growth once there is so much; to be called once, early. */
export function boundYoungGeneration(): void {
  const observer = new PerformanceObserver(() => {
    const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')
    if (young === undefined || young.space_size < YOUNG_BYTES) return
    setFlagsFromString('--semi-space-growth-factor=1')
    observer.disconnect()
  })
  observer.observe({ entryTypes: ['gc'] })
}
