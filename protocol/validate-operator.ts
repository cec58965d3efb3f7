/** The operator's messages (types 16 to 31) as the daemon reads them; what their answers hold is a map that is read as it is. */
import { boolean, countWithin, fid, optional, required, textWithin } from './fields.ts'
import { CURSOR_BYTES_MAX, FIND_LIMIT_DEFAULT, FIND_LIMIT_MAX, USER_NAME_BYTES_MAX } from './limits.ts'
import { MESSAGE_TYPE, type Settings, type Status, type Why } from './messages.ts'
import type { PlainMap } from './payload.ts'
import { present } from './present.ts'
import { malformed } from './refused.ts'

const user = textWithin(USER_NAME_BYTES_MAX)

export function status(messageId: string, map: PlainMap): Status {
  const message = present<Status>({
    type: MESSAGE_TYPE.STATUS,
    messageId,
    user: optional(map, 'user', user),
    fid: optional(map, 'fid', fid),
    limit: optional(map, 'limit', countWithin(1, FIND_LIMIT_MAX)) ?? FIND_LIMIT_DEFAULT,
    after: optional(map, 'after', textWithin(CURSOR_BYTES_MAX)),
  })
  if (message.fid !== undefined && message.user === undefined) throw malformed('a fid without the user whose it is', 'user')
  return message
}

export function why(messageId: string, map: PlainMap): Why {
  return { type: MESSAGE_TYPE.WHY, messageId, user: required(map, 'user', user), fid: required(map, 'fid', fid) }
}

export function settings(messageId: string, map: PlainMap): Settings {
  return { type: MESSAGE_TYPE.SETTINGS, messageId, reload: optional(map, 'reload', boolean) ?? false }
}
