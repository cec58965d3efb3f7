/**
 * A link that breaks: passes bytes between two Unix sockets, and destroys the connection right after the bytes of a plan, counted over both
 * directions and all connections.
 */
import { type Server, type Socket, connect, createServer } from 'node:net'
import type { Random } from '../support/random.ts'

export class CuttingWire {
  readonly path: string
  cuts = 0
  passedBytes = 0
  onCut: (() => void) | undefined
  readonly #target: string
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** Ascending. */
  readonly #plan: number[]

  /** Cuts so often while so many bytes pass, at random. */
  constructor(path: string, target: string, random: Random, cuts: number, withinBytes: number) {
    this.path = path
    this.#target = target
    this.#plan = Array.from({ length: cuts }, () => random.between(1, withinBytes)).sort((a, b) => a - b)
    this.#server = createServer({ allowHalfOpen: true }, near => this.#join(near))
  }

  listen(): Promise<void> {
    return new Promise(resolve => this.#server.listen(this.path, resolve))
  }

  close(): Promise<void> {
    this.cut()
    return new Promise(resolve => this.#server.close(() => resolve()))
  }

  /** Breaks whatever is open. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #join(near: Socket): void {
    const far = connect({ path: this.#target, allowHalfOpen: true })
    for (const [from, to] of [[near, far], [far, near]] as const) {
      this.#sockets.add(from)
      from.on('data', (bytes: Buffer) => this.#pass(bytes, from, to))
      from.on('end', () => to.end())
      from.on('error', () => to.destroy())
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
    }
  }

  #pass(bytes: Buffer, from: Socket, to: Socket): void {
    if (from.destroyed || to.destroyed) return
    const leftBytes = (this.#plan[0] ?? Infinity) - this.passedBytes
    this.passedBytes += Math.min(bytes.length, leftBytes)
    if (bytes.length < leftBytes) {
      if (to.write(bytes)) return
      from.pause()
      to.once('drain', () => from.resume())
      return
    }
    this.#plan.shift()
    this.cuts++
    // What was written goes out before the end does, so the cut is at this very byte.
    to.end(bytes.subarray(0, leftBytes), () => to.destroy())
    from.destroy()
    this.onCut?.()
  }
}
