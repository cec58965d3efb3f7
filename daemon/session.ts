/**
 * What one connection stands for: who the user is, which transfers it has open, what it is fetching, and how it is answered. It lives
 * as long as its connection and holds no lock on anything: another connection may have the same transfer open.
 */
import { TallyError } from '../protocol/errors.ts'
import { FRAME_BYTES_MAX, PLAIN_REPORT_RUNS_MAX, REPORT_RUNS_MAX } from '../protocol/limits.ts'
import { type Acks, type Encoding, MESSAGE_TYPE, type Message, type OkFields, type ValueMap } from '../protocol/messages.ts'
import { encodeMessage } from '../protocol/index.ts'
import { EXPIRY_TOLERANCE_MS, type Identity } from './auth/token.ts'
import type { Connection } from './connection.ts'
import type { Counts } from './counts.ts'
import { Flow, type FlowLimits } from './flow.ts'
import type { Logger } from './log.ts'
import { OpenTransfers, type OpenTransfer, type RestingTransfer } from './open-transfers.ts'
import type { Download } from './transfers/download.ts'
import type { Feed } from './transfers/feed.ts'
import type { KnownContent } from './transfers/known-content.ts'
import type { Library } from './transfers/library.ts'
import type { LimitsOf } from './limits.ts'
import type { LiveTransfer } from './transfers/live-transfer.ts'
import type { Registry } from './transfers/registry.ts'
import type { Underway } from './transfers/underway.ts'
import type { Watch } from './transfers/watch.ts'
import type { Users, UserShare } from './users.ts'

export const NIL_UUID = '00000000-0000-0000-0000-000000000000'
/** What a frame of any framing has around a payload, at most: framing N's `{"type":"RESPONSE","data":…}` and a form feed. */
export const HEADER_BYTES_MAX = 28
/** Of a UUID's text: all but its last group. */
export const STEM_CHARS = 24

/** What an operator may ask about the configuration and the store. */
export interface Operator {
  settings(): ValueMap
  /** Its room, and why it takes no new bytes where that is so. */
  store(): ValueMap
  /** Reads settings and keys again, and answers what changed, or why nothing has. */
  reload(): ValueMap
}

/** The parts of the daemon that handlers use. */
export interface Services {
  readonly registry: Registry
  readonly library: Library
  readonly knownContent: KnownContent
  readonly feed: Feed
  readonly flow: FlowLimits
  readonly log: Logger
  readonly counts: Counts
  readonly fileBytesMax: number
  readonly nowMs: () => number
  readonly limitsOf: LimitsOf
  /** How long a file with this tag is kept, in ms; undefined: as long as it says itself. */
  readonly keptMs: (tag: string) => number | undefined
  readonly users: Users
  readonly underway: Underway
  /** How long an unfinished transfer is kept without a chunk. */
  readonly unfinishedKeptMs: () => number
  /** Everybody who is connected. */
  readonly sessions: () => Iterable<Session>
  readonly operator: Operator
  /** Whether tokens are still checked with this key (`TokenKey.id`). */
  readonly isKeyKnown: (id: string) => boolean
  /** Throws `token-invalid`, `token-expired`. */
  readonly verifyToken: (token: string) => Identity
  /** Something was removed or may have become garbage. */
  readonly collectGarbage: () => void
}

/** A FETCH under way. Its chunks' message-ids are a stem of 24 characters and a counter, so an answer tells by itself what it is for. */
export interface OpenDownload {
  /** Absent while the content is being opened. */
  download: Download | undefined
  readonly stem: string
  readonly encoding: Encoding
}

/** A WATCH under way. */
export interface OpenWatch {
  readonly watch: Watch
  readonly user: string
  readonly encoding: Encoding
  /** Its Ok was given; before that, whoever gives it tells that it was ended. */
  isAnswered: boolean
}

export type SessionState =
  | { readonly state: 'connected' }
  | { readonly state: 'ready'; readonly identity: Identity }

