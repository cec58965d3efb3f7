/**
 * Framing N, what a stock node-ipc peer speaks (docs/protocol.md, "Frames"): `{"type": name or number, "data": {…}}` in JSON, then a form
 * feed. Here one such text becomes a type and a payload, and back; where it ends is frame.ts's matter. The payload is the very bytes of
 * `data`, so it is judged as any other payload is, and its values are built once.
 */
import { TallyError } from './errors.ts'
import { parseJson } from './json.ts'
import { TYPE_NAME_BYTES_MAX } from './limits.ts'
import { MESSAGE_TYPE } from './messages.ts'
import type { PlainMap } from './payload.ts'
import { malformed } from './refused.ts'
import { encodeUtf8, utf8Length } from './utf8.ts'

/** Ends a frame. JSON has it only escaped, so it stands nowhere else. */
export const FORM_FEED = 0x0c

/** A number as it stands in the header; in framing N, where a type that is not known may have a name, that name. */
export type FrameType = number | string

const EMPTY = new Uint8Array(0)
const heads = new Map<number, Uint8Array>(
  Object.entries(MESSAGE_TYPE).map(([name, type]) => [type, encodeUtf8(`{"type":"${name}","data":`)]),
)

/**
 * The text of one frame, without the form feed. A `data` that is absent or no map gives an empty payload, which no message has. Throws
 * `malformed` where it is no such object; the frame is to blame then, so that is fatal.
 */
export function readTextFrame(text: Uint8Array): { type: FrameType; payload: Uint8Array } {
  try {
    const { map } = parseJson(text, 'slice')
    const payload = map.data instanceof Uint8Array ? map.data : EMPTY
    return { type: typeOf(map), payload }
  } catch (cause) {
    const { message, details } = cause as TallyError
    throw new TallyError('malformed', `no frame: ${message}`, details, { fatal: true, cause })
  }
}

/** What stands before the payload in a frame of this type; the payload is a map in JSON. */
export function textHead(type: number): Uint8Array {
  return heads.get(type) ?? encodeUtf8(`{"type":${type},"data":`)
}

/** What stands behind the payload. */
export const TEXT_TAIL = Uint8Array.of(0x7d, FORM_FEED)

function typeOf({ type }: PlainMap): FrameType {
  if (typeof type === 'number' && Number.isSafeInteger(type)) return type
  if (typeof type !== 'string') throw malformed('type is neither a name nor an integer', 'type')
  if (Object.hasOwn(MESSAGE_TYPE, type)) return MESSAGE_TYPE[type as keyof typeof MESSAGE_TYPE]
  // an Error repeats it, so it must not be as long as a frame
  if (utf8Length(type) > TYPE_NAME_BYTES_MAX) throw malformed(`type has more than ${TYPE_NAME_BYTES_MAX} bytes`, 'type', TYPE_NAME_BYTES_MAX)
  return type
}
