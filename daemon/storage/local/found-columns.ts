/**
 * Files as FIND shows them, on their way from the reader's thread: by columns, with tags as they are stored. A message of as many objects
 * with seventeen fields each takes twice as long from one thread to the other as these few lists (docs/design.md).
 */
import type { FoundRecord } from '../storage.ts'
import type { Row } from './database.ts'
import { FILE_COLUMNS, stateOf } from './records.ts'

/** What `byColumns` needs of each file, from `file f JOIN transfer t … LEFT JOIN content c …`. */
export const FOUND_COLUMNS = `${FILE_COLUMNS}, f.received, t.fid, t.created`

/** For each column its values, one a file. */
export type FoundColumns = Readonly<Record<string, readonly Row[string][]>>

export function byColumns(rows: readonly Row[]): FoundColumns {
  const columns: Record<string, Row[string][]> = {}
  for (const name in rows[0]) columns[name] = rows.map(row => row[name] as Row[string])
  return columns
}

export function foundRecords(columns: FoundColumns): FoundRecord[] {
  const of = <T>(name: string): readonly T[] => (columns[name] ?? []) as readonly T[]
  const [numbers, names, fids, digests] = [of<number>('number'), of<string>('name'), of<string>('fid'), of<string | null>('digest')]
  const [mediaTypes, modified, expires] = [of<string | null>('media_type'), of<number | null>('modified'), of<number | null>('expires')]
  const [metas, states, chunkSizes] = [of<Uint8Array | null>('meta'), of<number>('state'), of<number>('chunk_size')]
  const [sizes, received] = [of<number | null>('size'), of<number>('received')]
  const [created, stored] = [of<number>('created'), of<number | null>('stored')]
  // All of them at once: it takes half as long.
  const tags = JSON.parse(`[${of<string>('tags').join()}]`) as string[][]
  return of<number>('id').map((id, i) => ({
    id,
    number: numbers[i] as number,
    name: names[i] as string,
    sizeBytes: sizes[i] as number | null,
    digest: digests[i] as string | null,
    mediaType: mediaTypes[i] as string | null,
    modifiedMs: modified[i] as number | null,
    expiresMs: expires[i] as number | null,
    meta: metas[i] as Uint8Array | null,
    tags: tags[i] as string[],
    chunkSizeBytes: chunkSizes[i] as number,
    storedMs: stored[i] as number | null,
    fid: fids[i] as string,
    state: stateOf(states[i] as number, received[i] as number, sizes[i] as number | null),
    receivedBytes: received[i] as number,
    createdMs: created[i] as number,
    cursor: String(id),
  }))
}
