/** What the catalog of a store says, read past its daemon: for what no message tells. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

type Value = string | number

export function query(store: string, sql: string, ...values: Value[]): Record<string, unknown>[] {
  // Read-only, so that it is left to the next daemon or command to recover it.
  const db = new DatabaseSync(join(store, 'catalog.db'), { readOnly: true })
  try {
    return db.prepare(sql).all(...values)
  } finally {
    db.close()
  }
}

/** A blob's place below `blobs`. */
export function blobName(blob: number): string {
  return `${Math.floor(blob / 4096).toString(16).padStart(3, '0')}/${blob.toString(16).padStart(8, '0')}`
}

/** What the catalog counts for a user. */
export function usedBytes(store: string, user: string): number {
  return Number(query(store, 'SELECT bytes FROM user WHERE name = ?', user)[0]?.['bytes'] ?? 0)
}

/** `user digest` of each stored content that has a blob, and the names of the files that show it. */
export function contentsOf(store: string): Map<string, string> {
  const rows = query(store, `SELECT u.name || ' ' || c.digest AS content, group_concat(t.fid || '/' || f.number || ' (' || f.name || ')') AS files FROM content c
    JOIN user u ON u.id = c.owner JOIN file f ON f.content = c.blob JOIN transfer t ON t.id = f.transfer WHERE c.size > 0 GROUP BY c.blob`)
  return new Map(rows.map(({ content, files }) => [String(content), String(files)]))
}

/** The digest of each stored file, by id. */
export function storedIn(store: string): Map<string, unknown> {
  const rows = query(store, `SELECT t.fid || '/' || f.number AS id, c.digest FROM file f JOIN transfer t ON t.id = f.transfer
    JOIN content c ON c.blob = f.content WHERE f.state = 1`)
  return new Map(rows.map(({ id, digest }) => [String(id), digest]))
}
