/**
 * UTF-8, judged strictly: no overlong form, no surrogate, nothing above U+10FFFF. Decoders in use replace bad bytes by U+FFFD, so what
 * must be refused is looked at here first.
 */

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

/** The text of well-formed bytes; throws a TypeError for others. A byte order mark is a character like any other. */
export function decodeUtf8(bytes: Uint8Array): string {
  return strict.decode(bytes)
}

export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** The text of bytes that are known to be ASCII, such as a UUID or a field's name. */
export function asciiText(bytes: Uint8Array, from: number, end: number): string {
  let text = ''
  for (let at = from; at < end; at++) text += String.fromCharCode(bytes[at] as number)
  return text
}

/** How many bytes a text has as UTF-8, without encoding it. */
export function utf8Length(text: string): number {
  let bytes = 0
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    if (unit < 0x80) bytes += 1
    else if (unit < 0x800) bytes += 2
    else if (unit >= 0xd800 && unit < 0xe000) bytes += 2
    else bytes += 3
  }
  return bytes
}

/** Whether bytes[from, end) are well-formed. The second byte's range is what tells overlong forms and surrogates (Unicode, table 3-7). */
export function isUtf8(bytes: Uint8Array, from: number, end: number): boolean {
  let at = from
  while (at < end) {
    const lead = bytes[at++] as number
    if (lead < 0x80) continue
    if (lead < 0xc2 || lead > 0xf4) return false
    const more = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3
    if (at + more > end) return false
    const second = bytes[at] as number
    const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
    const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
    if (second < low || second > high) return false
    for (let i = 1; i < more; i++) if (((bytes[at + i] as number) & 0xc0) !== 0x80) return false
    at += more
  }
  return true
}
