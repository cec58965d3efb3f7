/**
 * One connection's share of an upload: keeps a window of chunks unanswered, reads Oks singly or in ranges, and enters both into the
 * record. It ends when every chunk of its share is answered, or with the connection.
 */
import { type Answer, ConnectionLost, type RawClient } from '../support/raw-client.ts'
import { NoRoom, type RecordedFile, type RecordedTransfer, Refusal, Violation } from '../support/record.ts'
import { TYPE } from '../support/wire.ts'
import { randomUUID } from 'node:crypto'
import type { Happening } from './trigger.ts'

export interface Parcel {
  readonly file: RecordedFile
  readonly index: number
  readonly uuid: string
}

export interface LaneOptions {
  readonly client: RawClient
  readonly transfer: RecordedTransfer
  readonly window: number
  readonly happened: (what: Happening) => void
  readonly count: (what: 'sent' | 'sentTwice' | 'acked') => void
}

export function sendParcels(parcels: readonly Parcel[], options: LaneOptions): Promise<void> {
  const { client, transfer, window, happened, count } = options
  const unanswered = new Map<string, Parcel>()
  let next = 0
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown): void => {
      client.onAnswer = undefined
      reject(cause)
    }
    const send = (): void => {
      while (next < parcels.length && unanswered.size < window) {
        const parcel = parcels[next++] as Parcel
        if (parcel.file.sent[parcel.index] !== 0) count('sentTwice')
        parcel.file.markSent(parcel.index)
        count('sent')
        const id = randomUUID()
        unanswered.set(id, parcel)
        client.send(TYPE.transfer, { 'message-id': id, chunk: parcel.uuid, data: parcel.file.chunk(parcel.index) })
        happened('sent')
        if (parcel.file.sentCount === parcel.file.chunkCount) happened('last-sent')
      }
      if (unanswered.size === 0 && next >= parcels.length) {
        client.onAnswer = undefined
        resolve()
      }
    }
    const take = (answer: Answer): void => {
      const parcel = unanswered.get(answer['message-id'])
      if (answer.response === 'Error') {
        if (parcel === undefined) throw new Violation(`an Error about nothing that was asked: ${JSON.stringify(answer)}`)
        unanswered.delete(answer['message-id'])
        refused(transfer, parcel, answer)
        return
      }
      if (answer.chunks === undefined) {
        // Answers to other requests on this connection are awaited by their own.
        if (parcel === undefined) return
        unanswered.delete(answer['message-id'])
        accept(parcel)
      } else {
        for (const [id, one] of unanswered) {
          if (!answer.chunks.some(([file, first, many]) => file === one.file.number && one.index >= first && one.index < first + many)) {
            continue
          }
          unanswered.delete(id)
          accept(one)
        }
      }
      if (answer.stored !== undefined) noteStored(transfer, answer.stored, happened)
    }
    const accept = (parcel: Parcel): void => {
      parcel.file.markAcked(parcel.index)
      count('acked')
      happened('acked')
    }
    client.onAnswer = answer => {
      try {
        take(answer)
        send()
      } catch (cause) {
        fail(cause)
      }
    }
    client.ended.then(() => fail(new ConnectionLost('the connection ended')))
    try {
      send()
    } catch (cause) {
      fail(cause)
    }
  })
}

function noteStored(transfer: RecordedTransfer, stored: { file: number; digest: string }, happened: (what: Happening) => void): void {
  const file = transfer.files[stored.file]
  if (file === undefined || file.digest !== stored.digest) {
    throw new Violation(`${transfer.fid}/${stored.file} is stored as ${stored.digest}`)
  }
  if (!file.storedSeen) happened('stored')
  file.storedSeen = true
}

function refused(transfer: RecordedTransfer, parcel: Parcel, answer: Answer): void {
  if (answer.code === 'digest-mismatch' && parcel.file.plan.digest === 'wrong') {
    parcel.file.forgetChunks()
    return
  }
  if (answer.code === 'digest-mismatch' && parcel.file.isSpoilt) {
    // More is damaged than was known when the repair began.
    parcel.file.forgetChunks()
    return
  }
  if (answer.code === 'chunk-unknown' && (transfer.removalOf(parcel.file) !== 'no' || parcel.file.mayHaveLapsed)) return
  if (answer.code === 'quota-exceeded') throw new NoRoom(answer)
  throw new Refusal(`${transfer.fid} file ${parcel.file.number} chunk ${parcel.index}: ${answer.code} (${answer.reason})`)
}
