/**
 * The baseline `sync`: what the disk itself does, as seen from Node: append 1 KiB, fdatasync, again. Both calls are the synchronous
 * ones, because a thread's hop is not the disk's.
 */
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { answerTasks } from '../support/child.ts'

/** `path`: a file that does not exist, on the file system of the stores; it is removed afterwards. */
export interface SyncTask {
  readonly path: string
  readonly count: number
}

/** How long each append with its sync took, in milliseconds. */
export type SyncResult = readonly number[]

answerTasks<SyncTask, SyncResult>(async ({ path, count }) => {
  const bytes = Buffer.alloc(1024, 0x61)
  const timesMs: number[] = []
  const file = openSync(path, 'wx')
  try {
    for (let round = 0; round < count; round++) {
      const startMs = performance.now()
      writeSync(file, bytes)
      fdatasyncSync(file)
      timesMs.push(performance.now() - startMs)
    }
  } finally {
    closeSync(file)
    rmSync(path)
  }
  return timesMs
})
