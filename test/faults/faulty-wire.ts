/**
 * A bad link between two relays: it passes frames of framing A, and now and then delays them, splits them into single writes, sends one
 * twice, damages a chunk on its way up, or breaks in the middle of one. What it does follows from its seed and from what passes.
 */
import { type Server, type Socket, connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../support/random.ts'
import { decode, type Frame, frame, FrameReader, message, TYPE } from '../support/wire.ts'

/** Of a frame, how likely each is. */
export const ODDS = { cut: 1 / 2000, delay: 1 / 500, split: 1 / 200, duplicate: 1 / 200, corrupt: 1 / 1000 } as const

type Fault = keyof typeof ODDS

export class FaultyWire {
  readonly path: string
  readonly counts: Record<Fault, number> = { cut: 0, delay: 0, split: 0, duplicate: 0, corrupt: 0 }
  readonly #target: string
  readonly #random: Random
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  constructor(path: string, target: string, random: Random) {
    this.path = path
    this.#target = target
    this.#random = random
    this.#server = createServer({ allowHalfOpen: true }, near => this.#join(near))
  }

  listen(): Promise<void> {
    return new Promise(resolve => this.#server.listen(this.path, resolve))
  }

  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    return new Promise(resolve => this.#server.close(() => resolve()))
  }

  #join(near: Socket): void {
    const far = connect({ path: this.#target, allowHalfOpen: true })
    for (const [from, to] of [[near, far], [far, near]] as const) {
      this.#sockets.add(from)
      from.on('error', () => to.destroy())
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
      void this.#pass(from, to, from === near)
    }
  }

  /** In order, one frame after the other. */
  async #pass(from: Socket, to: Socket, isAscending: boolean): Promise<void> {
    const reader = new FrameReader('A')
    try {
      for await (const bytes of from) {
        for (const one of reader.push(bytes as Buffer)) {
          const { pieces, breaks } = await this.#suffer(one, isAscending)
          for (const piece of pieces) await write(to, piece)
          if (breaks) throw new Error('the link breaks')
        }
      }
      to.end()
    } catch {
      from.destroy()
      to.destroy()
    }
  }

  /** What becomes of a frame: the writes that it takes, and whether the link breaks after them. */
  async #suffer(one: Frame, isAscending: boolean): Promise<{ pieces: Buffer[]; breaks: boolean }> {
    const whole = frame('A', one.type, one.payload)
    if (this.#happens('delay')) await sleep(this.#random.between(1, 100))
    if (isAscending && one.type === TYPE.transfer && this.#happens('corrupt')) return { pieces: [this.#damaged(one)], breaks: false }
    // What is sent twice is what a sender may send twice: chunks on their way up, and answers.
    const mayRepeat = one.type === TYPE.response || (isAscending && one.type === TYPE.transfer)
    if (mayRepeat && this.#happens('duplicate')) return { pieces: [whole, whole], breaks: false }
    const at = this.#random.between(1, whole.length - 1)
    if (this.#happens('cut')) return { pieces: [whole.subarray(0, at)], breaks: true }
    if (this.#happens('split')) return { pieces: [whole.subarray(0, at), whole.subarray(at)], breaks: false }
    return { pieces: [whole], breaks: false }
  }

  /** One bit of what the checksum covers. */
  #damaged({ payload }: Frame): Buffer {
    const fields = decode(payload)
    const data = Buffer.from(fields['data'] as Uint8Array)
    const at = this.#random.between(0, data.length - 1)
    data[at] = (data[at] as number) ^ 1 << this.#random.between(0, 7)
    return message('A', 'msgpack', TYPE.transfer, { ...fields, data })
  }

  #happens(fault: Fault): boolean {
    if (!this.#random.chance(ODDS[fault])) return false
    this.counts[fault]++
    return true
  }
}

function write(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => socket.write(bytes, error => error === null || error === undefined ? resolve() : reject(error)))
}
