/**
 * The disk of the model: blobs with what is synced and what a power cut may take, and the catalog's transactions, each atomic and
 * durable. What a transaction does to promises made earlier is written down here too, as nothing else may end one.
 */
import {
  ACCEPTED, at, BROKEN, CACHED, CONTENT, CYCLE, DIGEST, FILE, GARBAGE, GENERATION, HELD, HELD_CYCLE, KIND, NAME, NEW_PAIR, PAIR,
  PLACES_MAX, PROMISED, RECEIPT, SIZE_KNOWN, type State, SYNCED, TRANSFER, type World,
} from './world.ts'

/** What a process sees, whether synced or not. */
export function view(s: State, cell: number): number {
  return at(s, CACHED + cell) > 0 ? at(s, CACHED + cell) & 3 : at(s, SYNCED + cell)
}

export function write(world: World, s: State, place: number, bytes: number): void {
  const blob = world.blob(s, world.file(place))
  const cell = world.cell(s, place)
  if (at(s, NAME + blob) === 3) clearBlob(world, s, blob)
  if (world.bounds.durability === 'process') {
    s[NAME + blob] = 2
    s[SYNCED + cell] = bytes
    return
  }
  if (at(s, NAME + blob) === 0) s[NAME + blob] = 1
  // The same bytes over synced ones are lost or kept alike.
  s[CACHED + cell] = at(s, SYNCED + cell) === bytes && at(s, CACHED + cell) === 0 ? 0 : bytes
}

export function sync(world: World, s: State, file: number): void {
  const blob = world.blob(s, file)
  if (world.rules.syncsNames && at(s, NAME + blob) === 1) s[NAME + blob] = 2
  for (const place of world.placesOf(file)) {
    const cell = world.cell(s, place)
    const cached = at(s, CACHED + cell)
    if (cached === 0 || cached >= 4) continue
    s[SYNCED + cell] = cached
    s[CACHED + cell] = 0
  }
}

/** The kernel reports the failure once, and takes the pages for clean. */
export function failSync(world: World, s: State, file: number): void {
  for (const place of world.placesOf(file)) {
    const cell = world.cell(s, place)
    if (at(s, CACHED + cell) > 0) s[CACHED + cell] = at(s, CACHED + cell) | 4
  }
}

/** Calls `then` with what the disk holds after each possible loss of what was not synced, in an array that is used again. */
export function losePower(world: World, s: State, then: (s: State) => void): void {
  loseFrom(world, s, 0, then)
}

function loseFrom(world: World, s: State, step: number, then: (s: State) => void): void {
  const cells = PLACES_MAX * 2
  if (step === cells + 4) {
    then(s)
    return
  }
  if (step < cells) {
    const cached = at(s, CACHED + step)
    if (cached === 0) return loseFrom(world, s, step + 1, then)
    const synced = at(s, SYNCED + step)
    s[CACHED + step] = 0
    loseFrom(world, s, step + 1, then)
    if (cached < 4) {
      s[SYNCED + step] = cached
      loseFrom(world, s, step + 1, then)
    }
    s[CACHED + step] = cached
    s[SYNCED + step] = synced
    return
  }
  const blob = step - cells
  const name = at(s, NAME + blob)
  if (name !== 1 && name !== 3) return loseFrom(world, s, step + 1, then)
  const lost = s.slice()
  clearBlob(world, lost, blob)
  loseFrom(world, lost, step + 1, then)
  const kept = s.slice()
  kept[NAME + blob] = 2
  loseFrom(world, kept, step + 1, then)
}

export function clearBlob(world: World, s: State, blob: number): void {
  s[NAME + blob] = 0
  for (const place of world.placesOf(blob & 1)) {
    const cell = (blob >> 1) * PLACES_MAX + place
    s[SYNCED + cell] = 0
    s[CACHED + cell] = 0
  }
}

/** A durable name that is unlinked may come back with the power, until its directory is synced. */
export function unlink(world: World, s: State, blob: number, isSynced: boolean): void {
  if (at(s, NAME + blob) === 3 && !isSynced) return
  if (at(s, NAME + blob) !== 2 || isSynced || world.bounds.durability === 'process') return clearBlob(world, s, blob)
  s[NAME + blob] = 3
  for (const place of world.placesOf(blob & 1)) s[CACHED + (blob >> 1) * PLACES_MAX + place] = 0
}

/** A new transfer, or the fid used again. */
export function announce(world: World, s: State): void {
  if (at(s, FILE) >= 2 || at(s, FILE + 1) >= 2) s[BROKEN] = 10
  s[TRANSFER] = 1
  for (let file = 0; file < 2; file++) {
    s[FILE + file] = 0
    s[KIND + file] = 0
    s[SIZE_KNOWN + file] = file === 0 && world.bounds.told === 'size' ? 0 : 1
    s[DIGEST + file] = world.bounds.digests[file] === true && !(file === 0 && world.bounds.told === 'digest') ? 1 : 0
  }
}

