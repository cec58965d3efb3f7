/**
 * The peers of the model's daemon, and what breaks around them. A message is sent and arrives in one move: what is under way and late
 * is a message sent late, so a client may send on either connection at any time whatever it still has not seen acknowledged.
 */
import type { Step } from './checker.ts'
import { receive } from './daemon.ts'
import { announce, losePower } from './disk.ts'
import { acknowledge, reportPresent } from './promises.ts'
import {
  ACCEPTED, at, AWAITED, BLOCKED, CLOSING, CONNECTION, copyOf, CYCLE, DIGEST, EXPIRED, EXPIRING, FAILED, FILE, FILLER, FINISH, GATHERED, HELD_CYCLE,
  NEW_PAIR, NEXT, PAIR, PHASE, PROMISED, RECEIPT, SEEN, SIZE_KNOWN, type State, TELLING, TRANSFER, UNLINKED, WAITING, type World,
} from './world.ts'

export function connectionMoves(world: World, from: State, connection: number, step: Step): void {
  const phase = at(from, CONNECTION + connection)
  const s = copyOf(from)
  const isGone = at(s, TRANSFER) === 2 || (at(s, FAILED) === 1 && at(s, TRANSFER) === 0)
  if (world.rules.opensAwaitExpiry && (at(s, EXPIRING) > 0 || (at(s, EXPIRED) > 0 && world.rules.expiryTellsMemory))) return
  // Opaque clients authenticate again on the same connection too: it makes them the filler.
  if (!isGone && (phase === 0 || (phase === 2 && world.isOpaque))) {
    if (at(s, TRANSFER) === 0) announce(world, s)
    s[FILLER] = connection + 1
    s[BLOCKED] = 0
    for (let file = 0; file < 2; file++) {
      const isIdle = world.isComplete(s, file) && at(s, FINISH + file) === 0 && at(s, FAILED) === 0
      if (isIdle && world.rules.finishesAgain) s[FINISH + file] = 1
    }
    let awaited = 0
    if (world.isOpaque && world.rules.reportAwaitsPending) {
      for (let place = 0; place < world.places; place++) if (world.isPending(s, place)) awaited |= 1 << place
    }
    s[AWAITED + connection] = awaited
    s[CONNECTION + connection] = 1
    if (awaited === 0) report(world, s, connection)
    step('connection % authenticates', s, connection)
  }
  if (phase === 1) {
    const next = copyOf(from)
    for (let place = 0; place < world.places; place++) {
      if (!world.isPending(next, place)) next[AWAITED + connection] = at(next, AWAITED + connection) & ~(1 << place)
    }
    if (at(next, AWAITED + connection) === 0) {
      report(world, next, connection)
      step('connection % gets its report', next, connection)
    }
  }
  if (phase === 2) {
    if (world.isOpaque && !(world.bounds.client === 'mixed' && connection === 1)) sendOpaque(world, from, connection, step)
    else sendNumbered(world, from, connection, step)
    if (world.bounds.told !== undefined) tell(world, from, step)
  }
  if (phase > 0) {
    const next = copyOf(from)
    closeConnection(next, connection)
    step('connection % is closed', next, connection)
  }
}

/** The report is given, and promises what it does not list as missing. */
function report(world: World, s: State, connection: number): void {
  s[CONNECTION + connection] = 2
  let present = 0
  for (let place = 0; place < world.places; place++) {
    const state = world.fileState(s, world.file(place))
    const isPresent = state === 'stored' || (state === 'receiving' && world.isMarked(s, place))
    const isClaimed = isPresent || (world.isPending(s, place) && !world.rules.reportsPendingAsMissing)
    if (isClaimed) reportPresent(world, s, place)
    // A removed file needs nothing more.
    if (isClaimed || state === 'removed') present |= 1 << place
  }
  if (!world.isOpaque) return
  const client = world.bounds.client === 'resuming' ? connection : 0
  const readsReports = world.bounds.client === 'resuming' || world.bounds.wrongBytes !== undefined
  if (readsReports) s[SEEN + client] = present
  s[NEXT + client] = 0
}

