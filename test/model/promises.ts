/**
 * The promises of product.md and protocol.md 3.1 to 3.3 as the model checks them: what an Ok or a report says is judged when it is
 * given (`acknowledge`, `report`), and again in every state after it (`brokenPromise`). A state is judged by what is durable in it, so what
 * holds in every state holds after a crash in any of them.
 */
import { contentByte } from './disk.ts'
import {
  ACCEPTED, at, BROKEN, CACHED, CONTENT, DIGEST, FILE, FINISH, GARBAGE, GENERATION, HELD, NAME, NEW_PAIR, PAIR, PROMISED, RECEIPT, SEEN, SIZE_KNOWN,
  type State, SYNCED, TELLING, TRANSFER, type World,
} from './world.ts'

export const PROMISES: Readonly<Record<string, string>> = {
  I1: 'an acknowledged chunk is durable: its receipt, and the bytes that were accepted',
  I2: 'what a report does not list as missing is durable',
  I3: 'a stored file is whole, its bytes durable, its digest agreed',
  I4: 'a UUID means the place that it was meant for, for good',
  I5: 'the first bytes accepted for a chunk stay',
  I6: 'no acknowledged chunk is missing again, except after a digest mismatch or a removal',
  I7: 'the Ok of the last missing chunk means that the file is stored',
  I8: 'opaque places become durable in order',
  I9: 'a blob has a record, a content or an entry in garbage, and a content has its blob',
  I10: 'a gone transfer stays gone, and nothing of it comes back',
  I11: 'from every state a stored end can be reached without harm',
  I12: 'a file takes one kind of chunks',
  I13: 'a stored file does not expire with its unfinished neighbour',
}

/** An Ok for a place on these connections (a mask); `isDelivered` if it reaches the client. */
export function acknowledge(world: World, s: State, place: number, connections: number, isDelivered: boolean): void {
  const file = world.file(place)
  s[PROMISED + place] = 1
  if (isDelivered) {
    for (const connection of [0, 1]) {
      const client = world.bounds.client === 'resuming' ? connection : 0
      if ((connections >> connection) & 1) s[SEEN + client] = at(s, SEEN + client) | (1 << place)
    }
  }
  if (at(s, FILE + file) >= 2) s[BROKEN] = 1
  const isLast = at(s, SIZE_KNOWN + file) === 1 && world.fileOf.every((owner, other) => owner !== file || at(s, PROMISED + other) === 1)
  if (isLast && at(s, FILE + file) === 0 && isDurable(world, s, place)) s[BROKEN] = 7
}

/** A report that does not list this place as missing. */
export function reportPresent(world: World, s: State, place: number): void {
  const file = world.file(place)
  // In the turn between a reset and its return the report still says `finishing`; the digest differed, so it ends no promise.
  if (at(s, FILE + file) >= 2 || at(s, FINISH + file) === 7) return
  if (!isDurable(world, s, place)) s[BROKEN] = 2
  s[PROMISED + place] = 1
}

/** A chunk's bytes as they are after the worst crash, 0 where that may lose them. */
export function durableByte(world: World, s: State, place: number): number {
  const file = world.file(place)
  if (at(s, FILE + file) === 1) return contentByte(world, s, file, place)
  if (at(s, HELD + place) > 0) return at(s, HELD + place)
  const cell = world.cell(s, place)
  return at(s, NAME + world.blob(s, file)) !== 2 || at(s, CACHED + cell) > 0 ? 0 : at(s, SYNCED + cell)
}

function isDurable(world: World, s: State, place: number): boolean {
  const isKept = at(s, FILE + world.file(place)) === 1 || at(s, RECEIPT + place) === 1
  return isKept && durableByte(world, s, place) === at(s, ACCEPTED + place)
}

