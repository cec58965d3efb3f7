/** The transactions of the second model, each atomic and durable, with the user's counters in them. */
import { at, type State } from '../world.ts'
import { rot } from './disk.ts'
import {
  BROKEN, CONTENT, COUNTED, GARBAGE, IS_OWN, NOTED, RECEIPT, REPAIR, RUNS, SHOWN, SIZE_TOLD, STATE, UNSEEN, USED, type UserWorld, WRITES,
} from './world.ts'

/** The blob + 1 of content that is there already; 0 where it has to be sent. */
export function known(world: UserWorld, s: State, file: number): number {
  const content = world.contentOf(file)
  if (!world.hasAnnouncedDigest(file) || isUntold(world, file)) return 0
  return at(s, NOTED + content) === 0 || !world.rules.announcesOverDamage ? at(s, CONTENT + content) : 0
}

export function announcedCharge(world: UserWorld, file: number, twin: number): number {
  return twin > 0 || isUntold(world, file) ? 0 : world.bounds.blocks
}

function isUntold(world: UserWorld, file: number): boolean {
  return ((world.bounds.untold ?? 0) >> file & 1) === 1
}

export function announce(world: UserWorld, s: State, file: number, twin: number): void {
  s[STATE + file] = twin > 0 ? 2 : 1
  s[SHOWN + file] = twin
  s[SIZE_TOLD + file] = isUntold(world, file) ? 0 : 1
  s[USED] = at(s, USED) + announcedCharge(world, file, twin)
  s[COUNTED] = at(s, COUNTED) + 1
  if (twin > 0 && at(s, NOTED + world.contentOf(file)) > 0) s[BROKEN] = 6
}

/** The block is marked; refused where it leads beyond the quota, passed over where neither file nor repair is there any more. */
export function mark(world: UserWorld, s: State, file: number, block: number): void {
  if (at(s, STATE + file) !== 1 && at(s, REPAIR + file) === 0) return
  const isCounted = at(s, STATE + file) === 1 && at(s, SIZE_TOLD + file) === 0
  if (isCounted && world.rules.comparesAtMark && !world.hasRoomFor(s, 1)) return
  s[RECEIPT + file] = at(s, RECEIPT + file) | (1 << block)
  if (isCounted && world.rules.countsMarks) s[USED] = at(s, USED) + 1
}

/** Visible: as the first with its content, as one more that shows it, or in the place of what is damaged. */
export function store(world: UserWorld, s: State, file: number): void {
  const content = world.contentOf(file)
  const twin = at(s, CONTENT + content)
  const isReplaced = twin > 0 && at(s, NOTED + content) > 0 && world.rules.storesOverDamage
  if (twin > 0) {
    s[GARBAGE + (isReplaced ? twin - 1 : file)] = 1
    if (world.rules.countsSharedOnce) s[USED] = at(s, USED) - world.bounds.blocks
  }
  if (twin === 0 || isReplaced) s[CONTENT + content] = file + 1
  if (isReplaced) {
    if (world.rules.replacementEndsRepairs) endRepairsOf(world, s, twin)
    s[NOTED + content] = 0
    s[UNSEEN + content] = 0
    for (const other of world.files) if (at(s, SHOWN + other) === twin) s[SHOWN + other] = file + 1
  }
  s[STATE + file] = 2
  s[SHOWN + file] = at(s, CONTENT + content)
  s[RECEIPT + file] = 0
  if (at(s, NOTED + content) > 0) s[BROKEN] = 6
}

/** REMOVE, or expiry. */
export function remove(world: UserWorld, s: State, file: number): void {
  const shown = at(s, SHOWN + file)
  if (world.rules.removalEndsRepair) endRepair(world, s, file)
  const charge = at(s, STATE + file) === 1 ? world.charge(s, file) : 0
  s[SHOWN + file] = 0
  const isShared = shown > 0 && world.rules.countsReferences && world.files.some(other => at(s, SHOWN + other) === shown)
  if (!isShared) {
    s[GARBAGE + (shown > 0 ? shown - 1 : file)] = 1
    if (shown > 0) for (const fields of [CONTENT, NOTED, UNSEEN]) s[fields + world.contentOf(file)] = 0
  }
  const released = charge + (shown > 0 && !isShared ? world.bounds.blocks : 0)
  if (world.rules.countsRemovals) s[USED] = at(s, USED) - released
  s[COUNTED] = at(s, COUNTED) - 1
  s[STATE + file] = 3
  s[RECEIPT + file] = 0
}

/** What is known to be damaged has to be sent again; the rest is as good as marked. */
export function beginRepair(world: UserWorld, s: State, file: number): void {
  const noted = at(s, NOTED + world.contentOf(file))
  s[REPAIR + file] = 1
  s[RUNS + file] = noted
  s[RECEIPT + file] = world.rules.repairAsksForDamage ? world.whole & ~noted : world.whole
}

/** The repair is over, whatever came of it. */
export function endRepair(world: UserWorld, s: State, file: number): void {
  if (at(s, REPAIR + file) === 0) return
  s[REPAIR + file] = 0
  s[RUNS + file] = 0
  s[RECEIPT + file] = 0
  s[IS_OWN + file] = 0
  if (world.rules.repairLeavesGarbage) s[GARBAGE + world.repairBlob(file)] = 1
}

function endRepairsOf(world: UserWorld, s: State, shown: number): void {
  for (const file of world.files) if (at(s, SHOWN + file) === shown) endRepair(world, s, file)
}

/** The blocks are whole again. */
export function repaired(world: UserWorld, s: State, file: number): void {
  if (at(s, REPAIR + file) === 0 || (world.rules.endsItsOwnRepair && at(s, IS_OWN + file) === 0)) return
  const content = world.contentOf(file)
  s[NOTED + content] = world.rules.clearsWhatItWrote ? at(s, NOTED + content) & ~at(s, WRITES + file) : 0
  s[UNSEEN + content] = at(s, UNSEEN + content) & ~at(s, WRITES + file)
  endRepairsOf(world, s, at(s, SHOWN + file))
}

/** What came does not fit: everything is asked for. */
export function resetRepair(world: UserWorld, s: State, file: number): void {
  if (at(s, REPAIR + file) === 0) return
  s[RUNS + file] = world.whole
  s[RECEIPT + file] = 0
}

export function damage(s: State, content: number, block: number): void {
  rot(s, at(s, CONTENT + content) - 1, block)
  s[UNSEEN + content] = at(s, UNSEEN + content) | (1 << block)
}
