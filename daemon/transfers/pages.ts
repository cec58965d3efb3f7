/**
 * How many pages of their chunk sets the transfers in memory have, by user. A file that comes in order has one; chunks that are far apart
 * take one each, however short they are, so there is a limit to them.
 */

/** Of all users; one may take half. A page costs some 600 bytes with few runs, and at most 4 KiB, as each file has two sets. */
const PAGES_MAX = 262_144

export class Pages {
  readonly #pagesMax: number
  #total = 0
  readonly #byUser = new Map<string, number>()

  constructor(pagesMax = PAGES_MAX) {
    this.#pagesMax = pagesMax
  }

  /** Whether this user may have one more. */
  hasRoom(user: string): boolean {
    return this.#total < this.#pagesMax && (this.#byUser.get(user) ?? 0) < this.#pagesMax / 2
  }

  /** So many more, or fewer. */
  count(user: string, pages: number): void {
    if (pages === 0) return
    this.#total += pages
    const after = (this.#byUser.get(user) ?? 0) + pages
    if (after > 0) this.#byUser.set(user, after)
    else this.#byUser.delete(user)
  }
}
