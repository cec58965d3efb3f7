/**
 * Bounds the memory that V8 takes and does not give back, so whoever starts the daemon needs no flags. A thousand clients with chunks under
 * way are enough to make it take all that it may.
 *
 * Young objects: it doubles their room whenever much of it survives, up to 128 MiB. The limit cannot be set in a running process, but the
 * doubling can be ended. Old ones: it lets them grow to a multiple of what was alive before it collects; what waits for its Ok outlives two
 * collections of the young, so nearly all of that is garbage.
 */
import { PerformanceObserver } from 'node:perf_hooks'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'

/** Both halves and what is being filled. Half of it gave P1 a tenth less: what is under way must fit. */
const YOUNG_BYTES = 33_554_432
/** Beyond what is alive. Little is, so collecting it more often costs nothing that can be measured. */
const OLD_GROWTH_PERCENT = 20

/** To be called once, early; of threads that start later, too. */
export function boundHeapGrowth(): void {
  setFlagsFromString(`--heap-growing-percent=${OLD_GROWTH_PERCENT}`)
  const observer = new PerformanceObserver(() => {
    const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')
    if (young === undefined || young.space_size < YOUNG_BYTES) return
    setFlagsFromString('--semi-space-growth-factor=1')
    observer.disconnect()
  })
  observer.observe({ entryTypes: ['gc'] })
}
