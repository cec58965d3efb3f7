/** The watches of one raw connection: the EVENTs of each as they came, and a way to wait for the one that a test wants. */
import { randomUUID } from 'node:crypto'
import type { Answer, RawClient } from './raw-client.ts'
import { TYPE, type Fields } from './wire.ts'

export interface ReceivedEvent {
  readonly 'message-id': string
  readonly watch: string
  readonly event: string
  readonly sequence?: number
  readonly fid: string
  readonly file: number
  readonly name: string
  readonly state: string
  readonly tags: readonly string[]
  readonly [field: string]: unknown
}

export interface Watching {
  readonly id: string
  readonly ok: Answer
  readonly events: ReceivedEvent[]
  /** The first event that is wanted, be it there already or yet to come; rejects where the connection ends before. */
  until(isWanted: (event: ReceivedEvent) => boolean): Promise<ReceivedEvent>
  /** The Error with which the daemon ends it. */
  readonly end: Promise<Answer>
}

/** Opens a WATCH and collects its events. Throws where it is refused. */
export async function watch(client: RawClient, fields: Fields = {}): Promise<Watching> {
  const id = randomUUID()
  const events: ReceivedEvent[] = []
  const waiting = new Set<() => void>()
  const before = client.onMessage
  client.onMessage = (type, message) => {
    if (type !== TYPE.event || message['watch'] !== id) return before?.(type, message)
    events.push(message as unknown as ReceivedEvent)
    for (const look of waiting) look()
  }
  const ok = await client.request(TYPE.watch, { ...fields, 'message-id': id })
  if (ok.response !== 'Ok') throw Object.assign(new Error(`the WATCH was refused: ${ok.reason}`), { answer: ok })
  const end = client.answer(id)
  end.catch(() => undefined)
  const until = (isWanted: (event: ReceivedEvent) => boolean) => new Promise<ReceivedEvent>((resolve, reject) => {
    const look = () => {
      const found = events.find(isWanted)
      if (found === undefined) return
      waiting.delete(look)
      resolve(found)
    }
    waiting.add(look)
    void client.ended.then(() => reject(new Error(`the connection ended after ${events.length} events`)))
    look()
  })
  return { id, ok, events, until, end }
}

/** `3 stored a`, without the number where there is none. */
export function shown(events: readonly ReceivedEvent[]): string[] {
  return events.map(({ sequence, event, name }) => `${sequence === undefined ? '' : `${sequence} `}${event} ${name}`)
}
