/** What must hold in every state of what a user has, so after a crash in any of them, too. */
import { at, type State } from '../world.ts'
import { durable } from './disk.ts'
import {
  BLOBS_MAX, BROKEN, CONTENT, COUNTED, GARBAGE, isIn, NAME, NOTED, RECEIPT, REPAIR, RUNS, SHOWN, STATE, UNSEEN, USED, type UserWorld,
} from './world.ts'

export const USER_PROMISES: Readonly<Record<string, string>> = {
  U1: 'what is counted for a user is what the user has',
  U2: 'nobody has more than the quota',
  U3: 'a stored file shows a content that is there, not garbage, and durable but for damage that is known or that nobody has met',
  U4: 'what is marked is durable, of a repair as of an upload',
  U5: 'a blob has a record: of a file, a content, a repair, or in garbage',
  U6: 'what is answered as stored is not known to be damaged',
  U7: 'a FETCH hands out nothing but what was stored',
  U8: 'nothing is left of a file that is gone, and what is under repair is stored',
  I11: 'from every state an end can be reached without harm: stored, whole, and no garbage',
}

export function brokenUserPromise(world: UserWorld, s: State): string | undefined {
  if (at(s, BROKEN) > 0) return `U${at(s, BROKEN)}`
  return brokenCount(world, s) ?? brokenContent(world, s) ?? brokenReceipt(world, s) ?? brokenBlob(world, s) ?? brokenEnd(world, s)
}

function brokenCount(world: UserWorld, s: State): string | undefined {
  let blocks = 0
  let files = 0
  for (const file of world.files) {
    const state = at(s, STATE + file)
    if (state === 1) blocks += world.charge(s, file)
    if (at(s, CONTENT + file) > 0) blocks += world.bounds.blocks
    if (state === 1 || state === 2) files++
  }
  if (at(s, USED) !== blocks || at(s, COUNTED) !== files) return 'U1'
  return world.bounds.quota !== undefined && blocks > world.bounds.quota ? 'U2' : undefined
}

function brokenContent(world: UserWorld, s: State): string | undefined {
  for (const file of world.files) {
    if (at(s, STATE + file) !== 2) continue
    const content = world.contentOf(file)
    const blob = at(s, SHOWN + file) - 1
    if (blob < 0 || at(s, CONTENT + content) !== blob + 1 || at(s, GARBAGE + blob) === 1 || at(s, NAME + blob) !== 2) return 'U3'
    const known = at(s, NOTED + content) | at(s, UNSEEN + content)
    if (world.blocks.some(block => !isIn(known, block) && durable(s, blob, block) !== 1)) return 'U3'
  }
  return undefined
}

function brokenReceipt(world: UserWorld, s: State): string | undefined {
  for (const file of world.files) {
    const isRepair = at(s, STATE + file) === 2
    // What a repair does not ask for is in the content.
    const own = isRepair ? at(s, RECEIPT + file) & at(s, RUNS + file) : at(s, RECEIPT + file)
    if (isRepair && at(s, REPAIR + file) === 0) continue
    if (world.blocks.some(block => isIn(own, block) && durable(s, world.blobOf(s, file), block) === 0)) return 'U4'
  }
  return undefined
}

function brokenBlob(world: UserWorld, s: State): string | undefined {
  for (let blob = 0; blob < BLOBS_MAX; blob++) {
    if (at(s, NAME + blob) === 0 || at(s, GARBAGE + blob) === 1) continue
    const isReceiving = blob < world.bounds.files && at(s, STATE + blob) === 1
    const isShown = world.files.some(content => at(s, CONTENT + content) === blob + 1)
    const isRepair = world.files.some(file => world.repairBlob(file) === blob && at(s, REPAIR + file) === 1)
    if (!isReceiving && !isShown && !isRepair) return 'U5'
  }
  return undefined
}

function brokenEnd(world: UserWorld, s: State): string | undefined {
  for (const file of world.files) {
    const isGone = at(s, STATE + file) === 3
    if (isGone && (at(s, RECEIPT + file) > 0 || at(s, SHOWN + file) > 0)) return 'U8'
    if (at(s, REPAIR + file) === 1 && (at(s, STATE + file) !== 2 || at(s, GARBAGE + world.repairBlob(file)) === 1)) return 'U8'
  }
  return undefined
}
