/** The progress of many puts or gets as one: who listens hears sums over all files that were begun. */
import type { ClientEvent, OnEvent } from './events.ts'

type Progress = Extract<ClientEvent, { type: 'progress' }>

export class AllProgress {
  readonly #onEvent: OnEvent | undefined
  #sentBytes = 0
  #acknowledgedBytes = 0
  #totalBytes = 0
  #unsized = 0

  constructor(onEvent: OnEvent | undefined) {
    this.#onEvent = onEvent
  }

  /** For one of them: its progress is added to that of the others, everything else is passed on. */
  listener(): OnEvent | undefined {
    const onEvent = this.#onEvent
    if (onEvent === undefined) return undefined
    let before: Progress | undefined
    return event => {
      if (event.type !== 'progress') return onEvent(event)
      this.#sentBytes += event.sentBytes - (before?.sentBytes ?? 0)
      this.#acknowledgedBytes += event.acknowledgedBytes - (before?.acknowledgedBytes ?? 0)
      this.#totalBytes += (event.totalBytes ?? 0) - (before?.totalBytes ?? 0)
      this.#unsized += Number(event.totalBytes === null) - Number(before?.totalBytes === null)
      before = event
      onEvent({
        type: 'progress', sentBytes: this.#sentBytes, acknowledgedBytes: this.#acknowledgedBytes,
        totalBytes: this.#unsized > 0 ? null : this.#totalBytes,
      })
    }
  }
}
