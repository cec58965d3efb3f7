/** What is explored of what a user has, each to its end, and which rule's absence has to be noticed where. */
import { USER_RULES, type UserRules } from './rules.ts'
import type { UserBounds } from './world.ts'

const SHARING: UserBounds = { name: '', files: 2, blocks: 1, digests: 3, removal: true, rules: USER_RULES }
const BOUNDED: UserBounds = { ...SHARING, distinct: true, expiry: true }
const DAMAGED: UserBounds = { ...SHARING, blocks: 2, rot: true, repairs: 1 }

export const USER_CONFIGURATIONS: readonly UserBounds[] = [
  { ...SHARING, name: 'known content, removal, expiry, fetch, 3 files', files: 3, digests: 6, expiry: true, fetch: true },
  { ...BOUNDED, name: 'quota, sizes told', quota: 3, files: 3, blocks: 2, removal: false },
  { ...BOUNDED, name: 'quota, sizes not told', quota: 3, files: 2, blocks: 2, untold: 3 },
  { ...BOUNDED, name: 'quota, equal contents', quota: 3, files: 2, blocks: 2, untold: 1, distinct: false },
  { ...DAMAGED, name: 'repair, wrong bytes, fetch', files: 1, wrongBytes: true, fetch: true, expiry: true },
  { ...DAMAGED, name: 'repair beside whole content, 1 block', blocks: 1, digests: 1, repairs: 3, files: 2 },
]

export const WIDE_USER_CONFIGURATIONS: readonly UserBounds[] = [
  { ...DAMAGED, name: 'repair, known content', digests: 2 },
  { ...DAMAGED, name: 'repair beside whole content, 3 files, 1 block', blocks: 1, digests: 1, repairs: 1, files: 3 },
  { ...DAMAGED, name: 'two repairs of one content, expiry', repairs: 3, expiry: true },
  { ...BOUNDED, name: 'quota, sizes not told, 3 files', quota: 4, files: 3, blocks: 2, untold: 3 },
]

export interface UserMutation {
  readonly rules: readonly (keyof UserRules)[]
  readonly configuration: string
  readonly promise: string
}

const IN_SHARING = 'known content, removal, expiry, fetch, 3 files'
const IN_QUOTA = 'quota, sizes told'
const IN_UNTOLD = 'quota, sizes not told'
const IN_REPAIR = 'repair, wrong bytes, fetch'
const IN_BESIDE = 'repair beside whole content, 1 block'

export const USER_MUTATIONS: readonly UserMutation[] = [
  { rules: ['countsSharedOnce'], configuration: IN_SHARING, promise: 'U1' },
  { rules: ['countsRemovals'], configuration: IN_SHARING, promise: 'U1' },
  { rules: ['countsMarks'], configuration: IN_UNTOLD, promise: 'U1' },
  { rules: ['comparesInTransaction'], configuration: IN_QUOTA, promise: 'U2' },
  { rules: ['comparesAtMark'], configuration: IN_UNTOLD, promise: 'U2' },
  { rules: ['looksInTransaction'], configuration: IN_SHARING, promise: 'U3' },
  { rules: ['announcesOverDamage'], configuration: IN_BESIDE, promise: 'U6' },
  { rules: ['storesOverDamage'], configuration: IN_BESIDE, promise: 'U6' },
  { rules: ['replacementEndsRepairs'], configuration: IN_BESIDE, promise: 'U3' },
  { rules: ['countsReferences'], configuration: IN_SHARING, promise: 'U3' },
  { rules: ['repairLeavesGarbage'], configuration: IN_REPAIR, promise: 'U5' },
  { rules: ['removalEndsRepair'], configuration: IN_REPAIR, promise: 'U8' },
  { rules: ['repairAsksForDamage'], configuration: IN_REPAIR, promise: 'U4' },
  { rules: ['judgesBeforeWriting'], configuration: IN_REPAIR, promise: 'U3' },
  { rules: ['syncsBeforeClearing'], configuration: IN_REPAIR, promise: 'U3' },
  { rules: ['clearsWhatItWrote'], configuration: IN_REPAIR, promise: 'U3' },
  { rules: ['endsItsOwnRepair'], configuration: IN_BESIDE, promise: 'U3' },
  { rules: ['unlinkAwaitsRepair'], configuration: IN_BESIDE, promise: 'U5' },
  { rules: ['repairsAgain'], configuration: IN_REPAIR, promise: 'I11' },
  { rules: ['comparesBlocks'], configuration: IN_REPAIR, promise: 'U7' },
  { rules: ['readsThroughHandle'], configuration: IN_SHARING, promise: 'U7' },
  { rules: ['expirySparesOpen'], configuration: IN_REPAIR, promise: 'I11' },
  { rules: ['syncsUnlinkBeforeForget'], configuration: IN_SHARING, promise: 'U5' },
]
