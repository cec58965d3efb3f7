/**
 * What the conditions of FIND and WATCH mean for one file and for one event, in the plainest form. A back-end may ask its database
 * instead, as FIND does; the meaning is this one.
 */
import type { FileState, Query } from '../../protocol/messages.ts'
import { globMatcher } from './glob.ts'

/** As much of a file as a condition can be about. */
export interface Matchable {
  readonly name: string
  readonly tags: readonly string[]
  readonly state: FileState
}

/** Whether a file matches. */
export function fileMatcher(query: Query): (file: Matchable) => boolean {
  const matchesName = nameMatcher(query)
  return file => file.state === stateOf(query) && matchesTags(query, file.tags) && matchesName(file.name)
}

/** As much of an event as a condition can be about. */
export interface MatchableEvent {
  readonly event: 'stored' | 'tagged' | 'removed'
  readonly name: string
  /** After the change; of a removed file, before it. */
  readonly tags: readonly string[]
  /** Of `tagged`: what they were. */
  readonly tagsBefore: readonly string[] | undefined
  /** After the change; of a removed file, before it. */
  readonly state: FileState
}

/** Whether an event's file matches before or after the change (docs/protocol.md, WATCH). */
export function eventMatcher(query: Query): (event: MatchableEvent) => boolean {
  const matchesName = nameMatcher(query)
  return event => {
    if (!statesOf(event).includes(stateOf(query)) || !matchesName(event.name)) return false
    return matchesTags(query, event.tags) || (event.tagsBefore !== undefined && matchesTags(query, event.tagsBefore))
  }
}

/** A file that is stored was receiving and finishing until then, which may be one moment. */
function statesOf({ event, state }: MatchableEvent): readonly FileState[] {
  switch (event) {
    case 'stored': return ['receiving', 'finishing', 'stored']
    case 'tagged': return [state]
    case 'removed': return [state, 'removed']
  }
}

function stateOf({ state }: Query): FileState {
  return state ?? 'stored'
}

function nameMatcher({ name }: Query): (name: string) => boolean {
  return name === undefined ? () => true : globMatcher(name)
}

function matchesTags({ tags, anyTags, notTags }: Query, own: readonly string[]): boolean {
  const has = (tag: string): boolean => own.includes(tag)
  return tags.every(has) && !notTags.some(has) && (anyTags.length === 0 || anyTags.some(has))
}
