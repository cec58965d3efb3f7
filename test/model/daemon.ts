/**
 * The daemon of the model: what it does with a chunk that has a place, and the group commit's cycle step by step. Each function is
 * what happens in one turn; whatever may happen between two turns lies between two moves.
 */
import type { Step } from './checker.ts'
import { failSync, mark, sync, write } from './disk.ts'
import { acknowledge } from './promises.ts'
import {
  ACCEPTED, at, BLOCKED, CLOSING, copyOf, CYCLE, EXPIRED, FAILED, FINISH, GATHERED, HELD, HELD_CYCLE, NEW_PAIR, PHASE, PROMISED, RECEIPT, type State,
  WAITING, type World,
} from './world.ts'

/** A chunk for a place that it has; answers what the sender gets at once, if anything. */
export function receive(world: World, s: State, place: number, bytes: number, kind: number, connection: number): 'ok' | 'error' | 'wait' {
  const file = world.file(place)
  const state = world.fileState(s, file)
  if (state === 'removed' || ((at(s, CLOSING) >> file) & 1) === 1) return 'error'
  if (state === 'stored') return 'ok'
  if (world.rules.oneKind && world.kind(s, file) + kind === 3) return 'error'
  if (world.isMarked(s, place)) {
    if (!world.rules.firstBytesStay) write(world, s, place, bytes)
    if (!world.isComplete(s, file) || !world.rules.answersWaitWhileFinishing) return 'ok'
    if (at(s, FAILED) === 1) return 'error'
    if (at(s, FINISH + file) === 0 && world.rules.finishesAgain) s[FINISH + file] = 1
  } else if (world.isPending(s, place)) {
    if (!world.rules.firstBytesStay && at(s, GATHERED + place) > 0) s[GATHERED + place] = bytes
  } else {
    if (at(s, FAILED) === 1) return 'error'
    s[GATHERED + place] = bytes
    if (at(s, ACCEPTED + place) === 0) s[ACCEPTED + place] = bytes
  }
  s[WAITING + place] = at(s, WAITING + place) | (1 << connection)
  return 'wait'
}

/** The group commit's next step. */
export function cycleMoves(world: World, from: State, step: Step): void {
  const phase = at(from, PHASE)
  const files = [0, 1].filter(file => world.placesOf(file).some(place => at(from, CYCLE + place) > 0))
  const move = (name: string, change: (s: State) => void) => {
    const s = copyOf(from)
    change(s)
    step(name, s)
  }
  const isHeld = at(from, HELD_CYCLE) === 1
  if (phase === 0 && world.fileOf.some((_file, place) => at(from, GATHERED + place) > 0)) {
    move('a cycle takes what was gathered', s => take(world, s, 0))
    // A file that will be full is read back next: its bytes go to the blob.
    if (world.bounds.held && at(from, FAILED) === 0) move('a cycle takes what was gathered, few bytes', s => take(world, s, 1))
  }
  if (phase === 1 && !isHeld && at(from, FAILED) === 0) {
    move('the cycle writes its bytes', s => {
      for (const file of files) {
        for (const place of world.placesOf(file)) {
          const bytes = at(s, CYCLE + place) || at(s, HELD + place)
          const isRelease = at(s, CYCLE + place) === 0
          if (bytes > 0 && (!isRelease || world.rules.releasesHeldAfterSync)) write(world, s, place, bytes)
        }
      }
      s[PHASE] = world.bounds.durability === 'process' ? 3 : 2
    })
  }
  if (phase === 2) {
    move('the cycle syncs', s => {
      for (const file of files) sync(world, s, file)
      s[PHASE] = 3
    })
    if (world.bounds.failures) {
      move('the sync fails', s => {
        for (const file of files) failSync(world, s, file)
        if (!world.rules.failedSyncIsFinal) return
        failCycle(world, s)
        s[FAILED] = 1
      })
    }
  }
  const isReady = phase === 3 || (phase === 1 && isHeld) || (phase === 2 && !world.rules.syncsBeforeMark)
  if (isReady) move('the mark is written', s => {
    mark(world, s)
    s[PHASE] = 4
  })
  const mayFail = world.bounds.failures === true && at(from, FAILED) === 0
  if ((mayFail && (phase === 1 || phase === 3)) || (phase === 1 && at(from, FAILED) === 1)) move('the cycle finds no room', s => failCycle(world, s))
  // Calls return in the order of their transactions, so a mark that passed over an expired file returns after that expiry.
  const answers = phase === 4 && (at(from, EXPIRED) === 0 || !world.rules.expiryTellsMemory)
  if (answers || (phase > 0 && !world.rules.answersAfterMark)) answerCycle(world, from, step)
}

