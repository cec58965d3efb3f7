/**
 * The progress of a command that moves one file or many: what the library tells, and how many files there are in all once that is known.
 */
import type { ClientEvent } from '../events.ts'
import type { Output } from './output.ts'
import type { Amounts } from './progress.ts'

export class Moving {
  readonly #output: Output
  readonly #label: string
  readonly #isOne: boolean
  #isHashing = false
  #done = 0
  #total: { readonly files: number; readonly bytes: number } | undefined
  #amounts: Amounts = { acknowledgedBytes: 0, sentBytes: 0, totalBytes: null }

  /**
   * @param only the path or id, where it is a single file
   * @param sizes of all files, in bytes; counted beside the work, and only where somebody sees it
   */
  constructor(output: Output, only: string | undefined, sizes: Iterable<number> | AsyncIterable<number>) {
    this.#output = output
    this.#label = only ?? ''
    this.#isOne = only !== undefined
    // Where counting fails there is a line without a total; the work itself tells what is wrong.
    if (!this.#isOne && output.messages.isLive) this.#count(sizes).catch(() => {})
  }

  event(event: ClientEvent): void {
    if (event.type === 'hashing') return this.#drawHashing(event.hashedBytes, event.totalBytes)
    if (event.type !== 'progress') return this.#output.event(this.#label, event)
    if (this.#isHashing) this.#output.next()
    this.#isHashing = false
    this.#amounts = event
    this.#draw()
  }

  /** One file more has ended. */
  done(): void {
    this.#done++
    this.#draw()
  }

  /** A single file that is not sent yet. Of many the sums go on meanwhile. */
  #drawHashing(hashedBytes: number, totalBytes: number): void {
    if (!this.#isOne) return
    this.#isHashing = true
    this.#output.progress(`hashing ${this.#label}`, { acknowledgedBytes: hashedBytes, totalBytes })
  }

  #draw(): void {
    const files = this.#isOne ? {} : { files: { done: this.#done, total: this.#total?.files ?? null } }
    const totalBytes = this.#isOne ? this.#amounts.totalBytes : this.#total?.bytes ?? null
    this.#output.progress(this.#label, { ...this.#amounts, totalBytes, ...files })
  }

  async #count(sizes: Iterable<number> | AsyncIterable<number>): Promise<void> {
    let files = 0
    let bytes = 0
    for await (const size of sizes) {
      files++
      bytes += size
    }
    this.#total = { files, bytes }
  }
}
