/**
 * What a daemon hands out, compared with the record: finished transfers are reported as stored or gone, FIND lists exactly the files
 * that are there, and FETCH gives their bytes.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { RawClient } from '../support/raw-client.ts'
import type { Random } from '../support/random.ts'
import { type RecordedTransfer, Refusal, Violation } from '../support/record.ts'
import { contentsOf } from './catalog.ts'
import type { Follower } from './follower.ts'
import { list } from './list.ts'
import type { Job } from './plan.ts'
import type { Stock } from './stock.ts'
import { logIn, report, type World } from './workload.ts'

const SAMPLE = 2
/** Removed content is reclaimed after the answer, not before. */
const RECLAIM_POLL_MS = 100
const RECLAIM_POLLS_MAX = 200

/** A few finished transfers. */
export async function compareSome(world: World, stock: Stock, random: Random, tally: { filesCompared: number }): Promise<void> {
  for (let i = 0; i < SAMPLE; i++) await stock.borrow(random, job => compareJob(world, job, tally, 3))
}

/** Every finished transfer, and what FIND lists for each user. */
export async function compareEverything(world: World, finished: readonly Job[], tally: { filesCompared: number }): Promise<void> {
  for (const job of finished) await compareJob(world, job, tally)
  for (const user of new Set(finished.map(job => job.transfer.user))) {
    await compareList(world, user, finished.map(job => job.transfer).filter(transfer => transfer.user === user))
  }
}

/** In the end the store holds one blob per user and content, and nothing that was removed, shared or left by a crash. */
export async function compareBlobs(storePath: string, finished: readonly Job[]): Promise<void> {
  const wanted = new Set<string>()
  // Of transfers that were given up: one whose last Ok was lost was stored all the same, and stays. What was to expire by itself has gone.
  const possible = new Set<string>()
  for (const { transfer } of finished) {
    for (const file of transfer.files) {
      const content = `${transfer.user} ${file.digest}`
      if (transfer.removalOf(file) === 'no' && file.plan.sizeBytes > 0) {
        if (file.lapsing) possible.add(content)
        else if (!file.mayHaveLapsed) wanted.add(content)
      }
      file.rest()
    }
  }
  let found = 0
  let needless: string[] = []
  let absent: string[] = []
  let contents = 0
  for (let poll = 0; poll < RECLAIM_POLLS_MAX; poll++) {
    const there = contentsOf(storePath)
    found = readdirSync(join(storePath, 'blobs'), { recursive: true, withFileTypes: true }).filter(entry => entry.isFile()).length
    needless = [...there].filter(([content]) => !wanted.has(content) && !possible.has(content)).map(([content, files]) => `${content} of ${files}`)
    absent = [...wanted].filter(content => !there.has(content))
    contents = there.size
    if (found === contents && needless.length + absent.length === 0) return
    await sleep(RECLAIM_POLL_MS)
  }
  throw new Violation(`${found} blobs stand for ${contents} contents; needless: ${needless.join(', ')}; absent: ${absent.join(', ')}`)
}

/** Its report, and the bytes of its files. */
export async function compareJob(
  world: World, job: Job, tally: { filesCompared: number }, filesMax = Number.POSITIVE_INFINITY,
): Promise<void> {
  const { transfer } = job
  const client = await RawClient.connect(world.socket)
  try {
    const answer = transfer.wasUnknown ? undefined : await report(world, job, client)
    if (answer === undefined && transfer.removal !== 'done' && !transfer.mustBeGone) {
      throw new Violation(`transfer ${transfer.fid} is not known any more`)
    }
    if (answer === undefined) await logIn(world, client, transfer.user)
    for (const file of transfer.files.slice(0, filesMax)) {
      const gone = transfer.removalOf(file) === 'done'
      const got = await client.fetch({ fid: transfer.fid, file: file.number })
      const about = `transfer ${transfer.fid} file ${file.number}`
      if (gone) {
        if (got.answer.response === 'Ok') throw new Violation(`${about} was removed and is handed out`)
        continue
      }
      if (got.answer.response === 'Error') {
        if (file.mayHaveLapsed || (file.isSpoilt && got.answer.code === 'content-damaged')) continue
        throw new Refusal(`${about} is stored, and FETCH answers ${got.answer.code} (${got.answer.reason})`)
      }
      if (got.absent > 0 || !got.bytes.equals(file.bytes)) {
        throw new Violation(`${about} differs: ${got.bytes.length} bytes, ${got.absent} chunks absent`)
      }
      file.rest()
      file.seenWhole()
      tally.filesCompared++
    }
  } finally {
    client.destroy()
  }
}

/** The user's list by events is the one that FIND shows, once all events are there. */
export async function compareFollower(world: World, user: string, follower: Follower): Promise<void> {
  const client = await RawClient.connect(world.socket)
  try {
    await logIn(world, client, user)
    const listed = await list(client)
    for (let poll = 0; !follower.agrees(listed); poll++) {
      if (poll === RECLAIM_POLLS_MAX) throw new Violation(follower.describe(listed))
      await sleep(RECLAIM_POLL_MS)
    }
  } finally {
    client.destroy()
  }
}

/** Expiry has taken all that is not finished, or had expired then: whoever opened it before would keep it. */
export async function awaitExpiry(world: World, user: string, nowMs: number): Promise<void> {
  const client = await RawClient.connect(world.socket)
  try {
    await logIn(world, client, user)
    for (let poll = 0; ; poll++) {
      const expired = [...await list(client)].filter(([, { expires }]) => typeof expires === 'number' && expires < nowMs)
      const left = [...await list(client, 'receiving'), ...expired].map(([id]) => id)
      if (left.length === 0) return
      if (poll === RECLAIM_POLLS_MAX) throw new Violation(`${left.length} files of ${user} do not expire: ${left.slice(0, 5).join(' ')}`)
      await sleep(RECLAIM_POLL_MS)
    }
  } finally {
    client.destroy()
  }
}

async function compareList(world: World, user: string, transfers: readonly RecordedTransfer[]): Promise<void> {
  const client = await RawClient.connect(world.socket)
  try {
    await logIn(world, client, user)
    const listed = await list(client)
    for (const transfer of transfers) {
      for (const file of transfer.files) {
        const id = `${transfer.fid}/${file.number}`
        const one = listed.get(id)
        listed.delete(id)
        if (one === undefined && file.mayHaveLapsed) continue
        if (transfer.removalOf(file) === 'done') {
          if (one !== undefined) throw new Violation(`FIND lists ${id}, which was removed`)
        } else if (one?.digest !== file.digest || one.size !== file.plan.sizeBytes || one.name !== file.plan.name) {
          throw new Violation(`FIND lists ${id} as ${JSON.stringify(one)}, should be ${file.digest}`)
        }
      }
    }
    for (const [id, one] of listed) throw new Violation(`FIND lists ${id} (${JSON.stringify(one)}), which nobody sent`)
  } finally {
    client.destroy()
  }
}
