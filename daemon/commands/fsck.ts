/**
 * `tallyd fsck`: checks a store that no daemon serves, and says what is wrong with it in the words of those whose files they are: user,
 * name, tags, and the bytes concerned. What is looked at is `storage/local/fsck.ts`'s matter.
 */
import { countText } from '../../protocol/quantities.ts'
import { checkStore, type Finding, type Summary } from '../storage/local/fsck.ts'
import { COMMAND_EXIT, RUN_BY_OWNER, type StoreCommand } from './command.ts'

export const fsck: StoreCommand = {
  name: 'fsck',
  summary: 'checks every file and record of a store',
  who: RUN_BY_OWNER,
  examples: [
    ['tallyd fsck', 'check every file and record of the store'],
    ['tallyd fsck --dry-run', 'only look: nothing is written down or put right'],
    ['tallyd fsck --store /var/lib/tally --json', 'the same of another store, for a program'],
  ],
  flags: [{ name: 'dry-run', env: false, help: 'do not write down in the catalog what is damaged or missing' }],
  run: async ({ storePath, given, tell }) => {
    const found = (finding: Finding) => tell(findingText(finding), { ...finding })
    const summary = checkStore({ path: storePath, isDryRun: given.has('dry-run'), nowMs: Date.now(), found })
    tell(summaryText(summary), { kind: 'summary', ...summary })
    return summary.problems === 0 ? COMMAND_EXIT.DONE : COMMAND_EXIT.UNSOUND
  },
}

export function findingText(finding: Finding): string {
  switch (finding.kind) {
    case 'catalog': return `catalog  ${finding.problem}`
    case 'orphan': return `orphan  ${finding.path}  ${countText(finding.sizeBytes, 'byte')} that no record refers to`
    case 'damaged':
    case 'incomplete': {
      const { kind, user, fid, file, name, tags, ranges, sizeBytes, digest } = finding
      const bytes = ranges.map(([offset, length]) => `${offset}–${offset + length - 1}`).join(', ')
      const labels = tags.map(tag => `  #${tag}`).join('')
      return `${kind}  ${fid}/${file}  ${JSON.stringify(name)}${labels}  of user ${JSON.stringify(user)}: bytes ${bytes} of ${sizeBytes ?? 'yet unknown'}` +
        (digest === null ? '' : `  ${digest}`)
    }
  }
}

function summaryText({ files, unfinished, contents, bytes, problems, orphans }: Summary): string {
  const stored = `${countText(files, 'file')} with ${countText(contents, 'content')} of ${countText(bytes, 'byte')}`
  const found = problems === 0 ? 'all is well' : countText(problems, 'problem')
  const waste = orphans === 0 ? '' : `; besides, ${countText(orphans, 'orphan')}: room is taken, no harm done`
  return `checked ${stored}, ${countText(unfinished, 'unfinished one')}: ${found}${waste}`
}
