/**
 * Everything that can happen next to what a user has: what its clients send, what the daemon does a step at a time, and what goes wrong.
 */
import type { Step } from '../checker.ts'
import { at, type State } from '../world.ts'
import {
  announce, announcedCharge, beginRepair, damage, endRepair, known, mark, remove, repaired, resetRepair, store,
} from './catalog.ts'
import { clear, durable, losePower, sync, unlink, view, write } from './disk.ts'
import {
  BLOBS_MAX, BROKEN, CONTENT, copyOf, CYCLE, FINISH, GARBAGE, IS_OWN, isIn, LOOKED, NAME, NOTED, OPEN, READER, RECEIPT, REMOVED, REPAIR, RUNS, SHOWN,
  SIZE_TOLD, STATE, TARGET, UNLINKED, UNSEEN, USED, type UserWorld, WRITES,
} from './world.ts'

type Move = (name: string, change: (s: State) => void) => void

export function userMoves(world: UserWorld, from: State, step: Step): void {
  for (const file of world.files) {
    const move: Move = (name, change) => {
      const s = copyOf(from)
      change(s)
      step(name, s, file)
    }
    if (at(from, STATE + file) === 0) announcing(world, from, file, move)
    else if (at(from, STATE + file) < 3) {
      opening(world, from, file, move)
      sending(world, from, file, move)
      finishing(world, from, file, move)
      going(world, from, file, move)
    }
  }
  for (const content of world.files) decay(world, from, content, step)
  collecting(world, from, step)
  crashes(world, from, step)
}

/** With the digest and size of content that is there, and known to be whole as far as is known, it is stored at once. */
function announcing(world: UserWorld, from: State, file: number, move: Move): void {
  const looked = at(from, LOOKED + file)
  const isOneStep = world.rules.comparesInTransaction && world.rules.looksInTransaction
  const fits = world.hasRoomFor(from, announcedCharge(world, file, known(world, from, file)))
  if (!isOneStep && looked === 0) {
    if (fits) move('the announcement of file % is judged', s => { s[LOOKED + file] = 1 + known(world, s, file) })
    return
  }
  if (isOneStep && !fits) return
  move('file % is announced', s => {
    announce(world, s, file, isOneStep || world.rules.looksInTransaction ? known(world, s, file) : looked - 1)
    s[LOOKED + file] = 0
    s[OPEN + file] = 1
  })
}

/** AUTHENTICATION again, which begins the repair of what is damaged; and the end of its connection. */
function opening(world: UserWorld, from: State, file: number, move: Move): void {
  const isNeeded = at(from, STATE + file) === 2 && at(from, REPAIR + file) === 0 && isIn(world.bounds.repairs ?? 0, file) &&
    at(from, NOTED + world.contentOf(file)) > 0
  const blob = world.repairBlob(file)
  // A repair's blob has an id that no blob had before.
  const isFree = at(from, NAME + blob) === 0 && at(from, GARBAGE + blob) === 0 && at(from, CYCLE + file) === 0
  if (isNeeded ? isFree : at(from, OPEN + file) === 0) {
    move(isNeeded ? 'file % is authenticated, and its repair begun' : 'file % is authenticated', s => {
      s[OPEN + file] = 1
      if (!isNeeded) return
      s[REMOVED + blob] = 0
      beginRepair(world, s, file)
    })
  }
  if (at(from, OPEN + file) === 1 && world.isIdle(from, file)) move('the connection of file % is closed', s => { s[OPEN + file] = 0 })
}

