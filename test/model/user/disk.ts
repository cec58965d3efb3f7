/** Blobs of the second model: what is written, synced, unlinked, and lost with the power. */
import { at, type State } from '../world.ts'
import { BLOBS_MAX, BLOCKS_MAX, CACHED, NAME, SYNCED } from './world.ts'

const CELLS = BLOBS_MAX * BLOCKS_MAX

/** What the file system gives back. */
export function view(s: State, blob: number, block: number): number {
  const cell = blob * BLOCKS_MAX + block
  return at(s, CACHED + cell) || at(s, SYNCED + cell)
}

/** What a power cut leaves for sure; 0 where that is nothing. */
export function durable(s: State, blob: number, block: number): number {
  const cell = blob * BLOCKS_MAX + block
  return at(s, NAME + blob) !== 2 || at(s, CACHED + cell) > 0 ? 0 : at(s, SYNCED + cell)
}

export function write(s: State, blob: number, block: number, bytes: number): void {
  const cell = blob * BLOCKS_MAX + block
  if (at(s, NAME + blob) === 3) clear(s, blob)
  if (at(s, NAME + blob) === 0) s[NAME + blob] = 1
  s[CACHED + cell] = at(s, SYNCED + cell) === bytes && at(s, CACHED + cell) === 0 ? 0 : bytes
}

/** Bytes and name. */
export function sync(s: State, blob: number): void {
  if (at(s, NAME + blob) === 1) s[NAME + blob] = 2
  for (let cell = blob * BLOCKS_MAX; cell < (blob + 1) * BLOCKS_MAX; cell++) {
    if (at(s, CACHED + cell) === 0) continue
    s[SYNCED + cell] = at(s, CACHED + cell)
    s[CACHED + cell] = 0
  }
}

/** The disk changes a block by itself. */
export function rot(s: State, blob: number, block: number): void {
  const cell = blob * BLOCKS_MAX + block
  s[SYNCED + cell] = 2
  s[CACHED + cell] = 0
}

export function unlink(s: State, blob: number): void {
  if (at(s, NAME + blob) === 2) {
    s[NAME + blob] = 3
    for (let cell = blob * BLOCKS_MAX; cell < (blob + 1) * BLOCKS_MAX; cell++) s[CACHED + cell] = 0
  } else if (at(s, NAME + blob) === 1) {
    clear(s, blob)
  }
}

/** The unlink is durable. */
export function clear(s: State, blob: number): void {
  s[NAME + blob] = 0
  for (let cell = blob * BLOCKS_MAX; cell < (blob + 1) * BLOCKS_MAX; cell++) {
    s[SYNCED + cell] = 0
    s[CACHED + cell] = 0
  }
}

/** Calls `then` with each state that the cut may leave. */
export function losePower(s: State, then: (s: State) => void, step = 0): void {
  if (step === CELLS + BLOBS_MAX) return then(s)
  if (step < CELLS) {
    const cached = at(s, CACHED + step)
    if (cached === 0) return losePower(s, then, step + 1)
    const lost = s.slice()
    lost[CACHED + step] = 0
    losePower(lost, then, step + 1)
    lost[SYNCED + step] = cached
    return losePower(lost, then, step + 1)
  }
  const blob = step - CELLS
  const name = at(s, NAME + blob)
  if (name !== 1 && name !== 3) return losePower(s, then, step + 1)
  const lost = s.slice()
  clear(lost, blob)
  losePower(lost, then, step + 1)
  const kept = s.slice()
  kept[NAME + blob] = 2
  losePower(kept, then, step + 1)
}
