/** The baseline `sha256`: the processor time that SHA-256 alone takes, over bytes that are in memory. */
import { createHash, randomFillSync } from 'node:crypto'
import { answerTasks } from '../support/child.ts'

/** In pieces of 1 MiB. */
export interface Sha256Task {
  readonly sizeBytes: number
}

/** Seconds of processor time. */
export type Sha256Result = number

const block = randomFillSync(Buffer.allocUnsafe(1024 * 1024))

answerTasks<Sha256Task, Sha256Result>(async ({ sizeBytes }) => {
  const before = process.cpuUsage()
  const hash = createHash('sha256')
  for (let doneBytes = 0; doneBytes < sizeBytes; doneBytes += block.length) hash.update(block.subarray(0, sizeBytes - doneBytes))
  hash.digest()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1e6
})
