/**
 * The rules of docs/design.md and docs/model.md that the model can be made to break, one at a time. The design is all of them held;
 * the tests break each and expect a counterexample, which shows both that the rule is needed and that the checker would notice.
 */
export const RULES = {
  /** An answer comes after the mark. */
  answersAfterMark: true,
  /** The bytes are synced before the mark. */
  syncsBeforeMark: true,
  /** The sync makes the new blob's name durable as well. */
  syncsNames: true,
  /** After a failed sync nothing more is marked until the store is opened anew. */
  failedSyncIsFinal: true,
  /** The same chunk again changes no bytes, pending or marked. */
  firstBytesStay: true,
  /** A report lists pending chunks as missing. */
  reportsPendingAsMissing: true,
  /** While a file is finishing every answer waits for the outcome. */
  answersWaitWhileFinishing: true,
  /** The completing chunk is answered when the file is stored. */
  lastAnswerAfterStore: true,
  /** Held bytes are in the blob, and synced, before the digest is computed and the file stored. */
  releasesHeldBeforeStore: true,
  /** A cycle that drops what was held has written and synced it. */
  releasesHeldAfterSync: true,
  /** A file whose digest differs is not stored. */
  comparesDigests: true,
  /** After a digest mismatch no chunk of the file is marked, in the catalog as well. */
  resetDropsReceipts: true,
  /** A complete file whose finish was cut short is finished again by the next chunk or AUTHENTICATION. */
  finishesAgain: true,
  /** What AUTHENTICATION tells counts for a finish that begins while it is being written. */
  tellingCountsAtOnce: true,
  /** A pair is written with the mark. */
  pairsWithMark: true,
  /** The pairs of a stored file stay. */
  pairsOutliveStore: true,
  /** The pairs of a removed file stay while the transfer is there. */
  pairsOutliveRemoval: true,
  /** Only the connection that authenticated the transfer last gives new opaque chunks a place. */
  oneFiller: true,
  /** … and bytes anew to a paired place that a digest mismatch has freed. */
  onlyFillerRefills: true,
  /** AUTHENTICATION's report waits for the cycles that hold what came before it. */
  reportAwaitsPending: true,
  /** After an Error for opaque chunks new ones are refused until it came again. */
  blocksAfterError: true,
  /** Each of several that got an Error has to come again, in their order. */
  blocksInOrder: true,
  /** When a group fails, the opaque chunks gathered behind it fail too. */
  failsWhatFollows: true,
  /** After a digest mismatch new opaque chunks are refused until the paired ones came again or the transfer was authenticated anew. */
  blocksAfterMismatch: true,
  /** A file that was removed before it was stored ends the filling of its transfer by new opaque chunks. */
  removalEndsFilling: true,
  /** A file takes one kind of chunks. */
  oneKind: true,
  /** The removing transaction writes the blob into `garbage`. */
  removalLeavesGarbage: true,
  /** … for every file that may have a blob, not only for those with receipts. */
  garbageWithoutReceipts: true,
  /** REMOVE refuses new chunks at once, but commits only when the running cycle and finish have ended. */
  removalSettles: true,
  /** Nothing opens a transfer between expiry's look at what is in use and its end. */
  opensAwaitExpiry: true,
  /** Expiry tells the transfers that are in memory, closing them. */
  expiryTellsMemory: true,
  /** A blob is unlinked when no cycle and no finish can write to it any more. */
  unlinkAwaitsWriters: true,
  /** The unlink is durable before the blob's id is forgotten. */
  syncsUnlinkBeforeForget: true,
  /** Content that another file shares stays. */
  countsReferences: true,
  /** `mark` passes over files that were removed. */
  markSkipsRemoved: true,
  /** `store` passes over files that were removed. */
  storeSkipsRemoved: true,
  /** A removed transfer leaves a tombstone. */
  leavesTombstone: true,
  /** Expiry of an unfinished transfer leaves its stored files. */
  expirySparesStored: true,
}
export type Rules = Readonly<Record<keyof typeof RULES, boolean>>

/** The design with these rules broken. */
export function without(...rules: readonly (keyof Rules)[]): Rules {
  return { ...RULES, ...Object.fromEntries(rules.map(rule => [rule, false])) }
}
