/**
 * `tallyd gc`: reclaims all room that can be had in a store that no daemon serves, or says what that would be. A running daemon reclaims by
 * itself, so there is nothing to ask of it.
 */
import { countText } from '../../protocol/quantities.ts'
import { unfinishedKeptOf } from '../config.ts'
import { reclaimStore, type Reclaimed } from '../storage/local/gc.ts'
import { expiryLimits } from '../transfers/housekeeping.ts'
import { COMMAND_EXIT, RUN_BY_OWNER, type StoreCommand } from './command.ts'

export const gc: StoreCommand = {
  name: 'gc',
  summary: 'removes what has expired, and deletes what no record refers to (a running tallyd does so by itself)',
  who: RUN_BY_OWNER,
  examples: [
    ['tallyd gc', 'remove what has expired, delete what was removed'],
    ['tallyd gc --dry-run', 'only say what that would be'],
    ['tallyd gc --expire-unfinished 1d', 'give up what got no chunk for a day'],
  ],
  flags: [
    { name: 'dry-run', env: false, help: 'change nothing' },
    { name: 'expire-unfinished', value: 'TIME', env: true, help: 'remove unfinished transfers that got no chunk for so long (default: as configured, else 7d)' },
  ],
  run: async ({ storePath, settings, given, tell }) => {
    const isDryRun = given.has('dry-run')
    const limits = expiryLimits(Date.now(), unfinishedKeptOf(settings), true)
    const sum = reclaimStore({ path: storePath, limits, isDryRun, found: what => tell(textOf(what), { ...what }) })
    const { transfers, files, blobs, bytes } = sum
    const room = `${countText(bytes, 'byte')} in ${countText(blobs, 'blob')}`
    const expired = `${countText(files, 'file')} and ${countText(transfers, 'transfer')} expired`
    tell(`${isDryRun ? 'would reclaim' : 'reclaimed'} ${room}; ${expired}`, { kind: 'summary', ...sum, isDryRun })
    return COMMAND_EXIT.DONE
  },
}

function textOf(what: Reclaimed): string {
  if (what.kind === 'expired') return `expired  ${what.fid}  of user ${JSON.stringify(what.user)}`
  return `${what.kind}  ${what.path}  ${countText(what.sizeBytes, 'byte')}`
}
