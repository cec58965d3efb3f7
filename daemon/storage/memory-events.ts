/** The numbered events of the memory store: the contract in its plainest form, an array for each user. */
import { eventMatcher } from './match.ts'
import { EVENTS_KEPT_MAX, type EventPage, type EventQuery, type EventRecord, type FoundRecord } from './storage.ts'

interface MemoryEvent {
  readonly atMs: number
  /** As it is told. */
  readonly told: EventRecord
  readonly tagsBefore: readonly string[] | undefined
  readonly stateBefore: FoundRecord['state']
}

export interface MemoryEvents {
  sequence: number
  kept: MemoryEvent[]
}

/** Notes what happened to a file, which is given as it is after the change, but before a removal. */
export function tellEvent(
  log: MemoryEvents, event: EventRecord['event'], file: FoundRecord, nowMs: number, tagsBefore?: readonly string[],
): void {
  const { id: _id, cursor: _cursor, chunkSizeBytes: _chunkSize, ...rest } = file
  const isRemoval = event === 'removed'
  const told: EventRecord = {
    ...rest, sequence: ++log.sequence, event, state: isRemoval ? 'removed' : file.state, meta: isRemoval ? null : file.meta,
  }
  log.kept.push({ atMs: nowMs, told, tagsBefore, stateBefore: file.state })
  if (log.kept.length > EVENTS_KEPT_MAX) log.kept.shift()
}

export function readEvents(log: MemoryEvents, query: EventQuery): EventPage {
  const { sequence, kept } = log
  if (query.after === undefined) return { sequence, through: sequence, isTruncated: false, events: [] }
  const forgotten = sequence - kept.length
  const isTruncated = query.after < forgotten || query.after > sequence
  let through = query.after > sequence ? sequence : Math.max(query.after, forgotten)
  const matches = eventMatcher(query)
  const events: EventRecord[] = []
  for (const { told, tagsBefore, stateBefore } of kept.slice(through - forgotten)) {
    if (events.length === query.limit) break
    through = told.sequence
    if (matches({ ...told, tagsBefore, state: stateBefore })) events.push(told)
  }
  return { sequence, through, isTruncated, events }
}

export function forgetEvents(log: MemoryEvents, beforeMs: number): void {
  while ((log.kept[0]?.atMs ?? Number.POSITIVE_INFINITY) < beforeMs) log.kept.shift()
}