function sending(world: UserWorld, from: State, file: number, move: Move): void {
  const cycle = at(from, CYCLE + file)
  const blob = world.blobOf(from, file)
  const isTold = at(from, SIZE_TOLD + file) === 1
  if (cycle === 0 && at(from, FINISH + file) === 0 && at(from, OPEN + file) === 1) {
    const isAsked = at(from, STATE + file) === 1 || at(from, REPAIR + file) === 1
    for (const block of world.blocks) {
      if (!isAsked || isIn(at(from, RECEIPT + file), block) || (!isTold && !world.hasRoomFor(from, 1))) continue
      for (const bytes of world.bounds.wrongBytes && at(from, REPAIR + file) === 1 ? [1, 2] : [1]) {
        move(bytes === 1 ? `block ${block} of file % is written` : `block ${block} of file % is written with other bytes`, s => {
          if (at(s, REMOVED + blob) === 0) write(s, blob, block, bytes)
          s[CYCLE + file] = 1 + block
        })
      }
    }
    const growth = world.bounds.blocks - world.charge(from, file)
    if (!isTold && at(from, STATE + file) === 1 && world.hasRoomFor(from, growth)) move('the size of file % is told', s => {
      s[USED] = at(s, USED) + growth
      s[SIZE_TOLD + file] = 1
    })
  }
  if (cycle === 1 || cycle === 2) move('the cycle of file % syncs', s => {
    if (at(s, REMOVED + blob) === 0) sync(s, blob)
    s[CYCLE + file] = cycle + 2
  })
  if (cycle > 2) move('the cycle of file % is marked and answered', s => {
    mark(world, s, file, cycle - 3)
    s[CYCLE + file] = 0
    if (!world.rules.repairsAgain && at(s, REPAIR + file) === 1 && at(s, RECEIPT + file) === world.whole) judgeRepair(world, s, file)
  })
}

function finishing(world: UserWorld, from: State, file: number, move: Move): void {
  const phase = at(from, FINISH + file)
  const isComplete = at(from, RECEIPT + file) === world.whole && at(from, SIZE_TOLD + file) === 1 && at(from, CYCLE + file) === 0
  if (phase === 0 && isComplete && at(from, OPEN + file) === 1) {
    if (at(from, STATE + file) === 1) move('the digest of file % is computed', s => { s[FINISH + file] = 1 })
    else if (at(from, REPAIR + file) === 1 && world.rules.repairsAgain) move('the repair of file % is judged', s => judgeRepair(world, s, file))
  }
  if (phase === 1) move('file % is stored', s => {
    store(world, s, file)
    s[FINISH + file] = 0
  })
  const target = at(from, TARGET + file) - 1
  if (phase === 3) move('the repair of file % writes over the damage', s => {
    for (const block of world.blocks) {
      if (isIn(at(s, WRITES + file), block)) write(s, target, block, world.rules.judgesBeforeWriting ? 1 : view(s, world.repairBlob(file), block) || 1)
    }
    s[FINISH + file] = world.rules.syncsBeforeClearing ? 4 : 5
  })
  if (phase === 4) move('the repair of file % syncs', s => {
    if (at(s, NAME + target) !== 3) sync(s, target)
    s[FINISH + file] = 5
  })
  if (phase === 5) move('the repair of file % is noted', s => {
    // What was removed meanwhile may have been made anew.
    if (at(s, REMOVED + target) === 1) clear(s, target)
    repaired(world, s, file)
    s[FINISH + file] = 0
    for (const fields of [TARGET, WRITES, IS_OWN]) s[fields + file] = 0
  })
  if (phase === 6) move('the repair of file % is reset', s => {
    resetRepair(world, s, file)
    s[FINISH + file] = 0
  })
}

/** The content, with the repair's blocks in their places, has its digest or has not. */
function judgeRepair(world: UserWorld, s: State, file: number): void {
  const shown = at(s, SHOWN + file) - 1
  const runs = at(s, RUNS + file)
  const agrees = world.blocks.every(block => view(s, isIn(runs, block) ? world.repairBlob(file) : shown, block) === 1)
  s[FINISH + file] = agrees || !world.rules.judgesBeforeWriting ? 3 : 6
  if (at(s, FINISH + file) === 6) return
  s[TARGET + file] = shown + 1
  s[WRITES + file] = runs
  s[IS_OWN + file] = 1
}

/** A REMOVE waits for what is under way; expiry takes what nobody has open. */
function going(world: UserWorld, from: State, file: number, move: Move): void {
  if (world.bounds.removal && world.isIdle(from, file)) move('REMOVE takes file %', s => {
    remove(world, s, file)
    s[OPEN + file] = 0
  })
  const isSpared = world.rules.expirySparesOpen && at(from, OPEN + file) === 1
  if (!world.bounds.expiry || isSpared) return
  if (at(from, STATE + file) === 1 || at(from, REPAIR + file) === 0) move('expiry takes file %', s => remove(world, s, file))
  else move('the repair of file % lapses', s => endRepair(world, s, file))
}

