/**
 * STATUS, WHY and SETTINGS: what an operator asks (docs/protocol.md, "Operator's messages"). They need the scope `admin`, look at every
 * user's transfers, and change nothing but what a reload of the settings changes.
 */
import { TallyError } from '../../protocol/errors.ts'
import { type Encoding, MESSAGE_TYPE, type OkFields, type Settings, type Status, type Why } from '../../protocol/messages.ts'
import { checkScope } from '../auth/rights.ts'
import type { Session } from '../session.ts'
import type { LiveTransfer } from '../transfers/live-transfer.ts'
import { transferMap, transferStatus, whyUnfinished } from '../transfers/status.ts'
import { withKnownTransfer } from './known.ts'
import { answerLater, type LaterOk } from './later.ts'

/** Further ones only count. */
const CONNECTIONS_MAX = 1000

export function handleStatus(session: Session, message: Status, encoding: Encoding): void {
  checkScope(session.identity(), MESSAGE_TYPE.STATUS)
  const { user, fid, limit, after } = message
  const from = cursorOf(after)
  answerLater(session, message, encoding, async () => {
    if (user === undefined || fid === undefined) return overview(session, message, encoding, from)
    return ofTransfer(session, user, fid, transfer => fitting(session, message, encoding, limit, filesMax => {
      const { map, next } = transferMap(transfer, connectionsOf(session, transfer), session.services.nowMs(), from ?? 0, filesMax)
      return { result: map, ...(next === undefined ? {} : { next: String(next) }) }
    }))
  })
}

export function handleWhy(session: Session, message: Why, encoding: Encoding): void {
  checkScope(session.identity(), MESSAGE_TYPE.WHY)
  const { registry, nowMs, unfinishedKeptMs } = session.services
  answerLater(session, message, encoding, async () => {
    const because = await ofTransfer(session, message.user, message.fid, async transfer => {
      const found = await registry.unfinished({ user: message.user, limit: 1, after: transfer.id + 1 })
      const touchedMs = found[0]?.id === transfer.id ? found[0].touchedMs : undefined
      return whyUnfinished(transfer, {
        connections: connectionsOf(session, transfer).length,
        touchedMs: transfer.meter.lastMs ?? touchedMs,
        keptMs: unfinishedKeptMs(),
        damaged: await registry.damagedFiles(transfer.id),
        nowMs: nowMs(),
      })
    })
    return { result: { because } }
  })
}

export function handleSettings(session: Session, { messageId, reload }: Settings, encoding: Encoding): void {
  checkScope(session.identity(), MESSAGE_TYPE.SETTINGS)
  const { operator } = session.services
  const reloaded = reload ? operator.reload() : {}
  session.ok(messageId, encoding, { result: { ...operator.settings(), ...reloaded } })
}

async function overview(session: Session, message: Status, encoding: Encoding, before: number | undefined): Promise<LaterOk> {
  const { user, limit } = message
  const { registry, sessions, nowMs, operator } = session.services
  const store = operator.store()
  const found = await registry.unfinished({ limit: limit + 1, ...(user === undefined ? {} : { user }), ...(before === undefined ? {} : { after: before }) })
  const all = [...sessions()].filter(({ state }) => user === undefined || (state.state === 'ready' && state.identity.user === user))
  const connections = all.slice(0, CONNECTIONS_MAX).map(({ id, state, transfers: open, downloads, watches, flow }) => ({
    id, user: state.state === 'ready' ? state.identity.user : null, transfers: open.awake.length, fetches: downloads.size, watches: watches.size, pending: flow.pendingChunks,
  }))
  return fitting(session, message, encoding, limit, transfersMax => {
    const page = found.slice(0, transfersMax)
    const transfers = page.map(one => {
      const live = registry.inMemory(one.user, one.fid)
      return transferStatus(one, live, live === undefined ? [] : connectionsOf(session, live), nowMs())
    })
    const next = found.length > transfersMax ? page.at(-1)?.id : undefined
    const result = { transfers, connections, 'connection-count': all.length, store }
    return { result, ...(next === undefined ? {} : { next: String(next) }) }
  })
}

/** The longest page, of at most so many, that fits into one frame. */
function fitting(
  session: Session, { messageId }: Status, encoding: Encoding, limit: number, pageOf: (countMax: number) => OkFields,
): LaterOk {
  for (let countMax = limit; ; countMax = Math.ceil(countMax / 2)) {
    const page = pageOf(countMax)
    const payload = session.fittingOk(messageId, encoding, page)
    if (payload !== undefined || countMax === 1) return payload ?? page
  }
}

/** What `next` said. Throws `malformed`. */
function cursorOf(after: string | undefined): number | undefined {
  if (after === undefined) return undefined
  const cursor = Number(after)
  if (!Number.isSafeInteger(cursor) || cursor < 0) throw new TallyError('malformed', 'after is no cursor of ours', { field: 'after' })
  return cursor
}

/** The transfer, held in memory for the question. Throws `not-found`. */
async function ofTransfer<T>(session: Session, user: string, fid: string, ask: (transfer: LiveTransfer) => T | Promise<T>): Promise<T> {
  let answer: T | undefined
  await withKnownTransfer(session, user, fid, async transfer => {
    answer = await ask(transfer)
  })
  return answer as T
}

/** The ids of the connections that have the transfer open. */
function connectionsOf(session: Session, transfer: LiveTransfer): readonly number[] {
  return [...session.services.sessions()].filter(session => transfer.openedBy.has(session)).map(({ id }) => id)
}
