/** `tally status --all`: an operator's view, of every user's unfinished transfers, of who is connected, and of the room that is left. */
import type { Value, ValueMap } from '../../protocol/index.ts'
import { type Context, connectAs } from './command.ts'
import { EXIT, type ExitCode } from './exit.ts'
import { roomText } from './room-text.ts'
import { ageText, countText, escaped, sizeText, wrapped } from './text.ts'

const CONNECTIONS_LISTED_MAX = 5

export async function listAll(context: Context): Promise<ExitCode> {
  const { output, signal } = context
  await using tally = await connectAs(context, ['admin'])
  const tell = (kind: string, parts: readonly string[], value: ValueMap): void => {
    output.result(output.results.isLive ? wrapped(parts, output.results.columns()) : parts.join('  '), { kind, ...value })
  }
  let transfers = 0
  for await (const transfer of tally.operator.transfers(undefined, { signal })) {
    transfers++
    tell('transfer', transferParts(transfer), transfer)
  }
  if (transfers === 0 && !output.json) output.result('no transfer is unfinished', {})
  for (const connection of await tally.operator.connections({ signal })) tell('connection', connectionParts(connection), connection)
  const store = await tally.operator.store({ signal })
  if (store['path'] !== undefined) tell('store', ['store', escaped(roomText(store))], store)
  return EXIT.DONE
}

function transferParts(transfer: ValueMap): readonly string[] {
  const { user, fid, files, size, received, gaps } = transfer
  const amount = typeof size === 'number' ? `${sizeText(Number(received))} of ${sizeText(size)}` : `${sizeText(Number(received))} of a stream`
  return [
    `transfer ${fid}`, userText(user), countText(Number(files), 'file'), amount,
    ...(gaps === undefined ? [] : [countText(Number(gaps), 'gap')]),
    `began ${ageText(Number(transfer['age-ms']))} ago`, lastText(transfer), openText(transfer),
  ]
}

/** Quoted, as a name may be a number or have blanks. */
function userText(user: Value | undefined): string {
  return `user ${escaped(JSON.stringify(String(user)))}`
}

/** By their numbers, as the lines of connections have them. */
function openText({ rate, connections }: ValueMap): string {
  const ids = Array.isArray(connections) ? connections : []
  if (ids.length === 0) return 'open on no connection'
  const listed = `${ids.length === 1 ? 'connection' : 'connections'} ${ids.slice(0, CONNECTIONS_LISTED_MAX).join(', ')}`
  return `${sizeText(Number(rate))}/s over ${listed}${ids.length > CONNECTIONS_LISTED_MAX ? ' and more' : ''}`
}

/** Where nothing ever came, what was touched last is the announcement. */
function lastText({ created, touched, received, 'idle-ms': idleMs }: ValueMap): string {
  return Number(received) === 0 && touched === created ? 'no chunk yet' : `last chunk ${ageText(Number(idleMs))} ago`
}

function connectionParts({ id, user, transfers, fetches, watches, pending }: ValueMap): readonly string[] {
  const counts = [
    [transfers, 'transfer', 'transfers'], [fetches, 'fetch', 'fetches'], [watches, 'watch', 'watches'], [pending, 'pending chunk', 'pending chunks'],
  ] as const
  const what = counts.filter(([count]) => Number(count) > 0).map(([count, one, many]) => countText(Number(count), one, many))
  return [`connection ${id}`, user === null ? 'not authenticated' : userText(user), ...(what.length === 0 ? ['idle'] : what)]
}
