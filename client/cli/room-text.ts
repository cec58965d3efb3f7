/** How much room a daemon has left, as a line for people: `tally doctor` and `tally status --all` say it alike. */
import type { ValueMap } from '../../protocol/index.ts'
import { sizeText } from './text.ts'

/** Of what `operator.store` answers; not escaped. */
export function roomText({ path, free, 'min-free': minFree, code, reason }: ValueMap): string {
  const toStay = Number(minFree) > 0 ? `, ${sizeText(Number(minFree))} are to stay free` : ''
  // The daemon's reason has the same figures.
  const refused = code === undefined ? '' : code === 'storage-full' ? ': new bytes are refused' : `: ${String(reason)}`
  return `${String(path)}, ${sizeText(Number(free))} free${toStay}${refused}`
}
