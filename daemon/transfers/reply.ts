/**
 * What the transfers know of the peer that sent a chunk: somewhere to give its outcome, exactly once. The wire's side of it
 * (message-ids, ranges) is in `handlers/transfer.ts`.
 */
import type { TallyError } from '../../protocol/errors.ts'

export interface StoredFile {
  readonly file: number
  readonly digest: string
}

export interface ChunkReply {
  /** The chunk is marked: it may be acknowledged. `stored` once its whole file is. */
  acknowledged(file: number, chunk: number, stored: StoredFile | undefined): void
  refused(error: TallyError): void
}