/** Bits change; a scrub or a FETCH meets the damage, and all of the content's is written down. */
function decay(world: UserWorld, from: State, content: number, step: Step): void {
  const blob = at(from, CONTENT + content) - 1
  if (blob < 0) return
  const move: Move = (name, change) => {
    const s = copyOf(from)
    change(s)
    step(name, s, content)
  }
  if (world.bounds.rot) {
    // What a repair has written does not rot again before that is noted: its note could not be told from the old one.
    const written = world.files.reduce((mask, file) => at(from, FINISH + file) >= 3 && at(from, TARGET + file) === blob + 1 ? mask | at(from, WRITES + file) : mask, 0)
    for (const block of world.blocks) {
      if (!isIn(at(from, UNSEEN + content) | written, block)) move(`block ${block} of content % rots`, s => damage(s, content, block))
    }
    if (at(from, UNSEEN + content) > 0) move('the damage of content % is noticed', s => note(world, s, content, blob))
  }
  if (!world.bounds.fetch) return
  if (at(from, READER) === 0 && at(from, NOTED + content) === 0) move('a FETCH of content % opens its blob', s => { s[READER] = blob + 1 })
}

function note(world: UserWorld, s: State, content: number, blob: number): void {
  for (const block of world.blocks) {
    if (view(s, blob, block) !== 1) s[NOTED + content] = at(s, NOTED + content) | (1 << block)
    // Bytes of a repair that are not synced hide what is under them.
    if (view(s, blob, block) !== 1 || durable(s, blob, block) === 1) s[UNSEEN + content] = at(s, UNSEEN + content) & ~(1 << block)
  }
}

/** Garbage is unlinked, durably, then forgotten; and what a FETCH that was begun before reads. */
function collecting(world: UserWorld, from: State, step: Step): void {
  const reader = at(from, READER) - 1
  if (reader >= 0) {
    const s = copyOf(from)
    s[READER] = 0
    const isThere = at(s, NAME + reader) === 1 || at(s, NAME + reader) === 2
    if (!isThere && !world.rules.readsThroughHandle) s[BROKEN] = 7
    const isWrong = isThere && world.blocks.some(block => view(s, reader, block) !== 1)
    if (isWrong && !world.rules.comparesBlocks) s[BROKEN] = 7
    step('the FETCH reads blob %', s, reader)
  }
  const unlinked = at(from, UNLINKED) - 1
  if (unlinked >= 0) {
    const s = copyOf(from)
    if (at(s, NAME + unlinked) === 3) clear(s, unlinked)
    s[GARBAGE + unlinked] = 0
    s[UNLINKED] = 0
    if (world.rules.syncsUnlinkBeforeForget) step('the unlink of blob % is synced, and its id forgotten', s, unlinked)
    else {
      s[NAME + unlinked] = at(from, NAME + unlinked)
      step('blob % is forgotten', s, unlinked)
    }
    return
  }
  for (let blob = 0; blob < BLOBS_MAX; blob++) {
    if (at(from, GARBAGE + blob) === 0) continue
    const isRepaired = world.files.some(file => at(from, FINISH + file) >= 3 && at(from, TARGET + file) === blob + 1)
    if (isRepaired && world.rules.unlinkAwaitsRepair) continue
    const s = copyOf(from)
    unlink(s, blob)
    s[REMOVED + blob] = 1
    s[UNLINKED] = blob + 1
    step('blob % is unlinked', s, blob)
  }
}

/** Memory is lost; then the daemon is up again. */
function crashes(world: UserWorld, from: State, step: Step): void {
  const s = copyOf(from)
  for (const fields of [OPEN, CYCLE, FINISH, TARGET, WRITES, IS_OWN, LOOKED]) for (const file of world.files) s[fields + file] = 0
  for (let blob = 0; blob < BLOBS_MAX; blob++) s[REMOVED + blob] = 0
  s[READER] = 0
  s[UNLINKED] = 0
  step('the daemon is killed and started', s)
  losePower(s, cut => step('a power cut', cut))
}
