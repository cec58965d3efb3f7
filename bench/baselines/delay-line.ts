/**
 * A line of a given length between a client and the daemon: bytes come out at the other end as they went in, so much later, both ways, as
 * fast as they come. What is on the way is held in memory, at most `HELD_BYTES_MAX` a direction.
 */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { answerTasks } from '../support/child.ts'

export interface DelayTask {
  readonly listenPath: string
  readonly toPath: string
  /** One way. */
  readonly delayMs: number
}

const HELD_BYTES_MAX = 64 * 1024 * 1024

function delay(from: Socket, to: Socket, delayMs: number): void {
  const held: { readonly bytes: Buffer | undefined; readonly dueMs: number }[] = []
  let heldBytes = 0
  let isWaiting = false
  const release = (): void => {
    isWaiting = false
    const nowMs = performance.now()
    for (let next = held[0]; next !== undefined && next.dueMs <= nowMs; next = held[0]) {
      held.shift()
      if (next.bytes === undefined) to.end()
      else {
        heldBytes -= next.bytes.length
        to.write(next.bytes)
      }
    }
    if (heldBytes + to.writableLength < HELD_BYTES_MAX) from.resume()
    wait()
  }
  const wait = (): void => {
    const next = held[0]
    if (next === undefined || isWaiting) return
    isWaiting = true
    setTimeout(release, Math.max(0, next.dueMs - performance.now()))
  }
  const take = (bytes: Buffer | undefined): void => {
    held.push({ bytes, dueMs: performance.now() + delayMs })
    heldBytes += bytes?.length ?? 0
    if (heldBytes + to.writableLength >= HELD_BYTES_MAX) from.pause()
    wait()
  }
  from.on('data', take)
  from.on('end', () => take(undefined))
  from.on('close', () => setTimeout(() => to.destroy(), delayMs))
  from.on('error', () => from.destroy())
  to.on('drain', () => from.resume())
}

answerTasks<DelayTask, number>(async ({ listenPath, toPath, delayMs }) => {
  const server = createServer({ allowHalfOpen: true }, near => {
    const far = connect({ path: toPath, allowHalfOpen: true })
    delay(near, far, delayMs)
    delay(far, near, delayMs)
  })
  server.listen(listenPath)
  await once(server, 'listening')
  return 0
})
