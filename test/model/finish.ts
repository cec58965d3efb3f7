/**
 * Finishing in the model, from every chunk marked to stored, a step at a time: held bytes to the blob, sync, digest, transaction, answers.
 */
import type { Step } from './checker.ts'
import { failSync, reset, store, sync, view, write } from './disk.ts'
import { acknowledge } from './promises.ts'
import { at, BLOCKED, copyOf, FAILED, FINISH, HELD, type State, WAITING, type World } from './world.ts'

/** A finish's next step. */
export function finishMoves(world: World, from: State, file: number, step: Step): void {
  const phase = at(from, FINISH + file)
  if (phase === 0) return
  const places = world.placesOf(file)
  const move = (name: string, change: (s: State) => void) => {
    const s = copyOf(from)
    change(s)
    step(name, s, file)
  }
  const isHolding = world.rules.releasesHeldBeforeStore && places.some(place => at(from, HELD + place) > 0)
  if (at(from, FAILED) === 1 && phase < 6) {
    move('the finish of file % is given up', s => endFinish(world, s, file))
    return
  }
  if (phase === 1 && isHolding) move('the finish of file % writes the held bytes', s => {
    for (const place of places) if (at(s, HELD + place) > 0) write(world, s, place, at(s, HELD + place))
    s[FINISH + file] = world.bounds.durability === 'process' ? 3 : 2
  })
  if (phase === 2) move('the finish of file % syncs', s => {
    sync(world, s, file)
    s[FINISH + file] = 3
  })
  if (phase === 2 && world.bounds.failures) move('the sync fails in the finish of file %', s => {
    failSync(world, s, file)
    s[FAILED] = 1
  })
  if ((phase === 1 && !isHolding) || phase === 3) move('the digest of file % is computed', s => {
    const agrees = places.every(place => view(s, world.cell(s, place)) === 1)
    s[FINISH + file] = agrees || !world.knowsDigest(s, file) || !world.rules.comparesDigests ? 4 : 5
  })
  if (phase === 4) move('file % is stored', s => {
    store(world, s, file)
    s[FINISH + file] = 6
  })
  if (phase === 5) move('file % is reset', s => {
    reset(world, s, file)
    s[FINISH + file] = 7
  })
  if ((phase === 4 || phase === 5) && world.bounds.failures) move('the finish of file % finds no room', s => endFinish(world, s, file))
  if (phase === 6) for (const delivered of world.isOpaque ? [true, false] : [true]) {
    move(delivered ? 'the finish of file % answers Ok' : 'the finish of file % answers, its Oks get lost', s => {
      const isThere = world.fileState(s, file) === 'stored'
      for (const place of places) if (isThere && at(s, WAITING + place) > 0) acknowledge(world, s, place, at(s, WAITING + place), delivered)
      endFinish(world, s, file)
    })
  }
  if (phase === 7) move('the finish of file % answers digest-mismatch', s => {
    if (world.isOpaque && world.rules.blocksAfterMismatch) s[BLOCKED] = at(s, BLOCKED) | 8
    endFinish(world, s, file)
  })
}

function endFinish(world: World, s: State, file: number): void {
  s[FINISH + file] = 0
  for (const place of world.placesOf(file)) if (!world.isPending(s, place)) s[WAITING + place] = 0
}
