/**
 * Removal in the model: REMOVE, expiry, the tombstone's end, and the deletion of the blobs that removal leaves.
 */
import type { Step } from './checker.ts'
import { forgetTombstone, remove, unlink } from './disk.ts'
import {
  at, CLOSING, CONNECTION, copyOf, CYCLE, EXPIRED, EXPIRING, FAILED, FILE, FINISH, GARBAGE, GATHERED, GENERATION, NAME, NEW_PAIR, PHASE, type State,
  TRANSFER, UNLINKED, WAITING, type World,
} from './world.ts'

type Move = (name: string, detail: number, change: (s: State) => void) => void

export function removalMoves(world: World, from: State, step: Step): void {
  const { bounds } = world
  const move: Move = (name, detail, change) => {
    const s = copyOf(from)
    change(s)
    step(name, s, detail)
  }
  if (at(from, FAILED) === 0) {
    if (bounds.removal && at(from, TRANSFER) === 1) removeMoves(world, from, move)
    if (bounds.expiry) expiryMoves(world, from, move)
    if (bounds.fidAgain && at(from, TRANSFER) === 2 && at(from, GENERATION) === 0 && at(from, EXPIRED) === 0 && isQuiet(world, from)) {
      move('30 days later the tombstone is forgotten', 0, forgetTombstone)
    }
    if (bounds.collects) garbageMoves(world, from, move)
  }
}

/** A REMOVE closes its files to new chunks, waits for what is under way, is written, and then answered. */
function removeMoves(world: World, from: State, move: Move): void {
  const closing = at(from, CLOSING)
  if (closing === 0) {
    for (const files of [1, 2, 3]) {
      if ([0, 1].some(file => isIn(files, file) && at(from, FILE + file) < 2)) {
        move(files === 3 ? 'REMOVE closes the transfer' : 'REMOVE closes file %', files - 1, s => {
          s[CLOSING] = files
        })
      }
    }
    return
  }
  const isSettled = [0, 1].every(file => !isIn(closing, file) || isFileQuiet(world, from, file))
  if (isSettled || !world.rules.removalSettles) {
    move('REMOVE is written and answered', 0, s => {
      remove(world, s, closing)
      s[CLOSING] = 0
      forgetRemoved(world, s, closing)
    })
  }
}

/** Expiry looks at what is in use in one turn and is written in a later one; memory learns of it in a third. */
function expiryMoves(world: World, from: State, move: Move): void {
  const receiving = [0, 1].filter(file => at(from, FILE + file) === 0)
  const isUsed = !isQuiet(world, from) || at(from, CLOSING) > 0 || [0, 1].some(i => at(from, CONNECTION + i) > 0)
  if (at(from, EXPIRED) > 0) {
    if (world.rules.expiryTellsMemory) {
      move('memory learns of the expiry', 0, s => {
        s[EXPIRED] = 0
        forgetRemoved(world, s, at(from, EXPIRED))
      })
    }
  } else if (at(from, EXPIRING) === 0) {
    if (!isUsed && at(from, TRANSFER) === 1 && receiving.length > 0) {
      move('7 days later expiry finds the transfer unused', 0, s => {
        s[EXPIRING] = 1
      })
    }
  } else {
    move('expiry is written', 0, s => {
      const files = world.rules.expirySparesStored ? receiving.reduce((mask, file) => mask | (1 << file), 0) : 3
      s[EXPIRING] = 0
      if (at(s, TRANSFER) !== 1) return
      remove(world, s, files, true)
      s[EXPIRED] = files
    })
  }
}

/** Garbage is unlinked, the unlink made durable, and the blob's id forgotten. */
function garbageMoves(world: World, from: State, move: Move): void {
  const unlinked = at(from, UNLINKED) - 1
  if (unlinked >= 0) {
    if (at(from, NAME + unlinked) === 3) {
      move('the unlink of blob % is synced', unlinked, s => {
        s[NAME + unlinked] = 2
        unlink(world, s, unlinked, true)
      })
    }
    if (at(from, NAME + unlinked) !== 3 || !world.rules.syncsUnlinkBeforeForget) {
      move('blob % is forgotten', unlinked, s => {
        s[GARBAGE + unlinked] = 0
        s[UNLINKED] = 0
      })
    }
    return
  }
  for (let blob = 0; blob < 4; blob++) {
    if (at(from, GARBAGE + blob) === 0) continue
    const isWritten = blob >> 1 === at(from, GENERATION) && world.isWriting(from, blob & 1)
    if (isWritten && world.rules.unlinkAwaitsWriters) continue
    move('blob % is unlinked', blob, s => {
      unlink(world, s, blob, false)
      s[UNLINKED] = blob + 1
    })
  }
}

/** Memory drops what it knew of these files: gathered chunks and waiting answers are refused; a cycle goes on with what it has taken. */
function forgetRemoved(world: World, s: State, files: number): void {
  for (let place = 0; place < world.places; place++) {
    if (!isIn(files, world.file(place))) continue
    s[WAITING + place] = 0
    if (at(s, GATHERED + place) === 0) continue
    s[GATHERED + place] = 0
    const uuid = world.newUuid(s, place)
    if (uuid >= 0) s[NEW_PAIR + uuid] = 0
  }
  if (at(s, TRANSFER) !== 1) for (const connection of [0, 1]) s[CONNECTION + connection] = 0
}

function isQuiet(world: World, s: State): boolean {
  return at(s, PHASE) === 0 && [0, 1].every(file => isFileQuiet(world, s, file))
}

function isFileQuiet(world: World, s: State, file: number): boolean {
  return at(s, FINISH + file) === 0 && !world.fileOf.some((owner, place) => owner === file && (at(s, CYCLE + place) > 0 || at(s, GATHERED + place) > 0))
}

function isIn(mask: number, bit: number): boolean {
  return ((mask >> bit) & 1) === 1
}
