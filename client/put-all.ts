/** Many files by path into the store, several at a time. */
import { anyOf } from './abort.ts'
import { AllProgress } from './all-progress.ts'
import { inFlight } from './in-flight.ts'
import type { PutAllItem, PutAllOptions, PutAllResult } from './options.ts'
import type { Tally } from './tally.ts'

const IN_FLIGHT_MAX = 64

/** See `Tally.putAll`. */
export async function* putAll(
  tally: Tally, files: Iterable<PutAllItem> | AsyncIterable<PutAllItem>, options: PutAllOptions,
): AsyncGenerator<PutAllResult, void, void> {
  const { signal, tags = [], onEvent, ...common } = options
  const progress = new AllProgress(onEvent)
  yield* inFlight(files, IN_FLIGHT_MAX, async ({ path, ...label }, ending): Promise<PutAllResult> => {
    const each = { tags: [...tags, ...label.tags ?? []], signal: anyOf(ending, signal), onEvent: progress.listener() }
    try {
      return { path, ...await tally.put(path, { ...common, ...label, ...each }) }
    } catch (error) {
      signal?.throwIfAborted()
      return { path, error }
    }
  })
}
