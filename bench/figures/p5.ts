/**
 * P5: how long a client that resumes waits for the complete report of what is missing, all of its pages: a file of 1 GiB in chunks of
 * 1 KiB of which every second one is missing, and one of which one run is missing. As the first question after a crash, and as a later one.
 */
import { setTimeout } from 'node:timers/promises'
import { encodeTransferFrame, type Place } from '../../protocol/index.ts'
import { type Access, Daemon } from '../support/daemon.ts'
import type { Figure } from '../support/figure.ts'
import { type Announced, announce, Link, logIn, NumberedIds } from '../support/link.ts'
import { inTurn } from '../support/statistics.ts'

const CHUNK_SIZE_BYTES = 1024
const FILE_BYTES = 1024 * 1024 * 1024
const COUNT = FILE_BYTES / CHUNK_SIZE_BYTES
/** Of the one run. */
const LACKING = 1000

export const p5: Figure = {
  id: 'P5',
  title: 'the complete report of 1 GiB in chunks of 1 KiB, msgpack',
  async run(context) {
    const { pairs, progress } = context
    await using daemon = await Daemon.start(context, 'power')
    const { access } = daemon
    progress('sending every second chunk')
    const alternating = await sendChunks(access, number => number % 2 === 0)
    progress('sending all chunks but one run')
    const oneRun = await sendChunks(access, number => number < COUNT / 2 || number >= COUNT / 2 + LACKING)
    // Twice in a row: first it reads the receipts from the catalog, then it has them.
    const ask = async (fid: string, runs: number, chunks: number): Promise<readonly [number, number]> => {
      await daemon.restart()
      const link = await Link.open(access, 'msgpack')
      try {
        await logIn(link, access)
        return [await report(link, access, fid, runs, chunks), await report(link, access, fid, runs, chunks)]
      } finally {
        link.close()
      }
    }
    const samples = await inTurn(pairs, {
      alternating: () => ask(alternating, COUNT / 2, COUNT / 2),
      oneRun: () => ask(oneRun, 1, LACKING),
    }, progress)
    const row = (name: string, of: 'alternating' | 'oneRun', turn: 0 | 1, limit: number) =>
      ({ name, unit: 'ms', samples: samples[of].map(times => times[turn]), goal: { direction: 'below', limit } as const })
    return [
      row('every second one missing, after a restart', 'alternating', 0, 300),
      row('every second one missing, again', 'alternating', 1, 300),
      row('one run missing, after a restart', 'oneRun', 0, 2),
      row('one run missing, again', 'oneRun', 1, 2),
    ]
  },
}

/** Resolves with the fid when all these chunks are acknowledged. */
async function sendChunks(access: Access, isSent: (number: number) => boolean): Promise<string> {
  const link = await Link.open(access, 'msgpack')
  try {
    const announced = await announce(link, access, FILE_BYTES, { chunkSizeBytes: CHUNK_SIZE_BYTES, acks: 'each' })
    await send(link, announced, Array.from({ length: COUNT }, (_, number) => number).filter(isSent))
    return announced.fid
  } finally {
    link.close()
  }
}

async function send(link: Link, { ids, window }: Announced, chunks: readonly number[]): Promise<void> {
  const numbers = new NumberedIds()
  const data = new Uint8Array(CHUNK_SIZE_BYTES)
  let answered = 0
  let failure: Error | undefined
  link.failed = cause => { failure = cause }
  link.hook = payload => {
    if (numbers.numberOf(payload) === undefined) return false
    answered += 1
    return true
  }
  for (const [sent, chunk] of chunks.entries()) {
    link.socket.write(encodeTransferFrame('A', numbers.idOf(sent), ids.encode(0, chunk), data))
    while ((sent + 1 - answered >= window || sent === chunks.length - 1 && answered <= sent) && failure === undefined) await setTimeout(1)
    if (failure !== undefined) throw failure
  }
}

/** Milliseconds for all pages. Throws where they do not list what is missing. */
async function report(link: Link, access: Access, fid: string, runs: number, chunks: number): Promise<number> {
  const startMs = performance.now()
  let [runCount, chunkCount] = [0, 0]
  let missingAfter: Place | undefined
  do {
    const { files, more } = await logIn(link, access, { fid, ...(missingAfter === undefined ? {} : { missingAfter }) })
    const [file] = files ?? []
    if (file === undefined || !('missing' in file)) throw new Error('the report lists no file')
    runCount += file.missing.length
    for (const [, count] of file.missing) chunkCount += count
    missingAfter = more
  } while (missingAfter !== undefined)
  const timeMs = performance.now() - startMs
  if (runCount !== runs || chunkCount !== chunks) throw new Error(`the report has ${runCount} runs of ${chunkCount} chunks`)
  return timeMs
}
