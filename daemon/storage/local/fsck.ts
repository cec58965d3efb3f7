/**
 * Checks a whole store that no daemon serves: the catalog in itself, every stored content against its digest, every marked byte of what
 * is unfinished against the length of its blob, and every blob against the catalog. Of what it finds it writes down which blocks of a
 * content are damaged, so that nobody is sent them and a repair asks for them; where they are whole again, that is forgotten. Chunks whose
 * bytes are not there are not marked any more.
 */
import fs from 'node:fs'
import path from 'node:path'
import type { Run } from '../../../protocol/messages.ts'
import { type ByteRange, rangesOf, rangesOfChunks } from '../blocks.ts'
import type { FileId } from '../storage.ts'
import { blobPath } from './blob-path.ts'
import { checkBlob } from './check-blob.ts'
import type { Database, Row } from './database.ts'
import { Engine } from './engine.ts'
import { lockStore } from './lock.ts'
import { orphansOf } from './orphans.ts'
import { checkOwner } from './owner.ts'
import { loadSums, writeSums } from './records.ts'
import { RECORD_RULES, USAGE_CORRECTION } from './fsck-rules.ts'
import { RECEIVING, STORED } from './schema.ts'
import { giveUpLacking, lackingOf, unfinishedOf } from './unfinished.ts'
import { checkVersion } from './version.ts'
import { openExisting } from './writer.ts'

/** A file whose bytes are not there: of a stored one, `damaged`; of one that is not finished, `incomplete`. */
export interface FileFinding {
  readonly kind: 'damaged' | 'incomplete'
  readonly user: string
  readonly fid: string
  readonly file: number
  readonly name: string
  readonly tags: readonly string[]
  readonly sizeBytes: number | null
  readonly digest: string | null
  readonly blob: FileId
  readonly ranges: readonly ByteRange[]
}

export type Finding =
  | FileFinding
  | { readonly kind: 'catalog'; readonly problem: string }
  /** Relative to the store. */
  | { readonly kind: 'orphan'; readonly path: string; readonly sizeBytes: number }

export interface Summary {
  /** Stored files, and what they consist of. */
  readonly files: number
  readonly contents: number
  readonly bytes: number
  readonly unfinished: number
  /** Findings other than orphans, which take room and harm nothing. */
  readonly problems: number
  readonly orphans: number
}

export interface CheckOptions {
  readonly path: string
  readonly found: (finding: Finding) => void
  /** Writes nothing. */
  readonly isDryRun: boolean
  readonly nowMs: number
}

/** Throws an Error with a sentence where there is no store, it is somebody else's, of another version or in use, or its catalog cannot be opened. */
export function checkStore({ path: directory, found, isDryRun, nowMs }: CheckOptions): Summary {
  checkOwner(directory)
  checkVersion(directory)
  const lock = lockStore(directory)
  try {
    const db = openExisting(directory, isDryRun ? 'reader' : 'writer')
    try {
      return new Check(db, directory, found, isDryRun, nowMs).run()
    } finally {
      db.close()
    }
  } finally {
    lock.release()
  }
}

class Check {
  readonly #db: Database
  readonly #directory: string
  readonly #report: (finding: Finding) => void
  readonly #isDryRun: boolean
  readonly #nowMs: number
  #problems = 0
  #orphans = 0

  constructor(db: Database, directory: string, report: (finding: Finding) => void, isDryRun: boolean, nowMs: number) {
    this.#db = db
    this.#isDryRun = isDryRun
    this.#nowMs = nowMs
    this.#directory = directory
    this.#report = report
  }

  run(): Summary {
    // What SQLite itself finds broken is not worth reading any further.
    if (!this.#checkDatabase()) return { files: 0, contents: 0, bytes: 0, unfinished: 0, problems: this.#problems, orphans: 0 }
    this.#checkRecords()
    const contents = this.#checkContents()
    const unfinished = this.#checkUnfinished()
    this.#checkBlobs()
    const files = this.#db.get(`SELECT count(*) AS files FROM file WHERE state = ${STORED}`)?.files as number
    return { files, ...contents, unfinished, problems: this.#problems, orphans: this.#orphans }
  }

  #found(finding: Finding): void {
    if (finding.kind === 'orphan') this.#orphans++
    else this.#problems++
    this.#report(finding)
  }

  #checkDatabase(): boolean {
    try {
      for (const row of this.#db.all('PRAGMA integrity_check')) {
        if (row.integrity_check !== 'ok') this.#found({ kind: 'catalog', problem: String(row.integrity_check) })
      }
      for (const { table, rowid, parent } of this.#db.all('PRAGMA foreign_key_check')) {
        this.#found({ kind: 'catalog', problem: `row ${rowid} of ${table} refers to a ${parent} that is not there` })
      }
    } catch (cause) {
      this.#found({ kind: 'catalog', problem: (cause as Error).message })
    }
    return this.#problems === 0
  }

