/**
 * `tallyd export` and `tallyd import`: a copy of a store that is a store itself, taken beside a daemon that goes on, and a store made of
 * such a copy. What is copied, and in which order, is `storage/local/export.ts`'s matter.
 */
import { resolve } from 'node:path'
import { countText } from '../../protocol/quantities.ts'
import { UsageError } from '../mistakes.ts'
import { type Copied, copyStore } from '../storage/local/export.ts'
import { checkStore } from '../storage/local/fsck.ts'
import { checkOwner } from '../storage/local/owner.ts'
import { COMMAND_EXIT, type StoreCommand } from './command.ts'
import { findingText } from './fsck.ts'

export const exportCommand: StoreCommand = {
  name: 'export',
  summary: 'copies a store as it is now, also while a daemon serves it',
  who: 'Run it as the user whose store it is, or as root. The copy belongs to whoever makes it, with mode 0700.',
  examples: [
    ['tallyd export --to /backup/monday', 'copy the store as it is now, while the daemon goes on'],
    ['tar -C /backup -cf monday.tar monday', 'what came out is a plain directory, and a store'],
  ],
  flags: [{ name: 'to', value: 'DIR', env: false, help: 'write the copy here: a directory that is empty or not there' }],
  run: async ({ storePath, given, tell }) => {
    const to = given.get('to')?.[0]
    if (to === undefined) throw new UsageError('tallyd export needs --to DIR')
    // Root only reads: backups are its work.
    if (process.geteuid?.() !== 0) checkOwner(storePath)
    const copied = copyStore(storePath, resolve(to), Date.now())
    tell(`exported ${copiedText(copied)} to ${to}`, { ...copied, to: resolve(to) })
    return COMMAND_EXIT.DONE
  },
}

export const importCommand: StoreCommand = {
  name: 'import',
  summary: 'makes a store of an export, and checks it',
  who: 'Run it as the user whose tallyd is to serve the store: the store belongs to who makes it. That user must be able to read the export.',
  examples: [
    ['tallyd import --from /backup/monday', 'make the store, which is not there yet, of an export'],
    ['tallyd import --from monday --store /var/lib/tally', 'the same elsewhere'],
  ],
  flags: [{ name: 'from', value: 'DIR', env: false, help: 'what tallyd export wrote' }],
  run: async ({ storePath, given, tell }) => {
    const from = given.get('from')?.[0]
    if (from === undefined) throw new UsageError('tallyd import needs --from DIR')
    const copied = copyStore(resolve(from), storePath, Date.now())
    const { problems } = checkStore({ path: storePath, isDryRun: false, nowMs: Date.now(), found: finding => tell(findingText(finding), { ...finding }) })
    tell(`imported ${copiedText(copied)} from ${from}: ${problems === 0 ? 'all is well' : countText(problems, 'problem')}`, { ...copied, from: resolve(from), problems })
    return problems === 0 ? COMMAND_EXIT.DONE : COMMAND_EXIT.UNSOUND
  },
}

function copiedText({ blobs, bytes, removed }: Copied): string {
  const without = removed === 0 ? '' : `, without ${countText(removed, 'file')} removed meanwhile`
  return `${countText(blobs, 'blob')} of ${countText(bytes, 'byte')}${without}`
}
