/**
 * What stays at the daemon of a stream whose put failed. A file that is put again goes on with what is there; a stream comes only once, so
 * what is there of it only takes room, and whoever put it has to know its fid to free that.
 */
import type { ClientEvent } from '../events.ts'
import { errorValue } from './exit.ts'
import { sizeText } from './text.ts'

/** The daemon was told to remove it. */
const REMOVED_CODES: ReadonlySet<string> = new Set(['digest-mismatch', 'file-changed'])

export class KeptPart {
  #fid: string | undefined
  /** Chunks that were on their way when it failed may add to it. */
  #acknowledgedBytes = 0

  event(event: ClientEvent): void {
    if (event.type === 'announced') this.#fid = event.fid
    if (event.type === 'progress') this.#acknowledgedBytes = event.acknowledgedBytes
  }

  /** After the failure: as people read it, and as JSON has it. */
  after(error: unknown): { readonly text: string; readonly value: object } {
    const fid = this.#fid
    if (fid === undefined || REMOVED_CODES.has(errorValue(error).code)) return { text: 'nothing of the stream is kept', value: {} }
    if (this.#acknowledgedBytes === 0) {
      const text = `nothing of the stream was acknowledged; what may have arrived of it \`tally rm ${fid}\` frees, else it expires`
      return { text, value: { fid, acknowledgedBytes: 0 } }
    }
    return {
      text: `of the stream ${sizeText(this.#acknowledgedBytes)} or more are kept, which no other put continues: ` +
        `\`tally rm ${fid}\` frees them, else they expire`,
      value: { fid, acknowledgedBytes: this.#acknowledgedBytes },
    }
  }
}
