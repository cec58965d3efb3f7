/**
 * How many transfers each user has under way: open on some connection, with a file that is not whole yet. It only counts where there is a
 * limit, and looks at the transfers again when that seems to be reached.
 */
import { TallyError } from '../../protocol/errors.ts'
import { countText } from '../../protocol/quantities.ts'
import type { LiveTransfer } from './live-transfer.ts'
import type { Opened } from './registry.ts'

export class Underway {
  /** By user and fid; undefined while one is being opened. */
  readonly #byUser = new Map<string, Map<string, LiveTransfer | undefined>>()

  /** Opens one more, or the same again. Throws `busy` with the `limit`, before anything is opened, and what `open` throws. */
  async open(user: string, fid: string, transfersMax: number, open: () => Promise<Opened | undefined>): Promise<Opened | undefined> {
    if (transfersMax === Number.POSITIVE_INFINITY) return open()
    const mine = this.#byUser.get(user) ?? new Map<string, LiveTransfer | undefined>()
    if (!mine.has(fid) && mine.size >= transfersMax) {
      for (const [other, transfer] of mine) if (transfer !== undefined && !isUnderway(transfer)) mine.delete(other)
      if (mine.size >= transfersMax) {
        const reason = `a user may have ${countText(transfersMax, 'transfer')} under way (user-transfers)`
        throw new TallyError('busy', reason, { limit: transfersMax, used: mine.size, 'retry-after': 1_000 })
      }
    }
    this.#byUser.set(user, mine)
    const before = mine.get(fid)
    mine.set(fid, before)
    let opened: Opened | undefined
    try {
      opened = await open()
      return opened
    } finally {
      // What was there before may have been dropped meanwhile, and the user with it.
      const now = this.#byUser.get(user) ?? mine
      if (opened !== undefined) now.set(fid, opened.transfer)
      else if (now.get(fid) === undefined) now.delete(fid)
      if (now.size === 0) this.#byUser.delete(user)
      else this.#byUser.set(user, now)
    }
  }

  /** The transfer is not in memory any more: nobody has it open. */
  dropped(user: string, fid: string): void {
    const mine = this.#byUser.get(user)
    // One that is being opened anew counts already.
    if (mine?.get(fid) === undefined) return
    mine.delete(fid)
    if (mine.size === 0) this.#byUser.delete(user)
  }
}

function isUnderway(transfer: LiveTransfer): boolean {
  return transfer.openedBy.size > 0 && transfer.uploads.some(({ state }) => state === 'receiving')
}