/** `Catalog.mark` for the running cycle. */
export function mark(world: World, s: State): void {
  const touched = new Set<number>()
  for (let place = 0; place < world.places; place++) {
    const bytes = at(s, CYCLE + place)
    if (bytes === 0) continue
    const file = world.file(place)
    if (at(s, FILE + file) >= 2 && world.rules.markSkipsRemoved) continue
    touched.add(file)
    s[KIND + file] = world.kind(s, file)
    s[RECEIPT + place] = 1
  }
  for (const file of touched) {
    for (const place of world.placesOf(file)) {
      const bytes = at(s, CYCLE + place)
      if (at(s, HELD_CYCLE) === 0) s[HELD + place] = 0
      else if (bytes > 0) s[HELD + place] = bytes
      const uuid = world.newUuid(s, place)
      if (bytes > 0 && uuid >= 0 && world.rules.pairsWithMark) s[PAIR + uuid] = place + 1
    }
  }
}

/** `Catalog.store`: visible, receipts and held bytes gone; equal content is shared, and the file's own blob is garbage. */
export function store(world: World, s: State, file: number): void {
  if (at(s, FILE + file) !== 0 && world.rules.storeSkipsRemoved) return
  const own = world.blob(s, file)
  const other = 1 - file
  const places = world.placesOf(file)
  const otherPlaces = world.placesOf(other)
  const isShared = world.bounds.equalContents === true && at(s, FILE + other) === 1 && places.length === otherPlaces.length &&
    places.every((place, i) => view(s, world.cell(s, place)) === contentByte(world, s, other, otherPlaces[i] as number))
  s[FILE + file] = 1
  s[CONTENT + file] = isShared ? at(s, CONTENT + other) : own + 1
  if (isShared) s[GARBAGE + own] = 1
  for (const place of places) {
    s[RECEIPT + place] = 0
    s[HELD + place] = 0
    if (!world.rules.pairsOutliveStore) forgetPairs(s, place)
  }
}

/** A stored file's durable bytes at one of its places. */
export function contentByte(world: World, s: State, file: number, place: number): number {
  const blob = at(s, CONTENT + file) - 1
  if (blob < 0 || at(s, NAME + blob) !== 2) return 0
  const first = (blob & 1) === file ? place : (world.placesOf(blob & 1)[world.placesOf(file).indexOf(place)] ?? 0)
  const cell = (blob >> 1) * PLACES_MAX + first
  return at(s, CACHED + cell) > 0 ? 0 : at(s, SYNCED + cell)
}

/** `Catalog.reset`. It ends the promises of the file, which only a digest that differs may do. */
export function reset(world: World, s: State, file: number): void {
  const places = world.placesOf(file)
  if (!world.knowsDigest(s, file) || places.every(place => at(s, ACCEPTED + place) === 1)) s[BROKEN] = 6
  for (const place of places) {
    if (world.rules.resetDropsReceipts) {
      s[RECEIPT + place] = 0
      s[HELD + place] = 0
    }
    s[ACCEPTED + place] = 0
    s[PROMISED + place] = 0
  }
}

/** `Catalog.remove` and expiry. The last file takes the transfer and its pairs along. */
export function remove(world: World, s: State, files: number, isExpiry = false): void {
  for (let file = 0; file < 2; file++) {
    const state = at(s, FILE + file)
    if (((files >> file) & 1) === 0 || state >= 2) continue
    // No stored file of the model has an expiry of its own.
    if (isExpiry && state === 1) s[BROKEN] = 13
    const places = world.placesOf(file)
    const leavesGarbage = world.rules.removalLeavesGarbage &&
      (world.rules.garbageWithoutReceipts || state === 1 || places.some(place => at(s, RECEIPT + place) === 1))
    const blob = state === 1 ? at(s, CONTENT + file) - 1 : world.blob(s, file)
    const isShared = state === 1 && at(s, CONTENT + 1 - file) === blob + 1 && world.rules.countsReferences
    if (leavesGarbage && !isShared) s[GARBAGE + blob] = 1
    s[FILE + file] = state === 1 ? 2 : 3
    s[CONTENT + file] = 0
    for (const place of places) {
      s[RECEIPT + place] = 0
      s[HELD + place] = 0
      s[ACCEPTED + place] = 0
      s[PROMISED + place] = 0
      if (!world.rules.pairsOutliveRemoval) forgetPairs(s, place)
    }
  }
  if (at(s, FILE) < 2 || at(s, FILE + 1) < 2) return
  s[TRANSFER] = world.rules.leavesTombstone ? 2 : 0
  for (let place = 0; place < world.places; place++) forgetPairs(s, place)
}

/** After 30 days: the fid is free. A new transfer has new file ids. */
export function forgetTombstone(s: State): void {
  s[TRANSFER] = 0
  s[FILE] = 0
  s[FILE + 1] = 0
  s[GENERATION] = 1
}

function forgetPairs(s: State, place: number): void {
  for (let uuid = 0; uuid < PLACES_MAX * 2; uuid++) {
    if (at(s, PAIR + uuid) === place + 1) s[PAIR + uuid] = 0
    if (at(s, NEW_PAIR + uuid) === place + 1) s[NEW_PAIR + uuid] = 0
  }
}
