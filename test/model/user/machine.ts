/** The second model as the checker takes it. */
import type { Machine } from '../checker.ts'
import { at, type State } from '../world.ts'
import { userMoves } from './moves.ts'
import { brokenUserPromise } from './promises.ts'
import { BLOBS_MAX, GARBAGE, isIn, NOTED, STATE, USER_WIDTH, type UserBounds, UserWorld } from './world.ts'

const HARMS = /killed|power cut|other bytes|rots/
/** Where there is a quota it is by these that others get room. */
const GOINGS = /REMOVE|expiry|lapses|closed/

export function userModel(bounds: UserBounds): Machine {
  const world = new UserWorld(bounds)
  return {
    width: USER_WIDTH,
    initial: () => new Uint8Array(USER_WIDTH),
    moves: (s, step) => userMoves(world, s, step),
    broken: s => brokenUserPromise(world, s),
    isDone: s => isDone(world, s),
    isHarm: move => HARMS.test(move) || (bounds.quota === undefined && GOINGS.test(move)),
    describe: (move, first) => move.replace('%', String(first)),
  }
}

/** Nothing is under way or left over, and no damage known that somebody could repair. */
function isDone(world: UserWorld, s: State): boolean {
  for (let blob = 0; blob < BLOBS_MAX; blob++) if (at(s, GARBAGE + blob) === 1) return false
  const canRepair = world.files.some(file => at(s, STATE + file) === 2 && isIn(world.bounds.repairs ?? 0, file))
  return world.files.every(file => at(s, STATE + file) >= 2 && (at(s, NOTED + file) === 0 || !canRepair))
}