/** The first promise that does not hold in this state. */
export function brokenPromise(world: World, s: State): string | undefined {
  if (at(s, BROKEN) > 0) return `I${at(s, BROKEN)}`
  for (let place = 0; place < world.places; place++) {
    const file = world.file(place)
    const state = at(s, FILE + file)
    if (state === 1) {
      const bytes = durableByte(world, s, place)
      if (bytes === 0 || bytes !== at(s, ACCEPTED + place)) return bytes === 0 ? 'I3' : 'I5'
      const isTold = at(s, DIGEST + file) === 1 && !(file === 0 && world.bounds.told === 'digest' && at(s, TELLING) > 0)
      if (isTold && bytes !== 1) return 'I3'
    }
    if (at(s, PROMISED + place) === 1 && state === 0) {
      if (at(s, RECEIPT + place) === 0) return 'I1'
      if (durableByte(world, s, place) === 0) return 'I1'
      if (durableByte(world, s, place) !== at(s, ACCEPTED + place)) return 'I5'
    }
    // What is marked and not acknowledged yet is what a restart acknowledges.
    if (at(s, RECEIPT + place) === 1 && durableByte(world, s, place) !== at(s, ACCEPTED + place)) return 'I1'
  }
  return brokenPair(world, s) ?? brokenReference(s) ?? brokenRemoval(world, s)
}

function brokenPair(world: World, s: State): string | undefined {
  if (world.bounds.client === 'numbered') return undefined
  if (world.bounds.client === 'mixed') return isOfTwoKinds(world, s) ? 'I12' : undefined
  let isGap = false
  for (let place = 0; place < world.places; place++) {
    // A place has UUIDs of two clients: both mean it, and no other does.
    for (const uuid of [place, place + 3]) {
      if (at(s, PAIR + uuid) > 0 && at(s, PAIR + uuid) !== place + 1) return 'I4'
      if (at(s, NEW_PAIR + uuid) > 0 && at(s, NEW_PAIR + uuid) !== place + 1) return 'I4'
    }
    const wasMarked = at(s, PAIR + place) > 0 || at(s, PAIR + place + 3) > 0
    if (at(s, RECEIPT + place) === 1 && !wasMarked) return 'I4'
    if (at(s, FILE + world.file(place)) < 2 && wasMarked && isGap) return 'I8'
    if (at(s, FILE + world.file(place)) < 2 && !wasMarked) isGap = true
  }
  return undefined
}

/** Some chunks of a file have pairs and others have none. */
function isOfTwoKinds(world: World, s: State): boolean {
  return [0, 1].some(file => {
    const marked = world.placesOf(file).filter(place => at(s, RECEIPT + place) === 1)
    const opaque = marked.filter(place => [0, 1, 2, 3, 4, 5].some(uuid => at(s, PAIR + uuid) === place + 1))
    return opaque.length > 0 && opaque.length < marked.length
  })
}

function brokenReference(s: State): string | undefined {
  for (let blob = 0; blob < 4; blob++) {
    const isReferenced = at(s, CONTENT) === blob + 1 || at(s, CONTENT + 1) === blob + 1
    const isReceiving = blob >> 1 === at(s, GENERATION) && at(s, TRANSFER) === 1 && at(s, FILE + (blob & 1)) === 0
    const isGarbage = at(s, GARBAGE + blob) === 1
    if (isReferenced && (isGarbage || at(s, NAME + blob) !== 2)) return 'I9'
    if (at(s, NAME + blob) > 0 && !isReferenced && !isReceiving && !isGarbage) return 'I9'
  }
  return undefined
}

/** Nothing of a removed file is left but its garbage, and nothing of a gone transfer. */
function brokenRemoval(world: World, s: State): string | undefined {
  for (let place = 0; place < world.places; place++) {
    const file = world.file(place)
    const isGone = at(s, TRANSFER) !== 1 || at(s, FILE + file) >= 2
    if (isGone && (at(s, RECEIPT + place) > 0 || at(s, HELD + place) > 0 || at(s, CONTENT + file) > 0)) return 'I10'
    if (at(s, TRANSFER) !== 1 && (at(s, PAIR + place) > 0 || at(s, PAIR + place + 3) > 0)) return 'I10'
  }
  return undefined
}
