/**
 * What the daemon counts about itself: plain numbers that its parts add to, and that `metrics/` reads when somebody asks. Nothing here says
 * who did what: no users, no names.
 */
import type { ErrorCode } from '../protocol/errors.ts'

export class Counts {
  connections = 0
  /** Told `busy`. */
  connectionsRefused = 0
  /** By message type; what is no known type is under 0. */
  readonly messages = new Map<number, number>()
  /** Payloads, of messages of every type. */
  receivedBytes = 0
  readonly errors = new Map<ErrorCode, number>()
  cycles = 0
  cyclesFailed = 0
  chunksMarked = 0
  bytesMarked = 0
  filesStored = 0
  /** In which damage was found. */
  contentsDamaged = 0
  /** How long a commit cycle took; set by who wants to know. */
  onCycle: ((seconds: number) => void) | undefined

  message(type: number, payloadBytes: number): void {
    this.messages.set(type, (this.messages.get(type) ?? 0) + 1)
    this.receivedBytes += payloadBytes
  }

  error(code: ErrorCode): void {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1)
  }

  cycle(chunks: number, bytes: number, durationMs: number): void {
    this.cycles++
    this.chunksMarked += chunks
    this.bytesMarked += bytes
    this.onCycle?.(durationMs / 1000)
  }
}