export class Session {
  state: SessionState = { state: 'connected' }
  readonly id: number
  readonly connection: Connection
  readonly services: Services
  readonly flow: Flow
  /** The peer sends no more. */
  isInputOver = false
  /** Requests that answer on their own time and have not yet. */
  requests = 0
  /** By the messageId of the FETCH. */
  readonly downloads = new Map<string, OpenDownload>()
  /** By the messageId of the WATCH. */
  readonly watches = new Map<string, OpenWatch>()
  #share: UserShare | undefined
  readonly transfers = new OpenTransfers()
  /** That of the last good message: what an Error has that is about no message in particular. */
  #lastEncoding: Encoding = 'json'
  /** The key of the user's token was taken away. */
  #isKeyGone = false

  constructor(id: number, connection: Connection, services: Services) {
    this.id = id
    this.connection = connection
    this.services = services
    this.flow = new Flow(services.flow, connection)
  }

  /** A good message came. */
  note(encoding: Encoding, usesExt: boolean): void {
    this.#lastEncoding = encoding
    if (usesExt) this.connection.usesExt = true
  }

  get reportRunsMax(): number {
    return this.connection.usesExt ? REPORT_RUNS_MAX : PLAIN_REPORT_RUNS_MAX
  }

  send(message: Message, encoding: Encoding): void {
    this.connection.send(message.type, encodeMessage(message, encoding))
  }

  ok(messageId: string, encoding: Encoding, fields: OkFields): void {
    this.send({ ...fields, type: MESSAGE_TYPE.RESPONSE, messageId, response: 'Ok' }, encoding)
  }

  /** Such an Ok's payload, to be sent as it is; undefined where it does not fit into one frame. */
  fittingOk(messageId: string, encoding: Encoding, fields: OkFields): Uint8Array | undefined {
    const payload = encodeMessage({ ...fields, type: MESSAGE_TYPE.RESPONSE, messageId, response: 'Ok' }, encoding)
    return payload.length + HEADER_BYTES_MAX <= FRAME_BYTES_MAX ? payload : undefined
  }

  /** Answers with an Error; the connection closes after a fatal one. `told` is absent where the message could not be told. */
  refuse(error: TallyError, told?: { messageId: string; encoding: Encoding }): void {
    this.#sendError(error, told ?? { messageId: NIL_UUID, encoding: this.#lastEncoding })
    if (error.fatal) this.connection.close()
  }

