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

function transferText({ user, fid, files, size, received, touched, rate, gaps, connections }: ValueMap): string {
  const amount = typeof size === 'number' ? `${sizeText(Number(received))} of ${sizeText(size)}` : `${sizeText(Number(received))} of a stream`
  const open = Array.isArray(connections) ? connections.length : 0
  return [
    String(fid), escaped(String(user)), countText(Number(files), 'file'), amount, ...(gaps === undefined ? [] : [countText(Number(gaps), 'gap')]),
    open === 0 ? `idle for ${ageText(Date.now() - Number(touched))}` : `${sizeText(Number(rate))}/s over ${countText(open, 'connection')}`,
  ].join('  ')
}

function connectionText({ id, user, transfers, fetches, watches, pending }: ValueMap): string {
  const who = user === null ? 'not authenticated' : escaped(String(user))
  const what = [['transfer', transfers], ['fetch', fetches], ['watch', watches], ['pending chunk', pending]] as const
  return [`connection ${id}`, who, ...what.filter(([, count]) => Number(count) > 0).map(([name, count]) => `${Number(count)} ${name}${Number(count) === 1 ? '' : name.endsWith('ch') ? 'es' : 's'}`)].join('  ')
}
