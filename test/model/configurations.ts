/**
 * What is explored, each to its end, and which rule's absence has to be noticed where. A configuration leaves out what it is not about,
 * as the interleavings of everything with everything are too many; the wide ones, which take minutes, run with TALLY_TEST_MODEL=wide.
 */
import { RULES, type Rules } from './rules.ts'
import type { Bounds } from './world.ts'

const NUMBERED: Bounds = {
  name: '', split: [2, 1], client: 'numbered', connections: 1, window: 1, durability: 'power', digests: [true, true], rules: RULES,
}
const ORIGINAL: Bounds = { ...NUMBERED, client: 'original', window: 2 }
const RESUMING: Bounds = { ...NUMBERED, client: 'resuming', connections: 2 }

export const CONFIGURATIONS: readonly Bounds[] = [
  { ...NUMBERED, name: 'numbered, two connections', connections: 2 },
  { ...NUMBERED, name: 'numbered, two connections, 1 + 2, process', connections: 2, split: [1, 2], durability: 'process' },
  { ...NUMBERED, name: 'numbered, held', held: true },
  { ...NUMBERED, name: 'numbered, failures', failures: true },
  { ...NUMBERED, name: 'numbered, wrong bytes', wrongBytes: [0] },
  { ...NUMBERED, name: 'numbered, two connections, wrong bytes, 1 + 1', wrongBytes: [0], connections: 2, split: [1, 1] },
  { ...NUMBERED, name: 'numbered, wrong bytes without a digest, held, 1 + 1', wrongBytes: [0], held: true, split: [1, 1], digests: [false, true] },
  { ...NUMBERED, name: 'numbered, size told late', told: 'size', digests: [false, false] },
  { ...NUMBERED, name: 'numbered, digest told late, wrong bytes, process', told: 'digest', wrongBytes: [0], durability: 'process' },
  { ...NUMBERED, name: 'numbered, removal', removal: true, collects: true },
  { ...NUMBERED, name: 'numbered, equal contents, removal, 1 + 1', removal: true, collects: true, split: [1, 1], equalContents: true },
  { ...NUMBERED, name: 'numbered, expiry, fid used again, 1 + 1, process', durability: 'process', expiry: true, collects: true, split: [1, 1], fidAgain: true },
  { ...ORIGINAL, name: 'original, stop and wait, held', window: 1, held: true },
  { ...ORIGINAL, name: 'original, window of 2, two connections', connections: 2 },
  { ...ORIGINAL, name: 'original, window of 2, 1 + 2, failures', split: [1, 2], failures: true },
  { ...ORIGINAL, name: 'original, window of 2, wrong bytes', wrongBytes: [0] },
  { ...ORIGINAL, name: 'original, window of 2, removal', removal: true, collects: true },
  { ...RESUMING, name: 'two clients, failures', failures: true },
  { ...RESUMING, name: 'two clients, wrong bytes, 1 + 1, process', wrongBytes: [0], split: [1, 1], durability: 'process' },
  { ...RESUMING, name: 'two clients, removal, 1 + 1', removal: true, split: [1, 1] },
  { ...NUMBERED, name: 'opaque and numbered, 1 + 2, process', split: [1, 2], client: 'mixed', connections: 2, window: 2, durability: 'process' },
]

export const WIDE_CONFIGURATIONS: readonly Bounds[] = [
  { ...RESUMING, name: 'two clients, wrong bytes, 1 + 1', wrongBytes: [0], split: [1, 1] },
  { ...NUMBERED, name: 'numbered, two connections, held', connections: 2, held: true },
  { ...NUMBERED, name: 'numbered, held, failures', held: true, failures: true },
  { ...NUMBERED, name: 'numbered, digest told late, wrong bytes', told: 'digest', wrongBytes: [0] },
  { ...NUMBERED, name: 'opaque and numbered', client: 'mixed', connections: 2, window: 2 },
  { ...ORIGINAL, name: 'original, window of 2, two connections, removal', connections: 2, removal: true, collects: true },
  { ...ORIGINAL, name: 'original, window of 2, removal, wrong bytes', removal: true, wrongBytes: [0] },
  { ...RESUMING, name: 'two clients, wrong bytes, 1 + 2, process', wrongBytes: [0], split: [1, 2], durability: 'process' },
  { ...RESUMING, name: 'two clients, removal', removal: true },
  { ...RESUMING, name: 'two clients, wrong bytes', wrongBytes: [0] },
]

export interface Mutation {
  /** The rules that are broken together: most are needed alone, some only where another is missing too. */
  readonly rules: readonly (keyof Rules)[]
  readonly configuration: string
  /** The promise that breaks first. */
  readonly promise: string
}