function sendNumbered(world: World, from: State, connection: number, step: Step): void {
  for (let place = 0; place < world.places; place++) {
    if (world.bounds.client === 'mixed' && world.file(place) === 0) continue
    for (const bytes of world.bounds.wrongBytes?.includes(place) ? [1, 2] : [1]) {
      const s = copyOf(from)
      if (receive(world, s, place, bytes, 1, connection) === 'ok') acknowledge(world, s, place, 1 << connection, true)
      step(bytes === 1 ? 'connection % sends chunk %' : 'connection % sends chunk % with other bytes', s, connection, place)
    }
  }
}

/** New chunks in order, as far as the window allows, and again whatever was sent since the client authenticated. */
function sendOpaque(world: World, from: State, connection: number, step: Step): void {
  const client = world.bounds.client === 'resuming' ? connection : 0
  const seen = at(from, SEEN + client)
  const isFiller = at(from, FILLER) === connection + 1
  let unanswered = 0
  for (let place = 0; place < world.places; place++) {
    if ((seen >> place) & 1) {
      if (world.bounds.client !== 'original') continue
    } else if (unanswered++ >= world.bounds.window) break
    for (const bytes of world.bounds.wrongBytes?.includes(place) ? [1, 2] : [1]) {
      for (const delivered of [true, false]) {
        const s = copyOf(from)
        const uuid = client * 3 + place
        if (isFiller && place >= at(s, NEXT + client)) s[NEXT + client] = place + 1
        const isAnswered = receiveOpaque(world, s, uuid, bytes, connection, delivered)
        const name = bytes === 1 ? 'connection % sends opaque chunk %' : 'connection % sends opaque chunk % with other bytes'
        if (delivered || isAnswered) step(delivered ? name : `${name}, its Ok gets lost`, s, connection, uuid)
      }
    }
    // On a connection that it has left, what it sent there may arrive still.
    if (isFiller && place >= at(from, NEXT + client)) break
  }
}

/** Finds the place of an opaque chunk; answers whether it got an Ok at once. */
function receiveOpaque(world: World, s: State, uuid: number, bytes: number, connection: number, isDelivered: boolean): boolean {
  const meant = 1 << (uuid % 3)
  const isFiller = at(s, FILLER) === connection + 1
  let place = Math.max(at(s, PAIR + uuid), at(s, NEW_PAIR + uuid)) - 1
  const isNew = place < 0
  if (isNew) {
    const blocked = at(s, BLOCKED) & 7
    const isNextOfBlocked = blocked === 0 || (world.rules.blocksInOrder ? (blocked & -blocked) === meant : (blocked & meant) > 0)
    if (!isFiller && world.rules.oneFiller) return false
    const isHindered = !isNextOfBlocked || (at(s, BLOCKED) & 8 && isPairedPlaceMissing(world, s)) || isFillingOver(world, s)
    place = isHindered ? -1 : firstFree(world, s)
    if (place < 0) {
      if (world.rules.blocksAfterError && isFiller) s[BLOCKED] = at(s, BLOCKED) | meant
      return false
    }
  }
  const isRefill = !isNew && world.fileState(s, world.file(place)) === 'receiving' && !world.isMarked(s, place) && !world.isPending(s, place)
  if (isRefill && !isFiller && world.rules.onlyFillerRefills) return false
  const answer = receive(world, s, place, bytes, 2, connection)
  if (answer === 'error') {
    if (world.rules.blocksAfterError && isFiller) s[BLOCKED] = at(s, BLOCKED) | meant
    return false
  }
  s[BLOCKED] = world.rules.blocksInOrder ? at(s, BLOCKED) & ~meant : at(s, BLOCKED) & meant ? at(s, BLOCKED) & 8 : at(s, BLOCKED)
  if (isNew) s[NEW_PAIR + uuid] = place + 1
  if (answer === 'ok') acknowledge(world, s, place, 1 << connection, isDelivered)
  return answer === 'ok'
}

