/**
 * TRANSFER: one chunk to its place, and its answer once that is safe (docs/protocol.md, TRANSFER and RESPONSE). With `acks: each` every
 * chunk is answered by itself; with `ranges` one Ok stands for what a commit cycle marked, but for opaque chunks, errors and the Ok that
 * says `stored`.
 */
import { crc32 } from 'node:zlib'
import { isVersion8 } from '../../protocol/chunk-id.ts'
import { TallyError } from '../../protocol/errors.ts'
import { type ChunkWords, type Encoding, MESSAGE_TYPE, type Transfer } from '../../protocol/messages.ts'
import { checkScope } from '../auth/rights.ts'
import type { OpenTransfer, Place, RestingTransfer } from '../open-transfers.ts'
import type { Session } from '../session.ts'
import type { ChunkReply, StoredFile } from '../transfers/reply.ts'
import { rangesOf } from './ranges.ts'

export function handleTransfer(session: Session, message: Transfer, encoding: Encoding): void | Promise<void> {
  const turn = session.flow.turn(message.data.length)
  if (turn === undefined) return take(session, message, encoding)
  return turn.then(isMine => (isMine ? take(session, message, encoding) : undefined))
}

function take(session: Session, message: Transfer, encoding: Encoding): void | Promise<void> {
  if (isVersion8(message.chunk)) return handleNumbered(session, message, encoding)
  handleOpaque(session, message, encoding)
}

function handleNumbered(session: Session, message: Transfer, encoding: Encoding): void | Promise<void> {
  check(session, message)
  const place = session.transfers.placeOf(message.chunk)
  if (place === undefined) throw new TallyError('chunk-unknown', 'the chunk fits no open transfer of this connection')
  const { open, resting } = place.entry
  if (open !== undefined) receiveNumbered(session, message, encoding, open, place)
  else if (resting !== undefined) return receiveResting(session, message, encoding, resting, place)
}

/** Its transfer is whole and not in memory: the chunk comes a second time. */
async function receiveResting(
  session: Session, message: Transfer, encoding: Encoding, resting: RestingTransfer, place: Place,
): Promise<void> {
  // They outlast the call, and the frame's bytes do not.
  const data = new Uint8Array(message.data)
  const open = await session.wake(resting)
  receiveNumbered(session, { ...message, data }, encoding, open, place)
}

function receiveNumbered(
  session: Session, { messageId, data }: Transfer, encoding: Encoding, open: OpenTransfer, { file, chunk }: Place,
): void {
  const reply = open.acks === 'each'
    ? new EachReply(session, messageId, encoding, data.length)
    : new RangesReply(session, open, messageId, encoding, data.length)
  open.transfer.receiveNumbered(file, chunk, data, reply)
}

function handleOpaque(session: Session, message: Transfer, encoding: Encoding): void {
  const { latest } = session.transfers
  const { chunk, data } = message
  try {
    check(session, message)
  } catch (error) {
    latest?.transfer.refusedOpaque(chunk, session)
    throw error
  }
  if (latest === undefined) throw new TallyError('chunk-unknown', 'this connection has no open transfer')
  const reply = new EachReply(session, message.messageId, encoding, data.length)
  latest.transfer.receiveOpaque(chunk, data, reply, session, session.transfers.othersWithPairs())
}

/** Throws `unauthenticated`, `token-expired`, `forbidden`, `crc-mismatch`. */
function check(session: Session, { chunk, data, crc32 }: Transfer): void {
  checkScope(session.identity(), MESSAGE_TYPE.TRANSFER)
  if (crc32 !== undefined) checkCrc(chunk, data, crc32)
}

let arrivals = 0

/** An answer of its own. */
class EachReply implements ChunkReply {
  readonly session: Session
  readonly messageId: string
  readonly encoding: Encoding
  readonly #lengthBytes: number

  constructor(session: Session, messageId: string, encoding: Encoding, lengthBytes: number) {
    this.session = session
    this.messageId = messageId
    this.encoding = encoding
    this.#lengthBytes = lengthBytes
    session.flow.begin(lengthBytes)
  }

  acknowledged(_file: number, _chunk: number, stored: StoredFile | undefined): void {
    if (stored === undefined) this.session.connection.sendOk(this.messageId, this.encoding)
    else this.session.ok(this.messageId, this.encoding, { stored })
    this.settled()
  }

  refused(error: TallyError): void {
    this.session.refuse(error, this)
    this.settled()
  }

  protected settled(): void {
    this.session.flow.end(this.#lengthBytes)
    // Not at once: the answers of a cycle may still have to be joined and sent.
    if (this.session.isInputOver) setImmediate(() => this.session.closeIfDone())
  }
}

/** An answer that may be joined with others of the same cycle. */
class RangesReply extends EachReply {
  readonly #open: OpenTransfer
  /** Counts arrivals: an Ok for a run repeats the message-id of the latest. */
  readonly #arrival: number

  constructor(session: Session, open: OpenTransfer, messageId: string, encoding: Encoding, lengthBytes: number) {
    super(session, messageId, encoding, lengthBytes)
    this.#open = open
    this.#arrival = ++arrivals
  }

  override acknowledged(file: number, chunk: number, stored: StoredFile | undefined): void {
    const { fid } = this.#open.transfer
    if (stored === undefined) rangesOf(this.session, this.#open, this.encoding).add(file, chunk, this.messageId, this.#arrival)
    else this.session.ok(this.messageId, this.encoding, { fid, chunks: [[file, chunk, 1]], stored })
    this.settled()
  }
}

/** zlib's CRC-32 over the 16 bytes of the chunk's UUID, then the data. */
function checkCrc(chunk: ChunkWords, data: Uint8Array, expected: number): void {
  const uuid = Buffer.alloc(16)
  for (let i = 0; i < 4; i++) uuid.writeUInt32BE(chunk[i] as number, i * 4)
  if (crc32(data, crc32(uuid)) !== expected) throw new TallyError('crc-mismatch', 'the chunk was damaged on its way', { expected })
}
