/**
 * What reclaiming leaves, judged on the disk and in the catalog: nothing that has expired, no garbage, and a blob for each content and no
 * other.
 */
import { createHash } from 'node:crypto'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Violation } from '../support/record.ts'
import { blobName, query, storedIn } from './catalog.ts'
import type { Job } from './plan.ts'

const CONTENTS = 'SELECT blob FROM content WHERE size > 0'

/** Throws `Violation` where something is left that had expired then, or there is a blob too many or too few. Nobody may have the store open. */
export function compareLeftovers(store: string, nowMs: number, unfinishedKeptMs: number): void {
  const unfinishedBeforeMs = nowMs - unfinishedKeptMs
  const fail = (what: string, found: readonly unknown[]): void => {
    if (found.length > 0) throw new Violation(`${found.length} ${what}, such as ${found.slice(0, 5).join(' ')}`)
  }
  const files = (condition: string, ...values: number[]): unknown[] => query(store, `SELECT t.fid || '/' || f.number AS id FROM file f
    JOIN transfer t ON t.id = f.transfer WHERE ${condition}`, ...values).map(({ id }) => id)
  fail('files have expired and are there', files('f.state = 1 AND f.expires < ?', nowMs))
  fail('unfinished files have expired and are there', files('f.state = 0 AND t.touched < ?', unfinishedBeforeMs))
  fail('repairs have expired and are there', files('t.touched < ? AND f.id IN (SELECT file FROM repair)', unfinishedBeforeMs))
  fail('blobs are garbage still', query(store, 'SELECT blob FROM garbage').map(({ blob }) => blob))
  fail('blobs have no record', needlessBlobs(store))
  const there = new Set(blobsIn(store))
  fail('contents have no blob', blobsOf(store, CONTENTS).filter(name => !there.has(name)))
}

/** Blobs, garbage included, that are neither a content's, nor a repair's, nor that of a file that is not finished. */
export function needlessBlobs(store: string): string[] {
  const needed = new Set(blobsOf(store, `${CONTENTS} UNION ALL SELECT id FROM file WHERE state = 0 UNION ALL SELECT blob FROM repair`))
  return blobsIn(store).filter(name => !needed.has(name))
}

function blobsOf(store: string, sql: string): string[] {
  return query(store, sql).map(({ blob }) => blobName(Number(blob)))
}

/** What is finished, and neither removed nor expired, is recorded as stored. */
export function compareRecords(store: string, finished: readonly Job[]): void {
  const stored = storedIn(store)
  for (const { transfer } of finished) {
    for (const file of transfer.files) {
      const id = `${transfer.fid}/${file.number}`
      if (transfer.removalOf(file) === 'no' && !file.mayHaveLapsed && stored.get(id) !== file.digest) {
        throw new Violation(`${id} was stored as ${file.digest}, and is recorded as ${stored.get(id)}`)
      }
      file.rest()
    }
  }
}

/** Says the same as long as the store is the same, record by record and blob by blob. */
export function fingerprint(store: string): string {
  const hash = createHash('sha256')
  for (const { name } of query(store, `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`)) {
    hash.update(JSON.stringify([name, query(store, `SELECT * FROM ${name}`)]))
  }
  for (const name of blobsIn(store)) hash.update(`${name} ${statSync(join(store, 'blobs', name)).size} `)
  return hash.digest('hex')
}

function blobsIn(store: string): string[] {
  return readdirSync(join(store, 'blobs'), { recursive: true, encoding: 'utf8' }).filter(name => name.includes('/')).sort()
}
