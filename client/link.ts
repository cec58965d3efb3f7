/**
 * The way to the daemon that all work of one client shares: the connection that is open now, logged in, or a new one. It opens at most one
 * at a time and never retries; whoever uses it decides when to ask again.
 */
import { MESSAGE_TYPE, type Message, type OkResponse, TallyError } from '../protocol/index.ts'
import { Connection } from './connection.ts'
import { ClientError } from './errors.ts'
import type { OnEvent } from './events.ts'
import { type Timings, withRetries } from './timings.ts'
import type { TokenSource } from './token.ts'

export interface LinkOptions {
  readonly path: string
  readonly token: TokenSource
  readonly timings: Timings
  /** Besides ourselves and root: who may own the socket. */
  readonly trustedUids?: readonly number[] | undefined
  readonly onEvent?: OnEvent | undefined
}

export class Link {
  readonly timings: Timings
  readonly #options: LinkOptions
  /** The one that is open or being opened. */
  #current: Promise<Connection> | undefined
  #open: Connection | undefined
  #user = ''
  #closed = false

  constructor(options: LinkOptions) {
    this.#options = options
    this.timings = options.timings
  }

  /** The user that the daemon knows us as; empty before the first log-in. */
  get user(): string {
    return this.#user
  }

  /** A token for an AUTHENTICATION. */
  token(): Promise<string> {
    return this.#options.token()
  }

  /** The open connection, else a new one that is logged in. */
  async connection(): Promise<Connection> {
    if (this.#closed) throw new ClientError('closed', 'this client was closed')
    if (this.#current !== undefined && this.#open?.lost === undefined) return this.#current
    this.#open = undefined
    const opening = this.#connect()
    this.#current = opening
    try {
      return await opening
    } catch (error) {
      if (this.#current === opening) this.#current = undefined
      throw error
    }
  }

  /** Logs in anew on a connection whose token expired, or behind which a relay re-made its link. */
  async logIn(connection: Connection): Promise<void> {
    const token = await this.token()
    const ok = await this.ask(connection, { type: MESSAGE_TYPE.AUTHENTICATION, files: [], tags: [], acks: 'ranges', token })
    this.#user = ok.user ?? this.#user
  }

  /**
   * One message and its answer. Silence ends the connection, so that what follows goes over a new one; after `unauthenticated` and
   * `token-expired` we are logged in again before the error is thrown, so that asking again can help.
   */
  async ask(connection: Connection, message: Question, signal?: AbortSignal): Promise<OkResponse> {
    try {
      return await connection.request({ messageId: connection.nextMessageId(), ...message }, this.timings.answerTimeoutMs, signal)
    } catch (error) {
      if (error instanceof ClientError && error.code === 'connection-silent') connection.close(error)
      if (message.type !== MESSAGE_TYPE.AUTHENTICATION && needsLogIn(error)) await this.logIn(connection)
      throw error
    }
  }

  /** As `ask`, on whatever connection there is, until it is answered (see `withRetries`). For messages that may be repeated. */
  askUntilAnswered(message: Question, signal?: AbortSignal): Promise<OkResponse> {
    return withRetries(this.timings, signal, this.#options.onEvent, async () => this.ask(await this.connection(), message, signal))
  }

  /** Everything that is under way fails with `closed`. */
  close(): void {
    this.#closed = true
    this.#open?.finish()
  }

  async #connect(): Promise<Connection> {
    const { path, trustedUids, onEvent } = this.#options
    const connection = await Connection.open(path, trustedUids)
    try {
      await this.logIn(connection)
    } catch (error) {
      connection.close()
      throw error
    }
    if (this.#closed) {
      connection.finish()
      throw new ClientError('closed', 'this client was closed')
    }
    this.#open = connection
    onEvent?.({ type: 'connected', path, user: this.#user })
    return connection
  }
}

/** A message that gets its id when it is sent, unless it brings one. */
export type Question = Message extends infer Each ? Each extends Message ? Omit<Each, 'messageId'> & { messageId?: string } : never : never

export function needsLogIn(error: unknown): boolean {
  return error instanceof TallyError && (error.code === 'unauthenticated' || error.code === 'token-expired')
}
