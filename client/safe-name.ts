/**
 * Local file names for names that came from a server. A name is a label that anybody may have chosen, such as `../../etc/passwd`; what
 * comes out of here is always one harmless path component.
 */
import { createHash } from 'node:crypto'

/** Linux's NAME_MAX. */
const NAME_BYTES_MAX = 255
const EXTENSION_BYTES_MAX = 16
/** `~` and 8 hex digits. */
const MARK_BYTES = 9
/** Separators, control characters, and what reorders or hides text on a terminal; but not the joiners that emoji are made with. */
const UNSAFE = /(?![\u200c\u200d])[/\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

/** What a download calls its own files while it writes them. */
const PARTIAL = /^\.tally-.*\.part$/

/**
 * One path component, 1 … 255 bytes of UTF-8, never `.`, `..`, or with a separator or control character in it: each of these becomes `_`,
 * and a leading `~` and `-` too, which shells and programs take for something else. Nor is it
 * the name of a download's partial file. A name that is too long keeps its beginning
 * and its extension and gets a mark made from the whole name. A name that is safe already stays as it is.
 */
export function safeName(name: string): string {
  const plain = name.replace(UNSAFE, '_').replace(/^[-~]/, '_').replace(PARTIAL, '_$&')
  if (/^\.{0,2}$/.test(plain)) return '_'.repeat(Math.max(1, plain.length))
  return Buffer.byteLength(plain) <= NAME_BYTES_MAX ? plain : marked(plain, markOf(name))
}

/** Gives each file of one directory a name of its own, the same in each run as long as the same files come. */
export class LocalNames {
  readonly #taken = new Map<string, string>()

  /** @param key says which file it is; the same key gets the same name again */
  take(name: string, key: string): string {
    const safe = safeName(name)
    // A name may have been chosen to be what another one is marked as.
    for (let local = safe, again = 0; ; again++) {
      const holder = this.#taken.get(local)
      if (holder === undefined || holder === key) {
        this.#taken.set(local, key)
        return local
      }
      local = marked(safe, markOf(again === 0 ? key : `${key} ${again}`))
    }
  }
}

function markOf(text: string): string {
  return `~${createHash('sha256').update(text).digest('hex').slice(0, MARK_BYTES - 1)}`
}

/** The mark before the extension; the stem is cut between characters where the whole would be too long. */
function marked(name: string, mark: string): string {
  const dot = name.lastIndexOf('.')
  const hasExtension = dot > 0 && Buffer.byteLength(name.slice(dot)) <= EXTENSION_BYTES_MAX
  const extension = hasExtension ? name.slice(dot) : ''
  const room = NAME_BYTES_MAX - MARK_BYTES - Buffer.byteLength(extension)
  let stem = ''
  let bytes = 0
  for (const character of hasExtension ? name.slice(0, dot) : name) {
    bytes += Buffer.byteLength(character)
    if (bytes > room) break
    stem += character
  }
  return stem + mark + extension
}
