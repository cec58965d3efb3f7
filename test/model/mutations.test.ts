/**
 * The model can fail: each rule of the design that is broken yields a counterexample of the promise that it serves, and removal is held
 * by two rules, of which either is enough.
 */
import t from 'tap'
import { check, type Machine } from './checker.ts'
import { CONFIGURATIONS, MUTATIONS } from './configurations.ts'
import { transferModel } from './machine.ts'
import { RULES, type Rules, without } from './rules.ts'
import type { Bounds } from './world.ts'

const STATES_MAX = 2_000_000

function named(name: string): Bounds {
  const bounds = CONFIGURATIONS.find(configuration => configuration.name === name)
  if (bounds === undefined) throw new Error(`no configuration ${name}`)
  return bounds
}

for (const { rules, configuration, promise } of MUTATIONS) {
  t.test(`breaks ${promise} without ${rules.join(' and ')}`, t => {
    const { states, violation } = check(transferModel({ ...named(configuration), rules: without(...rules) }), STATES_MAX)
    t.comment(`${configuration}, after ${states} states:`)
    for (const step of violation?.trace ?? []) t.comment(step)
    t.equal(violation?.promise, promise)
    t.end()
  })
}

t.test('every rule has a mutation', t => {
  const tried = new Set(MUTATIONS.flatMap(({ rules }) => rules))
  t.strictSame((Object.keys(RULES) as (keyof Rules)[]).filter(rule => !tried.has(rule)), [])
  t.end()
})

for (const rule of ['removalSettles', 'unlinkAwaitsWriters', 'markSkipsRemoved', 'storeSkipsRemoved'] as const) {
  t.test(`removal holds without ${rule} alone`, t => {
    const bounds = { ...named('numbered, equal contents, removal, 1 + 1'), rules: without(rule) }
    t.equal(check(transferModel(bounds), STATES_MAX).violation, undefined)
    t.end()
  })
}

/** A counter modulo 5 with a way into a dead end. */
function counter(target: number, hasDeadEnd: boolean): Machine {
  return {
    width: 1,
    initial: () => new Uint8Array(1),
    moves: (state, step) => {
      const value = state[0] as number
      if (value < 5) step('counts to %', Uint8Array.of((value + 1) % 5), (value + 1) % 5)
      if (hasDeadEnd && value === 2) step('falls', Uint8Array.of(9))
    },
    broken: state => (state[0] === target ? 'target' : undefined),
    isDone: state => state[0] === 0,
    isHarm: () => false,
    describe: (move, first) => move.replace('%', String(first)),
  }
}

t.test('the checker counts all states and gives a shortest trace', t => {
  t.strictSame(check(counter(15, false), 10), { states: 5, transitions: 5, depth: 4 })
  t.strictSame(check(counter(3, true), 10).violation, { promise: 'target', trace: ['1. counts to 1', '2. counts to 2', '3. counts to 3'] })
  t.strictSame(check(counter(15, true), 10).violation, { promise: 'I11', trace: ['1. counts to 1', '2. counts to 2', '3. falls'] })
  t.throws(() => check(counter(15, false), 4), /more than 4 states/)
  t.end()
})
