/** What adding and removing tags makes of a file's tags, and what several files have in common. Order is kept everywhere. */
import { TallyError } from '../../protocol/errors.ts'
import { TAGS_PER_FILE_MAX } from '../../protocol/limits.ts'

/**
 * What stays keeps its place, what is new follows in the order given, and a tag in both is removed: the catalog's rule (`Catalog.tag`).
 * Throws `tag-invalid` where the file, by its number, would have too many.
 */
export function retagged(before: readonly string[], add: readonly string[], remove: readonly string[], file: number): readonly string[] {
  const gone = new Set(remove)
  const after = [...new Set([...before, ...add])].filter(tag => !gone.has(tag))
  if (after.length > TAGS_PER_FILE_MAX) {
    throw new TallyError('tag-invalid', `file ${file} would have ${after.length} tags`, { field: 'add', limit: TAGS_PER_FILE_MAX })
  }
  return after
}

/** The tags that every one of these lists has, in the order of the first. */
export function commonTags([first = [], ...others]: readonly (readonly string[])[]): readonly string[] {
  const sets = others.map(tags => new Set(tags))
  return first.filter(tag => sets.every(tags => tags.has(tag)))
}