function take(world: World, s: State, held: number): void {
  for (let place = 0; place < world.places; place++) {
    s[CYCLE + place] = at(s, GATHERED + place)
    s[GATHERED + place] = 0
  }
  s[PHASE] = 1
  s[HELD_CYCLE] = held
}

/** Acknowledges the cycle: any one chunk of a file that it completed is the last, and waits; some of the answers may get lost. */
function answerCycle(world: World, from: State, step: Step): void {
  const chunks = [...world.fileOf.keys()].filter(place => at(from, CYCLE + place) > 0)
  const s = copyOf(from)
  for (const place of chunks) {
    s[CYCLE + place] = 0
    const uuid = world.newUuid(s, place)
    if (uuid >= 0) s[NEW_PAIR + uuid] = 0
  }
  s[PHASE] = 0
  s[HELD_CYCLE] = 0
  const answered: number[][] = [[]]
  for (const file of [0, 1]) {
    const own = chunks.filter(place => world.file(place) === file)
    if (own.length === 0) continue
    const completed = world.isComplete(s, file)
    if (completed && at(s, FINISH + file) === 0) s[FINISH + file] = 1
    const lasts = completed && world.rules.lastAnswerAfterStore ? (world.isOpaque ? own.slice(-1) : own) : [-1]
    const sofar = answered.splice(0)
    for (const last of lasts) for (const list of sofar) answered.push([...list, ...own.filter(place => place !== last)])
  }
  for (const list of answered) {
    for (let delivered = world.isOpaque ? 0 : list.length; delivered <= list.length; delivered++) {
      const next = copyOf(s)
      for (const [i, place] of list.entries()) {
        if (world.fileState(next, world.file(place)) !== 'removed') acknowledge(world, next, place, at(next, WAITING + place), i < delivered)
        next[WAITING + place] = 0
      }
      step(delivered === list.length ? 'the cycle answers its chunks' : 'the cycle answers its chunks, all but % Oks get lost', next, delivered)
    }
  }
}

/** All of the cycle's chunks are missing again, and the opaque ones that were gathered behind them too. */
function failCycle(world: World, s: State): void {
  for (let place = 0; place < world.places; place++) {
    const isOpaque = world.newUuid(s, place) >= 0
    if (at(s, CYCLE + place) > 0) {
      if (isOpaque) block(world, s, place)
      forgetPending(world, s, place)
    } else if (at(s, GATHERED + place) > 0 && isOpaque && world.rules.failsWhatFollows) {
      block(world, s, place)
      forgetPending(world, s, place)
    }
  }
  s[PHASE] = 0
  s[HELD_CYCLE] = 0
}

function block(world: World, s: State, place: number): void {
  if (world.rules.blocksAfterError) s[BLOCKED] = at(s, BLOCKED) | (1 << place)
}

function forgetPending(world: World, s: State, place: number): void {
  const uuid = world.newUuid(s, place)
  if (uuid >= 0) s[NEW_PAIR + uuid] = 0
  s[CYCLE + place] = 0
  s[GATHERED + place] = 0
  s[WAITING + place] = 0
  if (at(s, RECEIPT + place) === 0 && at(s, PROMISED + place) === 0) s[ACCEPTED + place] = 0
}
