/**
 * Many clients at once: a connection and a transfer each, all sending chunks of 1 KiB, then staying there with their files half sent, until
 * they are told to leave.
 */
import { randomBytes } from 'node:crypto'
import { encodeTransferFrame } from '../../protocol/index.ts'
import { answerTasks } from '../support/child.ts'
import type { Access } from '../support/daemon.ts'
import { announce, Link, NumberedIds, removeTransfer } from '../support/link.ts'

const CHUNK_SIZE_BYTES = 1024
/** Unanswered chunks of one client. */
const WINDOW = 16
/** Connecting and leaving goes so many at a time. */
const AT_ONCE = 64

export type CrowdTask =
  | { readonly do: 'arrive'; readonly access: Access; readonly count: number }
  /** All at once, so many chunks each, and every Ok is awaited. */
  | { readonly do: 'send'; readonly chunks: number }
  | { readonly do: 'leave' }

interface Member {
  readonly link: Link
  readonly fid: string
  send(count: number): Promise<void>
}

const crowd: Member[] = []
const data = randomBytes(CHUNK_SIZE_BYTES)

async function arrive(access: Access): Promise<Member> {
  const link = await Link.open(access, 'msgpack')
  const { fid, ids } = await announce(link, access, 1024 * 1024 * 1024, { chunkSizeBytes: CHUNK_SIZE_BYTES, acks: 'each' })
  const numbers = new NumberedIds()
  let sent = 0
  let answered = 0
  const send = (count: number): Promise<void> => new Promise((resolve, reject) => {
    const until = sent + count
    const fill = (): void => {
      for (; sent < until && sent - answered < WINDOW; sent++) {
        link.socket.write(encodeTransferFrame('A', numbers.idOf(sent), ids.encode(0, sent), data))
      }
    }
    link.failed = reject
    link.hook = payload => {
      if (numbers.numberOf(payload) === undefined) return false
      answered += 1
      if (answered === until) resolve()
      else fill()
      return true
    }
    fill()
  })
  return { link, fid, send }
}

async function manyTimes(count: number, work: () => Promise<void>): Promise<void> {
  let left = count
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, count) }, async () => {
    while (left-- > 0) await work()
  }))
}

/** Answers how many there are. */
answerTasks<CrowdTask, number>(async task => {
  if (task.do === 'arrive') await manyTimes(task.count, async () => { crowd.push(await arrive(task.access)) })
  else if (task.do === 'send') await Promise.all(crowd.map(member => member.send(task.chunks)))
  else {
    await manyTimes(crowd.length, async () => {
      const { link, fid } = crowd.pop() as Member
      link.hook = undefined
      await removeTransfer(link, fid)
      link.close()
    })
  }
  return crowd.length
})
