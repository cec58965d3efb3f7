/** `tally status --all`: an operator's view, of every user's unfinished transfers, of who is connected, and of the room that is left. */
import type { ValueMap } from '../../protocol/index.ts'
import { type Context, connectAs } from './command.ts'
import { EXIT, type ExitCode } from './exit.ts'
import { roomText } from './room-text.ts'
import { ageText, countText, escaped, sizeText } from './text.ts'

export async function listAll(context: Context): Promise<ExitCode> {
  const { output, signal } = context
  await using tally = await connectAs(context, ['admin'])
  for await (const transfer of tally.operator.transfers(undefined, { signal })) output.result(transferText(transfer), { kind: 'transfer', ...transfer })
  for (const connection of await tally.operator.connections({ signal })) output.result(connectionText(connection), { kind: 'connection', ...connection })
  const store = await tally.operator.store({ signal })
  if (store['path'] !== undefined) output.result(`store  ${escaped(roomText(store))}`, { kind: 'store', ...store })
  return EXIT.DONE
}

function transferText(transfer: ValueMap): string {
  const { user, fid, files, size, received, rate, gaps, connections } = transfer
  const amount = typeof size === 'number' ? `${sizeText(Number(received))} of ${sizeText(size)}` : `${sizeText(Number(received))} of a stream`
  const open = Array.isArray(connections) ? connections.length : 0
  return [
    String(fid), escaped(String(user)), countText(Number(files), 'file'), amount, ...(gaps === undefined ? [] : [countText(Number(gaps), 'gap')]),
    `began ${ageText(Number(transfer['age-ms']))} ago`, lastText(transfer),
    open === 0 ? 'not open' : `${sizeText(Number(rate))}/s over ${countText(open, 'connection')}`,
  ].join('  ')
}

/** Where nothing ever came, what was touched last is the announcement. */
function lastText({ created, touched, received, 'idle-ms': idleMs }: ValueMap): string {
  return Number(received) === 0 && touched === created ? 'no chunk yet' : `last chunk ${ageText(Number(idleMs))} ago`
}

function connectionText({ id, user, transfers, fetches, watches, pending }: ValueMap): string {
  const counts = [
    [transfers, 'transfer', 'transfers'], [fetches, 'fetch', 'fetches'], [watches, 'watch', 'watches'], [pending, 'pending chunk', 'pending chunks'],
  ] as const
  const what = counts.filter(([count]) => Number(count) > 0).map(([count, one, many]) => countText(Number(count), one, many))
  return [`connection ${id}`, user === null ? 'not authenticated' : escaped(String(user)), ...what].join('  ')
}