  #sendError(error: TallyError, { messageId, encoding }: { messageId: string; encoding: Encoding }): void {
    if (error.code === 'internal') this.services.log.error('internal error', { connection: this.id, messageId, cause: String(error.cause) })
    const { code, message: reason, details, fatal } = error
    this.services.counts.error(code)
    this.services.log.debug('refused', { connection: this.id, messageId, code, reason })
    this.send({ type: MESSAGE_TYPE.RESPONSE, messageId, response: 'Error', reason, code, details, fatal }, encoding)
  }

  /** Who the messages come from. Throws `unauthenticated`, `token-expired`. */
  identity(): Identity {
    if (this.state.state !== 'ready') throw new TallyError('unauthenticated', 'an AUTHENTICATION has to come first')
    const ended = this.ended()
    if (ended !== undefined) throw ended
    return this.state.identity
  }

  /**
   * Why the user's token holds no longer (`token-expired`, or `token-invalid` where its key was taken away); undefined while it does. Where
   * it does not, every FETCH and WATCH under way ends with the same.
   */
  ended(): TallyError | undefined {
    if (this.state.state !== 'ready') return undefined
    const { identity } = this.state
    const isExpired = identity.expiresMs !== undefined && this.services.nowMs() > identity.expiresMs + EXPIRY_TOLERANCE_MS
    const error = this.#isKeyGone ? keyGone() : isExpired ? tokenExpired() : undefined
    if (error !== undefined) this.#endRequests(error)
    return error
  }

  /** Tokens are checked with these keys from now on. Where this user's is not among them, the token holds no longer; answers whether. */
  keysChanged(ids: ReadonlySet<string>): boolean {
    if (this.state.state !== 'ready' || ids.has(this.state.identity.keyId)) return false
    this.#isKeyGone = true
    this.ended()
    return true
  }

  /**
   * A place among the user's connections: the one that this connection has, or another, to be given to `become` or `giveUp`. Throws `busy`.
   */
  enter(identity: Identity): UserShare {
    return this.#share?.user === identity.user ? this.#share : this.services.users.enter(identity)
  }

  /** The AUTHENTICATION has been judged: the place is given back unless it became this connection's. */
  giveUp(share: UserShare): void {
    if (share !== this.#share) this.services.users.leave(share)
  }

  /**
   * An AUTHENTICATION was accepted. Another user ends what the earlier one had open here; it stays resumable. Throws `token-invalid` where
   * its key was taken away while it was judged.
   */
  become(identity: Identity, share: UserShare): void {
    if (!this.services.isKeyKnown(identity.keyId)) throw keyGone()
    this.#holdShare(share)
    if (this.state.state === 'ready' && this.state.identity.user !== identity.user) this.#leaveAll()
    this.state = { state: 'ready', identity }
    this.#isKeyGone = false
    this.connection.isTrusted = true
  }

  /** The transfer was announced or resumed on this connection. */
  open(transfer: LiveTransfer, acks: Acks, mayFill: boolean): void {
    if (this.connection.isClosed) return
    transfer.openedBy.add(this)
    if (mayFill) transfer.fillBy(this)
    for (const resting of this.transfers.add(transfer, acks)) this.#leave(resting)
  }

  /** Brings a transfer back that rested. Throws `chunk-unknown` where it is gone. */
  async wake({ user, fid, acks }: RestingTransfer): Promise<OpenTransfer> {
    const opened = await this.services.registry.open(this, user, fid).catch(cause => {
      if (cause instanceof TallyError && cause.code === 'conflict') return undefined
      throw cause
    })
    if (opened === undefined) throw new TallyError('chunk-unknown', 'the transfer was removed')
    if (this.connection.isClosed) this.#leave(opened.transfer)
    return this.transfers.wake(opened.transfer, acks)
  }

  /** Ends a FETCH without an answer. */
  endDownload(messageId: string): void {
    this.downloads.get(messageId)?.download?.end()
    this.downloads.delete(messageId)
  }

  /** Ends a WATCH, with an Error or without an answer. */
  endWatch(messageId: string, error?: TallyError): void {
    const open = this.watches.get(messageId)
    if (open === undefined) return
    this.services.feed.close(open.user, open.watch)
    this.watches.delete(messageId)
    if (error !== undefined && open.isAnswered && !this.connection.isClosed) this.#sendError(error, { messageId, encoding: open.encoding })
  }

  /** Ends every WATCH with this Error; the connection stays. */
  endWatches(error: TallyError): void {
    for (const messageId of this.watches.keys()) this.endWatch(messageId, error)
  }

  /** Where the peer has half-closed and nothing is owed to it any more, this is the end. */
  closeIfDone(): void {
    if (!this.isInputOver || this.flow.pendingChunks > 0 || this.requests > 0) return
    if (this.downloads.size === 0 && this.watches.size === 0) this.connection.close()
  }

  /** The connection is gone. */
  closed(): void {
    this.#leaveAll()
    this.#holdShare(undefined)
  }

  #holdShare(share: UserShare | undefined): void {
    const before = this.#share
    if (share === before || (share !== undefined && this.connection.isClosed)) return
    this.#share = share
    this.flow.share = share
    if (before !== undefined) this.services.users.leave(before)
  }

  #endRequests(error: TallyError): void {
    this.endWatches(error)
    for (const [messageId, { encoding, download }] of this.downloads) {
      this.endDownload(messageId)
      // One that is being opened is answered by whoever opens it.
      if (download !== undefined && !this.connection.isClosed) this.refuse(error, { messageId, encoding })
    }
  }

  #leaveAll(): void {
    this.#endRequests(new TallyError('unauthenticated', 'another user has authenticated on this connection'))
    for (const transfer of this.transfers.awake) this.#leave(transfer)
    this.transfers.clear()
  }

  #leave(transfer: LiveTransfer): void {
    this.services.registry.leave(transfer, this).catch(cause => {
      this.services.log.error('a transfer without chunks could not be dropped', { connection: this.id, cause: String(cause) })
    })
  }
}

function keyGone(): TallyError {
  return new TallyError('token-invalid', 'the key of this token is not known any more')
}

function tokenExpired(): TallyError {
  return new TallyError('token-expired', 'the token has expired: authenticate again to go on')
}
