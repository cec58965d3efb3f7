/**
 * FIND over the catalog. Whatever the conditions, it walks files of one driving tag (the rarest), or else of one size, in descending id and
 * probes the other tags for each, so that the work follows the rarest tag and the page, not the catalog (docs/design.md; measured). A file's
 * own record is read when its tags are right: it lies on a page that nothing else of the answer needs.
 */
import { isPlainGlob } from '../glob.ts'
import type { FileId, FindQuery } from '../storage.ts'
import type { Database, Row } from './database.ts'
import { FOUND_COLUMNS } from './found-columns.ts'
import { RECEIVING, REMOVED, STORED } from './schema.ts'

interface Label {
  readonly id: number
  readonly files: number
}

/** Rows of `FOUND_COLUMNS`, newest first, of the files of this owner (`user.id`) that match. */
export function findFiles(db: Database, owner: number, query: FindQuery): Row[] {
  if (query.state === 'removed') return []
  const labelOf = (tag: string): Label | undefined => {
    const row = db.get('SELECT id, files FROM label WHERE owner = ? AND tag = ?', owner, tag)
    return row === undefined ? undefined : { id: row.id as number, files: row.files as number }
  }
  const all = query.tags.map(labelOf)
  const any = query.anyTags.map(labelOf).filter(label => label !== undefined)
  const not = query.notTags.map(labelOf).filter(label => label !== undefined)
  if (all.includes(undefined) || (query.anyTags.length > 0 && any.length === 0)) return []
  // What lets the fewest files through is asked first.
  const required = (all as Label[]).sort((a, b) => a.files - b.files)
  not.sort((a, b) => b.files - a.files)
  const anyFiles = any.reduce((sum, { files }) => sum + files, 0)
  const rarest = required[0]
  if (rarest !== undefined && (any.length === 0 || rarest.files <= anyFiles)) {
    return walk(db, owner, query, rarest, required.slice(1), any, not)
  }
  if (any.length === 0) return walk(db, owner, query, undefined, [], [], not)
  // Any of: one ordered, limited branch per tag, then their union.
  const found = new Map<number, Row>()
  for (const driver of any) for (const row of walk(db, owner, query, driver, required, [], not)) found.set(row.id as number, row)
  return [...found.values()].sort((a, b) => (b.id as number) - (a.id as number)).slice(0, query.limit)
}

/** Rows of `FOUND_COLUMNS` of these files, if they are the user's and there. */
export function foundFiles(db: Database, user: string, files: readonly FileId[]): Row[] {
  return files.flatMap(id => db.all(`SELECT ${FOUND_COLUMNS} FROM user u JOIN file f ON f.owner = u.id JOIN transfer t ON t.id = f.transfer
    LEFT JOIN content c ON c.blob = f.content WHERE u.name = ? AND f.id = ? AND f.state <> ${REMOVED}`, user, id))
}

function walk(
  db: Database, owner: number, query: FindQuery, driver: Label | undefined,
  all: readonly Label[], any: readonly Label[], not: readonly Label[],
): Row[] {
  const { joins, id, walked } = sourceOf(query, driver, all)
  const conditions: string[] = []
  // Those of the joins come first.
  const values: (number | string)[] = all.map(label => label.id)
  const add = (condition: string, ...bound: (number | string)[]): void => {
    conditions.push(condition)
    values.push(...bound)
  }
  const probe = `EXISTS (SELECT 1 FROM tagged WHERE label = ? AND file = ${id})`
  if (driver !== undefined) add('d.label = ?', driver.id)
  if (joins === BY_SIZE) add('s.owner = ? AND s.size = ?', owner, query.sizeBytes as number)
  if (query.after !== undefined) add(`${walked} < ?`, Number(query.after))
  for (const label of not) add(`NOT ${probe}`, label.id)
  if (any.length > 0) add(`(${any.map(() => probe).join(' OR ')})`, ...any.map(label => label.id))
  add('f.owner = ?', owner)
  add(stateCondition(query))
  if (query.sizeBytes !== undefined) add('f.size = ?', query.sizeBytes)
  if (query.name !== undefined) add(isPlainGlob(query.name) ? 'f.name GLOB ?' : 'tally_glob(?, f.name)', query.name)
  return db.all(`SELECT ${FOUND_COLUMNS} FROM ${joins}
    CROSS JOIN transfer t ON t.id = f.transfer LEFT JOIN content c ON c.blob = f.content
    WHERE ${conditions.join(' AND ')} ORDER BY ${walked} DESC LIMIT ?`, ...values, query.limit)
}

const BY_SIZE = 'content s CROSS JOIN file f ON f.content = s.blob'

/**
 * The tables that are walked, with a parameter for each tag of `all`; the file's id where its tags are probed, and where it is walked. Stored
 * files of one size are few, and contents have an index by it; the few are sorted then. CROSS JOIN keeps SQLite from choosing another order of
 * tables: an EXISTS instead of a join it would ask last, behind the file.
 */
function sourceOf(
  { sizeBytes, state = 'stored' }: FindQuery, driver: Label | undefined, all: readonly Label[],
): { joins: string; id: string; walked: string } {
  if (driver === undefined) return { joins: sizeBytes !== undefined && state === 'stored' ? BY_SIZE : 'file f', id: 'f.id', walked: 'f.id' }
  let [joins, id] = ['tagged d', 'd.file']
  for (const number of all.keys()) {
    joins += ` CROSS JOIN tagged d${number} ON d${number}.label = ? AND d${number}.file = ${id}`
    // Who is asked of the last one is asked after it.
    id = `d${number}.file`
  }
  return { joins: `${joins} CROSS JOIN file f ON f.id = ${id}`, id, walked: 'd.file' }
}

function stateCondition({ state }: FindQuery): string {
  switch (state) {
    case 'receiving': return `f.state = ${RECEIVING} AND f.received IS NOT f.size`
    case 'finishing': return `f.state = ${RECEIVING} AND f.received = f.size`
    default: return `f.state = ${STORED}`
  }
}
