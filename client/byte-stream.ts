/** A download as a web stream: the download writes, the stream's reader pulls, and each waits for the other. */
import { anyOf } from './abort.ts'

type Write = (bytes: Uint8Array) => void | Promise<void>

/**
 * @param run begins at the first read, writes the bytes in order, and resolves when all of them were right
 * @param signal ends the stream with its reason
 */
export function byteStream(
  run: (write: Write, signal: AbortSignal) => Promise<unknown>, signal: AbortSignal | undefined,
): ReadableStream<Uint8Array> & AsyncIterable<Uint8Array> {
  const cancelled = new AbortController()
  let pulled: (() => void) | undefined
  let isRunning = false
  const start = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    isRunning = true
    const write: Write = async bytes => {
      if (bytes.length === 0) return
      const taken = new Promise<void>(resolve => { pulled = resolve })
      controller.enqueue(bytes)
      await taken
    }
    run(write, anyOf(cancelled.signal, signal)).then(
      // A reader who cancelled hears nothing more.
      () => { if (!cancelled.signal.aborted) controller.close() },
      (error: unknown) => { if (!cancelled.signal.aborted) controller.error(error) },
    )
  }
  return new ReadableStream<Uint8Array>({
    pull: controller => {
      if (!isRunning) start(controller)
      pulled?.()
    },
    cancel: reason => {
      cancelled.abort(reason ?? new Error('the stream was cancelled'))
      pulled?.()
    },
  }, { highWaterMark: 0 })
}
