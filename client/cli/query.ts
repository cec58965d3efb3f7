/** Which files are meant, by tags and names: the flags that `ls`, `get`, `rm` and `watch` share, and how files look in JSON. */
import type { FileState, FoundFile, Query } from '../../protocol/index.ts'
import type { Arguments, Flag } from './arguments.ts'

/** For `--state`. What was removed is listed nowhere: only `watch` tells of it. */
export const FILE_STATES = ['receiving', 'finishing', 'stored'] as const satisfies readonly FileState[]

export const QUERY_FLAGS: readonly Flag[] = [
  { name: 'tag', short: 't', value: 'T', kind: 'tag', repeatable: true, help: 'only files with this tag (with all of them, when given more than once)' },
  { name: 'any', value: 'T', kind: 'tag', repeatable: true, help: 'only files with at least one of these tags' },
  { name: 'not', value: 'T', kind: 'tag', repeatable: true, help: 'only files with none of these tags' },
  { name: 'name', value: 'GLOB', kind: 'glob', help: 'only files whose whole name matches: * ? […], where / is a character like any other' },
]

export function queryOf(given: Arguments): Omit<Query, 'state'> {
  const name = given.one('name')
  return { tags: given.all('tag'), anyTags: given.all('any'), notTags: given.all('not'), ...(name === undefined ? {} : { name }) }
}

/** Whether any of the flags is there; without one a query means all files. */
export function hasQuery(given: Arguments): boolean {
  return QUERY_FLAGS.some(({ name }) => given.has(name))
}

/** A file in JSON: the fields have the wire's names. An event may tell less than a listing. */
export function fileValue(found: Partial<FoundFile>): object {
  const { sizeBytes, receivedBytes, createdMs, storedMs, expiresMs, modifiedMs, mediaType, ...others } = found
  return {
    ...others, size: sizeBytes, received: receivedBytes, created: createdMs, stored: storedMs, expires: expiresMs, modified: modifiedMs,
    'media-type': mediaType,
  }
}
