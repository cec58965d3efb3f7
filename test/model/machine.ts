/**
 * The model as the checker takes it: every move there is from a state, and what a state must be judged by.
 */
import type { Machine, Step } from './checker.ts'
import { connectionMoves, crashMoves, tellingMoves } from './clients.ts'
import { cycleMoves } from './daemon.ts'
import { finishMoves } from './finish.ts'
import { brokenPromise } from './promises.ts'
import { removalMoves } from './removal.ts'
import { at, type Bounds, FILE, type State, TRANSFER, WIDTH, World } from './world.ts'

const HARMS = /killed|power cut|fails|finds no room|get.? lost|closed|other bytes|REMOVE closes|later/

export function transferModel(bounds: Bounds): Machine {
  const world = new World(bounds)
  const harms = new Map<string, boolean>()
  return {
    width: WIDTH,
    initial: () => new Uint8Array(WIDTH),
    moves: (s, step) => moves(world, s, step),
    broken: s => brokenPromise(world, s),
    isDone: s => isDone(s),
    isHarm: move => {
      const known = harms.get(move)
      if (known !== undefined) return known
      harms.set(move, HARMS.test(move))
      return HARMS.test(move)
    },
    describe: (move, first, second) => describe(world, move, first, second),
  }
}

function moves(world: World, s: State, step: Step): void {
  for (let connection = 0; connection < world.bounds.connections; connection++) connectionMoves(world, s, connection, step)
  cycleMoves(world, s, step)
  for (const file of [0, 1]) finishMoves(world, s, file, step)
  if (world.bounds.told !== undefined) tellingMoves(world, s, step)
  if (world.bounds.removal || world.bounds.expiry || world.bounds.equalContents) removalMoves(world, s, step)
  crashMoves(world, s, step)
}

/** Every file is stored; or one was removed, after which nothing is owed to the others' senders but honest answers. */
function isDone(s: State): boolean {
  if (at(s, TRANSFER) !== 1) return at(s, TRANSFER) === 2
  return at(s, FILE) >= 2 || at(s, FILE + 1) >= 2 || (at(s, FILE) === 1 && at(s, FILE + 1) === 1)
}

/** Chunks are written file/chunk; opaque ones as the client's letter and the place that it means. */
function describe(world: World, move: string, first: number, second: number): string {
  const numbers = [first, second]
  return move.replace(/(opaque chunk |chunk )?%/g, (_match, kind: string | undefined) => {
    const number = numbers.shift() ?? 0
    if (kind === undefined) return String(number)
    const place = number % 3
    const file = world.file(place)
    const name = `${file}/${place - world.fileOf.indexOf(file)}`
    return kind === 'chunk ' ? `${kind}${name}` : `${kind}${number < 3 ? 'u' : 'v'} meant for ${name}`
  })
}
