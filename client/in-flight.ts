/** Work on many items, several at a time, for whoever takes the results one by one as they come. */

/**
 * The results of `work`, in the order in which it ends. At most `inFlightMax` are under way, and no more items are taken while results
 * wait to be taken. What `items` or `work` throws ends it; whoever leaves early, or a failure, aborts the signal that the work was given,
 * and it returns when all of it has ended.
 */
export async function* inFlight<Item, Result>(
  items: Iterable<Item> | AsyncIterable<Item>, inFlightMax: number, work: (item: Item, signal: AbortSignal) => Promise<Result>,
): AsyncGenerator<Result, void, void> {
  const ending = new AbortController()
  const input = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
  const results: Result[] = []
  let running = 0
  let isOver = false
  let failure: { readonly cause: unknown } | undefined
  let wake = (): void => {}
  const failed = (cause: unknown): void => {
    failure ??= { cause }
    wake()
  }
  const start = (item: Item): void => {
    running++
    work(item, ending.signal).then(result => { results.push(result) }, failed).finally(() => {
      running--
      wake()
    })
  }
  let pulling = false
  const pull = async (): Promise<void> => {
    pulling = true
    try {
      while (!isOver && failure === undefined && running + results.length < inFlightMax) {
        const next = await input.next()
        if (next.done === true) isOver = true
        else if (!ending.signal.aborted) start(next.value)
      }
    } catch (cause) {
      failed(cause)
    } finally {
      pulling = false
      wake()
    }
  }
  try {
    for (;;) {
      if (!pulling && !isOver) void pull()
      const result = results.shift()
      if (result !== undefined) {
        yield result
        continue
      }
      if (failure !== undefined) throw failure.cause
      if (isOver && running === 0) return
      await new Promise<void>(resolve => { wake = resolve })
    }
  } finally {
    ending.abort(new Error('no more results are wanted'))
    // Neither awaited nor heard: an input that never gives its next item never ends either.
    if (!isOver) void Promise.resolve(input.return?.()).catch(() => {})
    while (running > 0) await new Promise<void>(resolve => { wake = resolve })
  }
}
