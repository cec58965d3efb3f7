/** The one place that says which word of a token's scope a message needs (protocol, section 5). */
import { TallyError } from '../../protocol/errors.ts'
import { MESSAGE_TYPE } from '../../protocol/messages.ts'

export const SCOPES = ['put', 'get', 'find', 'tag', 'remove', 'watch', 'admin'] as const
export type Scope = typeof SCOPES[number]

/** What a token without the claim `scope` may do. */
export const DEFAULT_SCOPE: ReadonlySet<Scope> = new Set(SCOPES.filter(scope => scope !== 'admin'))

const FIRST_OPERATOR_TYPE = 16
const SCOPE_OF: Readonly<Record<number, Scope>> = {
  [MESSAGE_TYPE.TRANSFER]: 'put',
  [MESSAGE_TYPE.FIND]: 'find',
  [MESSAGE_TYPE.FETCH]: 'get',
  [MESSAGE_TYPE.TAG]: 'tag',
  [MESSAGE_TYPE.REMOVE]: 'remove',
  [MESSAGE_TYPE.WATCH]: 'watch',
}

/**
 * Throws `forbidden` (with `scope`) where the token does not allow the message. An AUTHENTICATION that names files or a fid is checked
 * as the TRANSFER that it prepares; logging in, and a RESPONSE, need nothing.
 */
export function checkScope(identity: { readonly scope: ReadonlySet<Scope> }, type: number): void {
  const scope = type >= FIRST_OPERATOR_TYPE ? 'admin' : SCOPE_OF[type]
  if (scope !== undefined && !identity.scope.has(scope)) {
    throw new TallyError('forbidden', `the token does not allow this: its scope lacks "${scope}"`, { scope })
  }
}
