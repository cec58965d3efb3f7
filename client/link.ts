/**
 * The way to the daemon that all work of one client shares: the connection that is open now, logged in, or a new one. It opens at most one
 * at a time and never retries; whoever uses it decides when to ask again.
 */
import { MESSAGE_TYPE, type Message, type OkResponse, TallyError } from '../protocol/index.ts'
import { unlessAborted } from './abort.ts'
import { Connection } from './connection.ts'
import { ClientError } from './errors.ts'
import type { OnEvent } from './events.ts'
import { Slots } from './slots.ts'
import { type Timings, withRetries } from './timings.ts'
import type { TokenSource } from './token.ts'

/** How often we ask, at first, whether the daemon still knows us, before silence is taken for a failure. */
const PROBES_PER_TIMEOUT = 5
/** How often one log-in may be lost on its way. */
const LOSSES_MAX = 10

export interface LinkOptions {
  readonly path: string
  readonly token: TokenSource
  readonly timings: Timings
  /** Besides ourselves and root: who may own the socket. */
  readonly trustedUids?: readonly number[] | undefined
  readonly onEvent?: OnEvent | undefined
}

/** Who asks: what ends it, and who hears of retries (default: whoever listens to the client). */
export interface Asking {
  readonly signal?: AbortSignal | undefined
  readonly onEvent?: OnEvent | undefined
}

/** As many as a daemon takes on one connection before it says `busy`. */
const FETCHES_MAX = 16

export class Link {
  readonly timings: Timings
  /** For the FETCHes of all calls together. */
  readonly fetchSlots = new Slots(FETCHES_MAX)
  readonly #options: LinkOptions
  /** The one that is open or being opened. */
  #current: Promise<Connection> | undefined
  #open: Connection | undefined
  #user = ''
  readonly #closing = new AbortController()

  constructor(options: LinkOptions) {
    this.#options = options
    this.timings = options.timings
  }

  /** The user that the daemon knows us as; empty before the first log-in. */
  get user(): string {
    return this.#user
  }

  /** A token for an AUTHENTICATION. */
  token(signal?: AbortSignal): Promise<string> {
    return unlessAborted(this.#options.token(), signal)
  }

  /** The open connection, else a new one that is logged in. A signal ends the waiting only: others may wait for the same. */
  connection(signal?: AbortSignal): Promise<Connection> {
    // Nothing is waited for where it is there.
    const { aborted } = this.#closing.signal
    if (!aborted && signal?.aborted !== true && this.#open !== undefined && this.#open.lost === undefined) return Promise.resolve(this.#open)
    return unlessAborted(this.#connection(), signal)
  }

  async #connection(): Promise<Connection> {
    this.#closing.signal.throwIfAborted()
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

  /** One message and its answer. Whoever asks again after a failure calls `recover` first. */
  ask(connection: Connection, message: Question, signal?: AbortSignal): Promise<OkResponse> {
    return connection.request({ messageId: connection.nextMessageId(), ...message }, this.timings.answerTimeoutMs, signal)
  }

  /**
   * Does what has to be done about a failure before it is tried again: where the token expired, a relay made its link anew, or nothing was
   * answered, we log in again on the same connection; silence after that ends it, so that what follows goes over a new one (protocol, 3.3).
   */
  async recover(connection: Connection, error: unknown, signal?: AbortSignal): Promise<void> {
    if (connection.lost !== undefined) return
    if (isSilence(error)) await this.#logIn(connection, 1, signal)
    // Somebody answers, so a log-in without an answer was lost on the way.
    else if (needsLogIn(error)) await this.#logIn(connection, 2, signal)
  }

  /** As `ask`, on whatever connection there is, until it is answered (see `withRetries`). For messages that may be repeated. */
  askUntilAnswered(message: Question, { signal, onEvent = this.#options.onEvent }: Asking = {}): Promise<OkResponse> {
    return withRetries(this.timings, signal, onEvent, async () => {
      const connection = await this.connection(signal)
      try {
        return await this.ask(connection, message, signal)
      } catch (error) {
        await this.recover(connection, error, signal)
        throw error
      }
    })
  }

  /** Everything that is under way fails with `closed`. */
  close(): void {
    this.#closing.abort(new ClientError('closed', 'this client was closed'))
    this.#open?.finish()
  }

  /** After so many silences the connection is ended. What turns out to be lost is sent again. */
  async #logIn(connection: Connection, silencesMax: number, signal?: AbortSignal): Promise<void> {
    for (let silences = 0, losses = 0; ;) {
      const token = await this.token(signal)
      try {
        const ok = await this.ask(connection, { type: MESSAGE_TYPE.AUTHENTICATION, files: [], tags: [], acks: 'ranges', token }, signal)
        this.#user = ok.user ?? this.#user
        return
      } catch (error) {
        if (isSilence(error) && ++silences < silencesMax) continue
        if (isForgotten(error) && ++losses < LOSSES_MAX) continue
        if (isSilence(error)) connection.close(error)
        throw error
      }
    }
  }

  async #connect(): Promise<Connection> {
    const { path, trustedUids, onEvent } = this.#options
    const { signal } = this.#closing
    const connection = await Connection.open(path, trustedUids, signal)
    try {
      connection.probeSilence(this.timings.answerTimeoutMs / PROBES_PER_TIMEOUT)
      await this.#logIn(connection, 1, signal)
      signal.throwIfAborted()
    } catch (error) {
      connection.close()
      throw error
    }
    this.#open = connection
    onEvent?.({ type: 'connected', path, user: this.#user })
    return connection
  }
}

/** A message that gets its id when it is sent, unless it brings one. */
export type Question = Message extends infer Each ? Each extends Message ? Omit<Each, 'messageId'> & { messageId?: string } : never : never

function needsLogIn(error: unknown): boolean {
  return isForgotten(error) || error instanceof TallyError && error.code === 'token-expired'
}

function isForgotten(error: unknown): boolean {
  return error instanceof TallyError && error.code === 'unauthenticated'
}

function isSilence(error: unknown): error is ClientError {
  return error instanceof ClientError && error.code === 'connection-silent'
}
