/**
 * One Ok for many chunks (docs/protocol.md, RESPONSE): joins the answers that a commit cycle gives to one transfer of one connection into
 * runs, at most 1,024 in each RESPONSE. Which chunks may be answered so is the matter of transfer.ts.
 */
import { ACK_RUNS_MAX } from '../../protocol/limits.ts'
import type { Encoding } from '../../protocol/messages.ts'
import type { OpenTransfer } from '../open-transfers.ts'
import type { Session } from '../session.ts'

const openRanges = new WeakMap<OpenTransfer, Ranges>()

/** Those of the cycle whose answers are being given; what was added to them is sent after all of these. */
export function rangesOf(session: Session, open: OpenTransfer, encoding: Encoding): Ranges {
  const existing = openRanges.get(open)
  if (existing !== undefined) return existing
  const ranges = new Ranges(session, open.transfer.fid, encoding)
  openRanges.set(open, ranges)
  // The answers of a cycle are given in one go, so this comes after all of them.
  queueMicrotask(() => {
    openRanges.delete(open)
    ranges.send()
  })
  return ranges
}

/** Runs that grow while a cycle's answers are given, sent when they all were. */
class Ranges {
  readonly #session: Session
  readonly #fid: string
  readonly #encoding: Encoding
  #runs: [file: number, first: number, count: number][] = []
  #messageId = ''
  #arrival = 0

  constructor(session: Session, fid: string, encoding: Encoding) {
    this.#session = session
    this.#fid = fid
    this.#encoding = encoding
  }

  add(file: number, chunk: number, messageId: string, arrival: number): void {
    const last = this.#runs.at(-1)
    if (last !== undefined && last[0] === file && last[1] + last[2] === chunk) last[2]++
    else {
      if (this.#runs.length === ACK_RUNS_MAX) this.send()
      this.#runs.push([file, chunk, 1])
    }
    if (arrival < this.#arrival) return
    this.#arrival = arrival
    this.#messageId = messageId
  }

  /** Chunks that came in any order are listed in theirs, as the fewest runs. */
  send(): void {
    if (this.#runs.length === 0) return
    const runs = this.#runs.sort((a, b) => a[0] - b[0] || a[1] - b[1])
    const chunks: typeof runs = []
    for (const run of runs) {
      const last = chunks.at(-1)
      if (last !== undefined && last[0] === run[0] && last[1] + last[2] === run[1]) last[2] += run[2]
      else chunks.push(run)
    }
    this.#runs = []
    this.#arrival = 0
    this.#session.ok(this.#messageId, this.#encoding, { fid: this.#fid, chunks })
  }
}
