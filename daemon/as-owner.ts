/** The command line that does the same as a store's owner: what an operator who is somebody else is told. */
import type { NotOwnerError } from './storage/local/owner.ts'

/** Of a shell, these need no quotes. */
const PLAIN = /^[\w@%+=:,./-]+$/

/**
 * `args` are those that this tallyd was given. The store is named in any case, because defaults follow whoever runs it. Root is told what
 * is there on every Linux, with numbers where the owner has no name, such as a service's dynamic one.
 */
export function asOwner({ owner, ids, directory }: NotOwnerError, args: readonly string[], isRoot: boolean): string {
  const isStoreNamed = args.some(arg => arg === '--store' || arg.startsWith('--store='))
  const line = ['tallyd', ...args, ...(isStoreNamed ? [] : ['--store', directory])].map(quoted).join(' ')
  const isNumber = owner === String(ids.uid)
  if (!isRoot) return `sudo -u ${isNumber ? `'#${owner}'` : owner} ${line}`
  return isNumber ? `setpriv --reuid=${ids.uid} --regid=${ids.gid} --clear-groups ${line}` : `runuser -u ${owner} -- ${line}`
}

function quoted(word: string): string {
  return PLAIN.test(word) ? word : `'${word.replaceAll('\'', '\'\\\'\'')}'`
}
