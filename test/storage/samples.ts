/** Small values of the store's contract for its tests: a transfer, a mark, a pair, a query, each with what a test wants to be different. */
import { createHash } from 'node:crypto'
import type { ErrorCode } from '../../protocol/errors.ts'
import type {
  ExpiryLimits, FileRecord, FindQuery, Mark, NewFile, NewTransfer, Pair, TransferRecord,
} from '../../daemon/storage/storage.ts'

export const USER = 'ann'

export function newFile(fields: Partial<NewFile> = {}): NewFile {
  return {
    name: 'a', sizeBytes: 3000, digest: null, mediaType: null, modifiedMs: null, expiresMs: null, meta: null, tags: [], ...fields,
  }
}

export function newTransfer(fid: number, files: readonly NewFile[], fields: Partial<NewTransfer> = {}): NewTransfer {
  return { user: USER, fid: fidOf(fid), chunkSizeBytes: 1000, acks: 'each', madeByDaemon: false, files, nowMs: 1000, ...fields }
}

export function fidOf(number: number): string {
  return `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`
}

export function markOf(transfer: TransferRecord, number: number, fields: Partial<Mark> = {}): Mark {
  return {
    file: fileOf(transfer, number).id, transfer: transfer.id, pages: [], pairs: [], held: [], releaseHeld: false, kind: 'numbered',
    chunkSizeBytes: 1000, receivedBytes: 0, ...fields,
  }
}

export function fileOf(transfer: TransferRecord, number: number): FileRecord {
  const file = transfer.files[number]
  if (file === undefined) throw new Error(`the transfer has no file ${number}`)
  return file
}

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

export function pairOf(uuid: number, file: number, chunk: number): Pair {
  return { uuid: uuid.toString(16).padStart(32, '0'), file, chunk }
}

export const query = (fields: Partial<FindQuery> = {}): FindQuery => ({ user: USER, tags: [], anyTags: [], notTags: [], limit: 100, ...fields })

export const limits = (fields: Partial<ExpiryLimits> = {}): ExpiryLimits => ({
  nowMs: 0, unfinishedBeforeMs: 0, pairsBeforeMs: 0, tombstonesBeforeMs: 0, eventsBeforeMs: 0, dropMade: false, inUse: new Set(), ...fields,
})

export const digestOf = (text: string): string => sha256(Buffer.from(text))

/** The code that a promise rejects with; undefined where it resolves. */
export async function codeOf(promise: Promise<unknown>): Promise<ErrorCode | 'none' | 'other'> {
  try {
    await promise
    return 'none'
  } catch (error) {
    return (error as { code?: ErrorCode }).code ?? 'other'
  }
}
