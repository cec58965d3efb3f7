/**
 * Blobs that no record refers to. There should be none: a crash leaves garbage, which is a record. A loss of power with durability
 * `process` may.
 */
import fs from 'node:fs'
import path from 'node:path'
import { blobPath } from './blob-path.ts'
import type { Database } from './database.ts'
import { RECEIVING } from './schema.ts'

export interface Orphan {
  readonly file: string
  readonly sizeBytes: number
  /** It bears a blob's name, so it is ours. */
  readonly isBlob: boolean
}

/** Of a stored file the blob is its content's: one of its own, where it shares another's, is not needed. */
const IS_KNOWN = `SELECT 1 FROM file WHERE id = ? AND state = ${RECEIVING} UNION ALL SELECT 1 FROM content WHERE blob = ?
  UNION ALL SELECT 1 FROM garbage WHERE blob = ? UNION ALL SELECT 1 FROM repair WHERE blob = ?`

export function* orphansOf(db: Database, directory: string): Generator<Orphan> {
  const blobs = path.join(directory, 'blobs')
  for (const shard of fs.readdirSync(blobs).sort()) {
    for (const name of fs.readdirSync(path.join(blobs, shard)).sort()) {
      const file = path.join(blobs, shard, name)
      const id = Number.parseInt(name, 16)
      const isBlob = file === blobPath(blobs, id).file
      if (!isBlob || db.get(IS_KNOWN, id, id, id, id) === undefined) yield { file, sizeBytes: fs.statSync(file).size, isBlob }
    }
  }
}
