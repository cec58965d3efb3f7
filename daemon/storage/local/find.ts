/**
 * FIND over the catalog. Whatever the conditions, it walks files of one driving tag (the rarest), or else of one size, in descending id and
 * probes the other conditions for each, so that the work follows the rarest tag and the page, not the catalog (docs/design.md; measured).
 */
import { isPlainGlob } from '../glob.ts'
import type { FileId, FindQuery, FoundRecord } from '../storage.ts'
import type { Database, Row } from './database.ts'
import { FILE_COLUMNS, fileFields } from './records.ts'
import { RECEIVING, REMOVED, STORED } from './schema.ts'

interface Label {
  readonly id: number
  readonly files: number
}

export function findFiles(db: Database, query: FindQuery): FoundRecord[] {
  const owner = db.get('SELECT id FROM user WHERE name = ?', query.user)?.id as number | undefined
  if (owner === undefined || query.state === 'removed') return []
  const labelOf = (tag: string): Label | undefined => {
    const row = db.get('SELECT id, files FROM label WHERE owner = ? AND tag = ?', owner, tag)
    return row === undefined ? undefined : { id: row.id as number, files: row.files as number }
  }
  const all = query.tags.map(labelOf)
  const any = query.anyTags.map(labelOf).filter(label => label !== undefined)
  const not = query.notTags.map(labelOf).filter(label => label !== undefined)
  if (all.includes(undefined) || (query.anyTags.length > 0 && any.length === 0)) return []
  const required = (all as Label[]).sort((a, b) => a.files - b.files)
  const anyFiles = any.reduce((sum, { files }) => sum + files, 0)
  const rarest = required[0]
  if (rarest !== undefined && (any.length === 0 || rarest.files <= anyFiles)) {
    return walk(db, owner, query, rarest, required.slice(1), any, not).map(toFound)
  }
  if (any.length === 0) return walk(db, owner, query, undefined, [], [], not).map(toFound)
  // Any of: one ordered, limited branch per tag, then their union.
  const found = new Map<number, Row>()
  for (const driver of any) for (const row of walk(db, owner, query, driver, required, [], not)) found.set(row.id as number, row)
  return [...found.values()].sort((a, b) => (b.id as number) - (a.id as number)).slice(0, query.limit).map(toFound)
}

const FOUND_COLUMNS = `${FILE_COLUMNS}, f.received, t.fid, t.created`

/** These files, if they are the user's and there. */
export function foundFiles(db: Database, user: string, files: readonly FileId[]): FoundRecord[] {
  return files.flatMap(id => db.all(`SELECT ${FOUND_COLUMNS} FROM user u JOIN file f ON f.owner = u.id JOIN transfer t ON t.id = f.transfer
    LEFT JOIN content c ON c.blob = f.content WHERE u.name = ? AND f.id = ? AND f.state <> ${REMOVED}`, user, id)).map(toFound)
}

function walk(
  db: Database, owner: number, query: FindQuery, driver: Label | undefined,
  all: readonly Label[], any: readonly Label[], not: readonly Label[],
): Row[] {
  const probe = 'EXISTS (SELECT 1 FROM tagged WHERE label = ? AND file = f.id)'
  const conditions: string[] = []
  const values: (number | string)[] = []
  const add = (condition: string, ...bound: (number | string)[]): void => {
    conditions.push(condition)
    values.push(...bound)
  }
  const id = driver === undefined ? 'f.id' : 'd.file'
  const source = sourceOf(query, driver)
  if (source === BY_TAG) add('d.label = ?', (driver as Label).id)
  if (source === BY_SIZE) add('s.owner = ? AND s.size = ?', owner, query.sizeBytes as number)
  add('f.owner = ?', owner)
  add(stateCondition(query))
  if (query.sizeBytes !== undefined) add('f.size = ?', query.sizeBytes)
  if (query.after !== undefined) add(`${id} < ?`, Number(query.after))
  for (const label of all) add(probe, label.id)
  for (const label of not) add(`NOT ${probe}`, label.id)
  if (any.length > 0) add(`(${any.map(() => probe).join(' OR ')})`, ...any.map(label => label.id))
  if (query.name !== undefined) add(isPlainGlob(query.name) ? 'f.name GLOB ?' : 'tally_glob(?, f.name)', query.name)
  return db.all(`SELECT ${FOUND_COLUMNS} FROM ${source}
    CROSS JOIN transfer t ON t.id = f.transfer LEFT JOIN content c ON c.blob = f.content
    WHERE ${conditions.join(' AND ')} ORDER BY ${id} DESC LIMIT ?`, ...values, query.limit)
}

// CROSS JOIN keeps SQLite from choosing another order of tables.
const BY_TAG = 'tagged d CROSS JOIN file f ON f.id = d.file'
const BY_SIZE = 'content s CROSS JOIN file f ON f.content = s.blob'

/** What is walked. Stored files of one size are few, and contents have an index by it; the few are sorted then. */
function sourceOf({ sizeBytes, state = 'stored' }: FindQuery, driver: Label | undefined): string {
  if (driver !== undefined) return BY_TAG
  return sizeBytes !== undefined && state === 'stored' ? BY_SIZE : 'file f'
}

function stateCondition({ state }: FindQuery): string {
  switch (state) {
    case 'receiving': return `f.state = ${RECEIVING} AND f.received IS NOT f.size`
    case 'finishing': return `f.state = ${RECEIVING} AND f.received = f.size`
    default: return `f.state = ${STORED}`
  }
}

function toFound(row: Row): FoundRecord {
  const isFinishing = row.state === RECEIVING && row.received === row.size
  return {
    ...fileFields(row),
    fid: row.fid as string,
    state: row.state === STORED ? 'stored' : isFinishing ? 'finishing' : 'receiving',
    receivedBytes: row.received as number,
    createdMs: row.created as number,
    cursor: String(row.id),
  }
}