  /** What no constraint of the schema holds; what users count is put right. */
  #checkRecords(): void {
    for (const [what, sql] of RECORD_RULES) for (const { id } of this.#db.all(sql)) this.#found({ kind: 'catalog', problem: `${what} (${id})` })
    if (!this.#isDryRun) this.#db.run(USAGE_CORRECTION)
  }

  #checkContents(): { contents: number; bytes: number } {
    const rows = this.#db.all('SELECT c.blob, c.digest, c.damaged, max(f.size) AS size FROM content c JOIN file f ON f.content = c.blob GROUP BY c.blob')
    let bytes = 0
    for (const { blob, digest, damaged: noted, size } of rows) {
      bytes += size as number
      const { damaged, sums } = checkBlob(this.#pathOf(blob as FileId), size as number, digest as string, loadSums(this.#db, blob as FileId))
      const note = damaged.length === 0 ? null : JSON.stringify(damaged)
      if (!this.#isDryRun && note !== noted) this.#db.run('UPDATE content SET damaged = ? WHERE blob = ?', note, blob as FileId)
      if (damaged.length === 0) {
        if (!this.#isDryRun) writeSums(this.#db, blob as FileId, sums)
        continue
      }
      const ranges = rangesOf(damaged, size as number)
      for (const row of this.#files('f.content = ?', blob as FileId)) this.#found({ ...fileOf(row, blob as FileId), kind: 'damaged', ranges })
    }
    return { contents: rows.length, bytes }
  }

  /** What is marked and not there is forgotten: else a client would be told that it is, and never send it. */
  #checkUnfinished(): number {
    const rows = this.#files('f.state = ?', RECEIVING)
    for (const row of rows) {
      const file = unfinishedOf(row)
      const blobBytes = fs.statSync(this.#pathOf(file.id), { throwIfNoEntry: false })?.size ?? 0
      let lacking: Run[]
      try {
        lacking = lackingOf(this.#db, file, blobBytes)
      } catch (cause) {
        this.#found({ kind: 'catalog', problem: `receipts of file ${file.id} cannot be read: ${(cause as Error).message}` })
        continue
      }
      if (lacking.length === 0) continue
      this.#found({ ...fileOf(row, file.id), kind: 'incomplete', ranges: rangesOfChunks(lacking, file.chunkSizeBytes, file.sizeBytes) })
      if (!this.#isDryRun) this.#db.atomically(() => giveUpLacking(this.#db, new Engine(this.#db), file, lacking, this.#nowMs))
    }
    return rows.length
  }

  #checkBlobs(): void {
    for (const { file, sizeBytes } of orphansOf(this.#db, this.#directory)) {
      this.#found({ kind: 'orphan', path: path.relative(this.#directory, file), sizeBytes })
    }
  }

  #files(condition: string, value: number): Row[] {
    return this.#db.all(`SELECT u.name AS user, t.fid, f.id, f.transfer, f.number, f.name, f.tags, f.size, f.kind, f.chunk_size, coalesce(c.digest, f.digest) AS digest
      FROM file f JOIN transfer t ON t.id = f.transfer JOIN user u ON u.id = f.owner LEFT JOIN content c ON c.blob = f.content
      WHERE ${condition} ORDER BY f.id`, value)
  }

  #pathOf(blob: FileId): string {
    return blobPath(path.join(this.#directory, 'blobs'), blob).file
  }
}

function fileOf(row: Row, blob: FileId): Omit<FileFinding, 'kind' | 'ranges'> {
  return {
    user: row.user as string, fid: row.fid as string, file: row.number as number, name: row.name as string, blob,
    tags: JSON.parse(row.tags as string) as string[], sizeBytes: row.size as number | null, digest: row.digest as string | null,
  }
}
