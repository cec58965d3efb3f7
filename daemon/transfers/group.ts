/**
 * What arrived for one file since its last commit cycle: the chunks, their bytes, who waits for them, and the pairs of opaque ones.
 * A group is gathered by an `Upload`, taken whole by the group commit, and then committed or failed as one.
 */
import { ChunkSet } from '../../protocol/chunk-set.ts'
import type { TallyError } from '../../protocol/errors.ts'
import type { Pair } from '../storage/storage.ts'
import { Extents } from './extents.ts'
import type { ChunkReply } from './reply.ts'

export class Group {
  readonly chunks = new ChunkSet()
  readonly extents = new Extents()
  readonly pairs: Pair[] = []
  /** Chunk numbers in order of arrival, and at the same index who waits for each. */
  readonly order: number[] = []
  readonly replies: ChunkReply[] = []
  /** Chunks that came again while the first one was pending: they share its outcome. */
  readonly duplicateOrder: number[] = []
  readonly duplicateReplies: ChunkReply[] = []

  add(chunk: number, offsetBytes: number, data: Uint8Array, reply: ChunkReply): void {
    this.chunks.add(chunk)
    this.extents.add(offsetBytes, data)
    this.order.push(chunk)
    this.replies.push(reply)
  }

  addDuplicate(chunk: number, reply: ChunkReply): void {
    this.duplicateOrder.push(chunk)
    this.duplicateReplies.push(reply)
  }

  /** Gives everybody who waits the same answer. */
  refuse(error: TallyError): void {
    for (const reply of this.replies) reply.refused(error)
    for (const reply of this.duplicateReplies) reply.refused(error)
  }
}
