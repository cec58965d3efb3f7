/**
 * What an operator asks of a daemon, with a token whose scope has `admin` (docs/protocol.md, "Operator's messages"): what is under way, why
 * a transfer is not finished, how the daemon is set.
 */
import { MESSAGE_TYPE, type OkResponse, type ValueMap } from '../protocol/index.ts'
import type { Link } from './link.ts'
import type { CallOptions } from './options.ts'

const PAGE = 1000

export class Operator {
  readonly #link: Link

  constructor(link: Link) {
    this.#link = link
  }

  /** Transfers that are not finished, of a user or of all, newest first: each a map as docs/protocol.md has it. */
  transfers(user?: string, options: CallOptions = {}): AsyncGenerator<ValueMap, void, void> {
    return this.#pages(user === undefined ? {} : { user }, 'transfers', options)
  }

  /** The files of one transfer with the runs of chunks that each lacks, as docs/protocol.md has them. Throws `not-found`. */
  files(user: string, fid: string, options: CallOptions = {}): AsyncGenerator<ValueMap, void, void> {
    return this.#pages({ user, fid }, 'files', options)
  }

  /** Who is connected: at most 1000. */
  async connections(options: CallOptions = {}): Promise<readonly ValueMap[]> {
    return maps(await this.#link.askUntilAnswered({ type: MESSAGE_TYPE.STATUS, limit: 1 }, options), 'connections')
  }

  /** The daemon's store: `path`, `free` and `min-free` in bytes, and `code` and `reason` while it takes no new bytes. */
  async store(options: CallOptions = {}): Promise<ValueMap> {
    const { result } = await this.#link.askUntilAnswered({ type: MESSAGE_TYPE.STATUS, limit: 1 }, options)
    const store = result?.['store']
    return isMap(store) ? store : {}
  }

  /** Sentences that say what the transfer waits for, and what of it is damaged. Throws `not-found`. */
  async why(user: string, fid: string, options: CallOptions = {}): Promise<readonly string[]> {
    const { result } = await this.#link.askUntilAnswered({ type: MESSAGE_TYPE.WHY, user, fid }, options)
    const because = result?.['because']
    return Array.isArray(because) ? because.map(String) : []
  }

  /**
   * Settings and keys; read again first where `reload` says so, and then with `changed`, `waiting`, `changes`, `ended` and `warnings`, or with
   * `failure` and `mistakes`.
   */
  async settings({ reload = false, ...options }: CallOptions & { readonly reload?: boolean } = {}): Promise<ValueMap> {
    const { result } = await this.#link.askUntilAnswered({ type: MESSAGE_TYPE.SETTINGS, reload }, options)
    return result ?? {}
  }

  async *#pages(
    about: { readonly user?: string; readonly fid?: string }, key: string, options: CallOptions,
  ): AsyncGenerator<ValueMap, void, void> {
    let after: string | undefined
    do {
      const ok = await this.#link.askUntilAnswered({ type: MESSAGE_TYPE.STATUS, limit: PAGE, ...about, ...(after === undefined ? {} : { after }) }, options)
      yield* maps(ok, key)
      after = ok.next
    } while (after !== undefined)
  }
}

function isMap(value: ValueMap[string] | undefined): value is ValueMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
}

function maps({ result }: OkResponse, key: string): readonly ValueMap[] {
  const list = result?.[key]
  return Array.isArray(list) ? list as readonly ValueMap[] : []
}