const IN_WRONG_BYTES = 'numbered, wrong bytes'
const IN_REMOVAL = 'numbered, removal'
const IN_EXPIRY = 'numbered, expiry, fid used again, 1 + 1, process'
const IN_FAILURES = 'original, window of 2, 1 + 2, failures'

export const MUTATIONS: readonly Mutation[] = [
  { rules: ['answersAfterMark'], configuration: 'numbered, held', promise: 'I1' },
  { rules: ['syncsBeforeMark'], configuration: 'numbered, held', promise: 'I1' },
  { rules: ['syncsNames'], configuration: 'numbered, held', promise: 'I1' },
  { rules: ['failedSyncIsFinal'], configuration: 'numbered, failures', promise: 'I1' },
  { rules: ['firstBytesStay'], configuration: IN_WRONG_BYTES, promise: 'I1' },
  { rules: ['reportsPendingAsMissing'], configuration: 'numbered, held', promise: 'I2' },
  { rules: ['answersWaitWhileFinishing'], configuration: 'numbered, held', promise: 'I7' },
  { rules: ['lastAnswerAfterStore'], configuration: 'numbered, held', promise: 'I7' },
  { rules: ['releasesHeldBeforeStore'], configuration: 'numbered, wrong bytes without a digest, held, 1 + 1', promise: 'I3' },
  { rules: ['releasesHeldAfterSync'], configuration: 'numbered, held', promise: 'I1' },
  { rules: ['comparesDigests'], configuration: IN_WRONG_BYTES, promise: 'I3' },
  { rules: ['resetDropsReceipts'], configuration: IN_WRONG_BYTES, promise: 'I1' },
  { rules: ['tellingCountsAtOnce'], configuration: 'numbered, digest told late, wrong bytes, process', promise: 'I3' },
  { rules: ['pairsWithMark'], configuration: 'original, stop and wait, held', promise: 'I4' },
  { rules: ['pairsOutliveStore'], configuration: 'original, stop and wait, held', promise: 'I4' },
  { rules: ['pairsOutliveRemoval'], configuration: 'original, window of 2, removal', promise: 'I4' },
  { rules: ['oneFiller'], configuration: 'two clients, failures', promise: 'I4' },
  { rules: ['onlyFillerRefills'], configuration: 'two clients, wrong bytes, 1 + 1, process', promise: 'I4' },
  { rules: ['reportAwaitsPending'], configuration: 'two clients, failures', promise: 'I4' },
  { rules: ['blocksAfterError'], configuration: IN_FAILURES, promise: 'I4' },
  { rules: ['blocksInOrder'], configuration: IN_FAILURES, promise: 'I4' },
  { rules: ['failsWhatFollows'], configuration: IN_FAILURES, promise: 'I8' },
  { rules: ['blocksAfterMismatch'], configuration: 'original, window of 2, wrong bytes', promise: 'I4' },
  { rules: ['removalEndsFilling'], configuration: 'original, window of 2, removal', promise: 'I4' },
  { rules: ['oneKind'], configuration: 'opaque and numbered, 1 + 2, process', promise: 'I12' },
  { rules: ['removalLeavesGarbage'], configuration: IN_REMOVAL, promise: 'I9' },
  { rules: ['garbageWithoutReceipts'], configuration: IN_REMOVAL, promise: 'I9' },
  { rules: ['removalSettles', 'unlinkAwaitsWriters'], configuration: IN_REMOVAL, promise: 'I9' },
  { rules: ['removalSettles', 'markSkipsRemoved'], configuration: IN_REMOVAL, promise: 'I1' },
  { rules: ['removalSettles', 'storeSkipsRemoved'], configuration: IN_REMOVAL, promise: 'I5' },
  { rules: ['syncsUnlinkBeforeForget'], configuration: IN_REMOVAL, promise: 'I9' },
  { rules: ['countsReferences'], configuration: 'numbered, equal contents, removal, 1 + 1', promise: 'I9' },
  { rules: ['leavesTombstone'], configuration: IN_REMOVAL, promise: 'I10' },
  { rules: ['opensAwaitExpiry'], configuration: IN_EXPIRY, promise: 'I9' },
  { rules: ['expiryTellsMemory'], configuration: IN_EXPIRY, promise: 'I1' },
  { rules: ['expirySparesStored'], configuration: IN_EXPIRY, promise: 'I13' },
  { rules: ['finishesAgain'], configuration: 'original, stop and wait, held', promise: 'I11' },
]
