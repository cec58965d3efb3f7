/**
 * What a command says: results on standard output, as text or JSON lines; what happens meanwhile on standard error, and a progress line
 * there only on a terminal. Nothing that a server or a file name brought reaches a terminal unescaped.
 */
import { once } from 'node:events'
import type { ClientEvent } from '../events.ts'
import { type Amounts, Rate, progressLine } from './progress.ts'
import { type Terminal, terminalOf } from './terminal.ts'
import { jsonText } from './text.ts'
import { Waits } from './waits.ts'

const PROGRESS_EVERY_MS = 100

export class Output {
  readonly json: boolean
  /** Where the results go. */
  readonly results: Terminal = terminalOf(process.stdout, process.env)
  /** Where people read what happens meanwhile. */
  readonly messages: Terminal = terminalOf(process.stderr, process.env)
  #isLineShown = false
  #drawnMs = -Infinity
  #rate = new Rate()
  readonly #waits = new Waits()

  constructor(json: boolean) {
    this.json = json
  }

  /** One result: `text` for people, escaped already where that is needed, or `value` as a line of JSON. */
  result(text: string, value: object): void {
    // Results that go elsewhere leave the line of progress alone.
    if (this.results.isLive) this.#clear()
    process.stdout.write(this.json ? `${jsonText(value)}\n` : `${text}\n`)
  }

  /** Raw bytes; resolves when more may come. Throws the signal's reason. */
  async bytes(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    process.stdout.write(bytes)
    await this.room(signal)
  }

  /** Resolves when whoever reads the results has taken enough of them that more may come. Throws the signal's reason. */
  async room(signal: AbortSignal): Promise<void> {
    // What else may go wrong with standard output is heard in main.ts.
    if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain', { signal }).catch(() => signal.throwIfAborted())
  }

  /** To people, on standard error, whatever the form of the results. */
  say(text: string): void {
    this.#clear()
    process.stderr.write(`${text}\n`)
  }

  /** What a client tells, as a line that is drawn over, or as lines where they matter. */
  event(label: string, event: ClientEvent): void {
    if (event.type === 'retry') {
      const sentence = this.#waits.sentence(event, this.messages.isLive, performance.now())
      if (sentence !== undefined) this.say(sentence)
    } else if (event.type === 'progress') this.progress(label, event)
  }

  /** How far the work is; drawn now and then. */
  progress(label: string, amounts: Amounts): void {
    const nowMs = performance.now()
    if (!this.messages.isLive || nowMs - this.#drawnMs < PROGRESS_EVERY_MS) return
    this.#drawnMs = nowMs
    const rate = this.#rate.bytesPerSecond(amounts.acknowledgedBytes, nowMs)
    this.#rate.add(amounts.acknowledgedBytes, nowMs)
    // The last column stays free: a cursor there would wrap.
    const line = progressLine(this.messages, this.messages.columns() - 1, label, amounts, rate)
    process.stderr.write(`${this.#isLineShown ? '\r' : ''}${line}\u001b[K`)
    this.#isLineShown = true
  }

  /** Other work begins, whose rate has nothing to do with the one before. */
  next(): void {
    this.#rate = new Rate()
  }

  /** Takes the progress line away. */
  done(): void {
    this.#clear()
  }

  #clear(): void {
    if (this.#isLineShown) process.stderr.write('\r\u001b[K')
    this.#isLineShown = false
  }
}
