/** What the relay's tests share: a relay in a directory of its own, and a far end that a test plays by hand. */
import { mkdtempSync, rmSync } from 'node:fs'
import { type Server, type Socket, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { Relay, type RelayEvent, type RelayOptions } from '../../client/relay/relay.ts'

export function makeDirectory(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'tally-relay-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  return directory
}

/** Each connection to it is a `Link` of its own; it answers nothing by itself. */
export class FarEnd {
  readonly path: string
  readonly links: Link[] = []
  readonly #server: Server
  #wake = (): void => {}

  constructor(path: string) {
    this.path = path
    this.#server = createServer({ allowHalfOpen: true }, socket => {
      this.links.push(new Link(socket))
      this.#wake()
    })
  }

  open(): Promise<void> {
    return new Promise(resolve => this.#server.listen(this.path, resolve))
  }

  /** Breaks every link, and takes no new one. */
  async close(): Promise<void> {
    if (!this.#server.listening) return
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()))
    for (const { socket } of this.links) socket.destroy()
    await closed
  }

  /** The n-th link, from 0, as soon as there is one. */
  async link(index: number): Promise<Link> {
    for (;;) {
      const link = this.links[index]
      if (link !== undefined) return link
      await new Promise<void>(resolve => { this.#wake = resolve })
    }
  }
}

/** One connection, of either side, with all that came over it. */
export class Link {
  readonly socket: Socket
  received = Buffer.alloc(0)
  hasEnded = false
  isClosed = false
  #wake = (): void => {}

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (bytes: Buffer) => {
      this.received = Buffer.concat([this.received, bytes])
      this.#wake()
    })
    socket.on('end', () => {
      this.hasEnded = true
      this.#wake()
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.isClosed = true
      this.#wake()
    })
  }

  static open(path: string): Promise<Link> {
    return new Promise((resolve, reject) => {
      const socket = connect({ path, allowHalfOpen: true })
      socket.once('error', reject)
      socket.once('connect', () => resolve(new Link(socket)))
    })
  }

  /** Waits until it holds; it is asked whenever something came. */
  async until(condition: (link: Link) => boolean): Promise<void> {
    while (!condition(this)) await new Promise<void>(resolve => { this.#wake = resolve })
  }

  /** Waits until these bytes, and no others, have come. */
  async has(bytes: Uint8Array): Promise<void> {
    await this.until(({ received }) => received.length >= bytes.length)
    if (!this.received.equals(bytes)) throw new Error(`something else came: ${this.received.toString('hex').slice(0, 200)}`)
  }
}

export interface Setting {
  readonly relay: Relay
  readonly far: FarEnd
  readonly events: RelayEvent[]
  near(): Promise<Link>
}

/** A relay between two Unix sockets, with a far end that is open. */
export async function setUp(t: Test, options: Partial<RelayOptions> = {}): Promise<Setting> {
  const directory = makeDirectory(t)
  const far = new FarEnd(join(directory, 'far.sock'))
  await far.open()
  const path = join(directory, 'near.sock')
  const events: RelayEvent[] = []
  const relay = await Relay.start({
    listen: { kind: 'unix', path }, to: { kind: 'unix', path: far.path }, onEvent: event => events.push(event), ...options,
    timings: { backOffFirstMs: 1, backOffMaxMs: 20, ...options.timings },
  })
  t.teardown(async () => {
    await far.close()
    await relay.close()
  })
  const near = async (): Promise<Link> => {
    const link = await Link.open(path)
    t.teardown(() => { link.socket.destroy() })
    return link
  }
  return { relay, far, events, near }
}