function firstFree(world: World, s: State): number {
  for (let place = 0; place < world.places; place++) {
    const file = world.file(place)
    if (world.fileState(s, file) !== 'receiving' || world.kind(s, file) === 1) continue
    if (!world.isMarked(s, place) && !world.isPending(s, place)) return place
  }
  return -1
}

/** A digest that differed has taken the receipts of places that have pairs. */
function isPairedPlaceMissing(world: World, s: State): boolean {
  for (let uuid = 0; uuid < 6; uuid++) {
    const place = at(s, PAIR + uuid) - 1
    if (place < 0 || world.fileState(s, world.file(place)) !== 'receiving') continue
    if (!world.isMarked(s, place) && !world.isPending(s, place)) return true
  }
  return false
}

function isFillingOver(world: World, s: State): boolean {
  return world.rules.removalEndsFilling && (at(s, FILE) === 3 || at(s, FILE + 1) === 3)
}

/** AUTHENTICATION tells the size or the digest of file 0: judged in one turn, written in another, known after a third. */
function tell(world: World, from: State, step: Step): void {
  const known = at(from, (world.bounds.told === 'size' ? SIZE_KNOWN : DIGEST)) === 1
  const s = copyOf(from)
  if (at(s, TELLING) === 0 && !known && !world.isComplete(s, 0) && world.fileState(s, 0) === 'receiving') {
    s[TELLING] = 1
    finishIfComplete(world, s)
    step('AUTHENTICATION tells what was not known', s)
  }
}

export function tellingMoves(world: World, from: State, step: Step): void {
  const s = copyOf(from)
  if (at(s, TELLING) === 1) {
    s[TELLING] = 2
    s[world.bounds.told === 'size' ? SIZE_KNOWN : DIGEST] = 1
    step('what was told is written', s)
  } else if (at(s, TELLING) === 2) {
    s[TELLING] = 0
    finishIfComplete(world, s)
    step('what was told is answered', s)
  }
}

function finishIfComplete(world: World, s: State): void {
  if (world.isComplete(s, 0) && at(s, FINISH) === 0) s[FINISH] = 1
}

function closeConnection(s: State, connection: number): void {
  s[CONNECTION + connection] = 0
  s[AWAITED + connection] = 0
  for (let place = 0; place < 3; place++) s[WAITING + place] = at(s, WAITING + place) & ~(1 << connection)
}

/** Process crashes, power cuts; the daemon is up again after them. */
export function crashMoves(world: World, from: State, step: Step): void {
  const s = copyOf(from)
  for (const connection of [0, 1]) closeConnection(s, connection)
  for (const fields of [GATHERED, CYCLE, WAITING]) for (let i = 0; i < 3; i++) s[fields + i] = 0
  for (let uuid = 0; uuid < 6; uuid++) s[NEW_PAIR + uuid] = 0
  for (const fields of [FINISH, AWAITED]) for (let i = 0; i < 2; i++) s[fields + i] = 0
  for (const one of [PHASE, HELD_CYCLE, FILLER, BLOCKED, CLOSING, EXPIRED, EXPIRING, UNLINKED, TELLING, FAILED]) s[one] = 0
  for (let place = 0; place < world.places; place++) {
    const isKept = at(s, RECEIPT + place) === 1 || at(s, PROMISED + place) === 1 || at(s, FILE + world.file(place)) === 1
    if (!isKept) s[ACCEPTED + place] = 0
  }
  step(at(from, FAILED) === 1 ? 'the daemon is started anew' : 'the daemon is killed and started', s)
  if (world.bounds.durability === 'power') losePower(world, s, cut => step('a power cut', cut))
}
