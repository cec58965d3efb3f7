/**
 * The rules of docs/design.md for what a user has, each of which the model can be made to break (`../rules.ts` has those for a transfer).
 */
export const USER_RULES = {
  /** What is counted changes in the transaction of what it counts: a content once, however many files show it. */
  countsSharedOnce: true,
  /** … also when it goes. */
  countsRemovals: true,
  /** Of a file whose size is not told each mark counts. */
  countsMarks: true,
  /** A quota is compared in the transaction that uses it up. */
  comparesInTransaction: true,
  /** … at the mark, too, not only before its bytes are written. */
  comparesAtMark: true,
  /** Content that is there is looked for in the transaction of the announcement. */
  looksInTransaction: true,
  /** Content that is known to be damaged does not count as there, neither when it is announced … */
  announcesOverDamage: true,
  /** … nor when it arrives: the whole one takes its place. */
  storesOverDamage: true,
  /** That ends the repairs of the damaged one. */
  replacementEndsRepairs: true,
  /** Content that another file shows stays. */
  countsReferences: true,
  /** What a repair has received becomes garbage when it ends. */
  repairLeavesGarbage: true,
  /** A removed file's repair ends with it. */
  removalEndsRepair: true,
  /** Chunks of a repair stand for the content only where they are marked; the others are its own, as far as it is whole. */
  repairAsksForDamage: true,
  /** The digest agrees before a repair writes over anything. */
  judgesBeforeWriting: true,
  /** The note of damage goes after what was written over it is synced. */
  syncsBeforeClearing: true,
  /** … and only of the blocks that were written. */
  clearsWhatItWrote: true,
  /** A repair that ends is the one that was begun, not a later one of the same file. */
  endsItsOwnRepair: true,
  /** A blob that a repair writes to is unlinked after that. */
  unlinkAwaitsRepair: true,
  /** A complete repair that a crash cut short is done again. */
  repairsAgain: true,
  /** What a FETCH hands out has the sum of its block. */
  comparesBlocks: true,
  /** A FETCH reads through the handle that it opened, which an unlink does not take away. */
  readsThroughHandle: true,
  /** Expiry leaves alone what is in memory. */
  expirySparesOpen: true,
  /** The unlink is durable before the blob's id is forgotten. */
  syncsUnlinkBeforeForget: true,
}
export type UserRules = Readonly<Record<keyof typeof USER_RULES, boolean>>

/** The design with these rules broken. */
export function userWithout(...rules: readonly (keyof UserRules)[]): UserRules {
  return { ...USER_RULES, ...Object.fromEntries(rules.map(rule => [rule, false])) }
}
