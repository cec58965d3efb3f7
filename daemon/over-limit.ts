/**
 * One connection more than the daemon serves. Whatever it says first is answered `busy`, but for an operator's AUTHENTICATION: where that
 * is let in, the connection goes on as any other (docs/design.md, "Quotas").
 */
import type { TallyError } from '../protocol/errors.ts'
import { countText, decodeMessage, encodeMessage, RefusedMessage } from '../protocol/index.ts'
import { type Encoding, MESSAGE_TYPE } from '../protocol/messages.ts'
import type { FrameType } from '../protocol/text-frame.ts'
import type { Connection } from './connection.ts'
import type { Served } from './listener.ts'
import { NIL_UUID } from './session.ts'

export interface Door {
  readonly connectionsMax: number
  /** Who serves the bearer of this token all the same; undefined: nobody. */
  letIn(token: string): Served | undefined
  /** It was told `busy`. */
  refused(): void
}

export class OverLimit implements Served {
  readonly #connection: Connection
  readonly #door: Door
  #served: Served | undefined

  constructor(connection: Connection, door: Door) {
    this.#connection = connection
    this.#door = door
  }

  get isAuthenticated(): boolean {
    return this.#served?.isAuthenticated ?? false
  }

  receive(type: FrameType, payload: Uint8Array): void | Promise<void> {
    if (this.#served !== undefined) return this.#served.receive(type, payload)
    let told: { messageId: string; encoding: Encoding } = { messageId: NIL_UUID, encoding: 'json' }
    try {
      const { message, encoding } = decodeMessage(type, payload)
      told = { messageId: message.messageId, encoding }
      if (message.type === MESSAGE_TYPE.AUTHENTICATION) this.#served = this.#door.letIn(message.token)
    } catch (cause) {
      if (cause instanceof RefusedMessage) told = { messageId: cause.messageId ?? NIL_UUID, encoding: cause.encoding ?? 'json' }
    }
    if (this.#served !== undefined) return this.#served.receive(type, payload)
    this.#refuse(told)
  }

  malformed(error: TallyError): void {
    if (this.#served === undefined) this.#connection.destroy()
    else this.#served.malformed(error)
  }

  drained(): void {
    this.#served?.drained()
  }

  passTime(): void {
    this.#served?.passTime()
  }

  ended(): void {
    if (this.#served === undefined) this.#connection.close()
    else this.#served.ended()
  }

  closed(): void {
    this.#served?.closed()
  }

  #refuse({ messageId, encoding }: { messageId: string; encoding: Encoding }): void {
    const limit = this.#door.connectionsMax
    const reason = `the daemon serves ${countText(limit, 'connection')} at once (connections)`
    const details = { limit, 'retry-after': 1_000 }
    const answer = { type: MESSAGE_TYPE.RESPONSE, messageId, response: 'Error', reason, code: 'busy', fatal: true, details } as const
    this.#connection.send(MESSAGE_TYPE.RESPONSE, encodeMessage(answer, encoding))
    this.#connection.close()
    this.#door.refused()
  }
}
