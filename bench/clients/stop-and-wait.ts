/**
 * The client of P2 and P11 that sends a chunk, waits for its Ok and sends the next: what a foreign client does. Its frames are made
 * beforehand, as ping-pong's are, so what is measured is the daemon and the way to it and back.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { type ChunkWords, encodeFrame, encodeMessage, encodeTransferFrame, MESSAGE_TYPE, uuidToWords } from '../../protocol/index.ts'
import { answerTasks } from '../support/child.ts'
import type { Access } from '../support/daemon.ts'
import { type Announced, announce, Link, NumberedIds, removeTransfer } from '../support/link.ts'

const CHUNK_BYTES = 1024

/** How a chunk stands on the wire. */
export type Form = 'json-base64' | 'json-array' | 'msgpack'

export interface StopAndWaitTask {
  readonly access: Access
  readonly form: Form
  /** Opaque: any UUID, as an original client sends it. */
  readonly ids: 'numbered' | 'opaque'
  /** At most so many chunks. */
  readonly count: number
  /** It ends after so long, however many there were. */
  readonly forMs?: number
  /** Between an Ok and the next chunk. */
  readonly pauseMs?: number
  /** The first ones are not in the result: what they meet is still cold. */
  readonly skip?: number
}

export interface StopAndWaitResult {
  /** From before a chunk is written until its Ok is read. */
  readonly timesMs: readonly number[]
  readonly perSecond: number
}

function makeFrames({ form, ids: kind, count }: StopAndWaitTask, { ids }: Announced, numbers: NumberedIds): Uint8Array[] {
  return Array.from({ length: count }, (_, number) => {
    const data = randomBytes(CHUNK_BYTES)
    const chunk = kind === 'numbered' ? ids.encode(0, number) : wordsOf(randomUUID())
    if (form === 'msgpack') return encodeTransferFrame('A', numbers.idOf(number), chunk, data)
    const message = { type: MESSAGE_TYPE.TRANSFER, messageId: numbers.idOf(number), chunk, data } as const
    return encodeFrame('A', MESSAGE_TYPE.TRANSFER, encodeMessage(message, 'json', { data: form === 'json-array' ? 'array' : 'base64' }))
  })
}

function wordsOf(uuid: string): ChunkWords {
  const words = uuidToWords(uuid)
  if (words === undefined) throw new Error(`not a UUID: ${uuid}`)
  return words
}

async function run(task: StopAndWaitTask): Promise<StopAndWaitResult> {
  const { access, count, forMs = Number.POSITIVE_INFINITY, pauseMs, skip = 0 } = task
  const link = await Link.open(access, task.form === 'msgpack' ? 'msgpack' : 'json')
  try {
    // One chunk more than is sent: the file never finishes, each Ok is a chunk's only.
    const announced = await announce(link, access, (count + 1) * CHUNK_BYTES)
    const numbers = new NumberedIds()
    const frames = makeFrames(task, announced, numbers)
    const timesMs: number[] = []
    const beganMs = performance.now()
    let startMs = beganMs
    for (const [number, frame] of frames.entries()) {
      if (number === skip) startMs = performance.now()
      const sentMs = performance.now()
      if (sentMs - beganMs > forMs) break
      await exchange(link, frame, payload => numbers.numberOf(payload) === number)
      if (number >= skip) timesMs.push(performance.now() - sentMs)
      if (pauseMs !== undefined) await setTimeout(pauseMs)
    }
    const seconds = (performance.now() - startMs) / 1000
    link.hook = undefined
    await removeTransfer(link, announced.fid)
    return { timesMs, perSecond: timesMs.length / seconds }
  } finally {
    link.close()
  }
}

function exchange(link: Link, frame: Uint8Array, isOk: (payload: Uint8Array) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    link.failed = reject
    link.hook = payload => {
      if (isOk(payload)) resolve()
      else reject(new Error(`not the Ok that was waited for: ${Buffer.from(payload).toString('latin1')}`))
      return true
    }
    link.socket.write(frame)
  })
}

answerTasks<StopAndWaitTask, StopAndWaitResult>(run)
