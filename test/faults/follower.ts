/**
 * One user's watcher over all lives of the daemon: it asks for what happened since the last event that it saw, and keeps a list of files
 * from nothing but events. In the end that list must be what FIND lists, so no event was missed, told twice or told of what was lost.
 */
import { RawClient } from '../support/raw-client.ts'
import { Violation } from '../support/record.ts'
import { watch } from '../support/watcher.ts'

/** How a file is listed, without what FIND and EVENT say in different words. */
export interface Seen {
  readonly name: string
  readonly digest: string | undefined
  readonly size: number
}

export class Follower {
  readonly #user: string
  readonly #files = new Map<string, Seen>()
  #last = 0
  #failure: Violation | undefined

  constructor(user: string) {
    this.#user = user
  }

  get eventsSeen(): number {
    return this.#last
  }

  /** Follows until the connection ends. */
  async follow(socket: string, token: string): Promise<void> {
    const client = await RawClient.connect(socket)
    try {
      const login = await client.authenticate(token)
      if (login.response === 'Error') throw new Violation(`a log-in of ${this.#user}: ${login.code}`)
      const { ok, events } = await watch(client, { since: this.#last })
      if (ok['truncated'] === true) this.#fail(`events since ${this.#last} are not kept any more`)
      // What comes at once waits in the list; every later message puts one more there.
      const take = (): void => { for (const event of events.splice(0)) this.#apply(event) }
      const collect = client.onMessage
      client.onMessage = (type, message) => {
        collect?.(type, message)
        take()
      }
      take()
      await client.ended
    } finally {
      client.destroy()
    }
  }

  /** Whether the list is this one. Throws what was wrong on the way. */
  agrees(listed: ReadonlyMap<string, Seen>): boolean {
    if (this.#failure !== undefined) throw this.#failure
    return listed.size === this.#files.size && [...listed].every(([id, { name, digest, size }]) => {
      const own = this.#files.get(id)
      return own?.name === name && own.digest === digest && own.size === size
    })
  }

  describe(listed: ReadonlyMap<string, Seen>): string {
    const only = (a: ReadonlyMap<string, Seen>, b: ReadonlyMap<string, Seen>) => [...a.keys()].filter(id => !b.has(id)).slice(0, 5).join(' ')
    return `event ${this.#last} of ${this.#user}: ${this.#files.size} files by events (only there: ${only(this.#files, listed)}), ` +
      `${listed.size} by FIND (only there: ${only(listed, this.#files)})`
  }

  #apply(event: { readonly event: string; readonly sequence?: number; readonly fid: string; readonly file: number; readonly [field: string]: unknown }): void {
    const { event: kind, sequence = 0, fid, file } = event
    if (sequence <= this.#last) this.#fail(`event ${sequence} after ${this.#last}`)
    this.#last = sequence
    const id = `${fid}/${file}`
    if (kind === 'removed' && !this.#files.delete(id)) this.#fail(`${id} is removed, and was not there`)
    if (kind === 'stored' && this.#files.has(id)) this.#fail(`${id} is stored twice`)
    if (kind !== 'removed') this.#files.set(id, event as unknown as Seen)
  }

  #fail(what: string): void {
    this.#failure ??= new Violation(`the events of ${this.#user}: ${what}`)
  }
}
