/**
 * What a user has (quota, known content, expiry, repair), explored to the last state within each configuration's bounds, and with each rule
 * taken out, which must yield the counterexample. TALLY_TEST_MODEL=wide adds the configurations that take minutes.
 */
import t from 'tap'
import { check } from '../checker.ts'
import { USER_CONFIGURATIONS, USER_MUTATIONS, WIDE_USER_CONFIGURATIONS } from './configurations.ts'
import { userModel } from './machine.ts'
import { USER_PROMISES } from './promises.ts'
import { USER_RULES, type UserRules, userWithout } from './rules.ts'
import type { UserBounds } from './world.ts'

const STATES_MAX = 16_000_000
const MUTATED_STATES_MAX = 2_000_000
const isWide = process.env['TALLY_TEST_MODEL'] === 'wide'
t.setTimeout(isWide ? 3_600_000 : 600_000)

let states = 0
let transitions = 0
for (const bounds of isWide ? [...USER_CONFIGURATIONS, ...WIDE_USER_CONFIGURATIONS] : USER_CONFIGURATIONS) {
  t.test(`no promise breaks: ${bounds.name}`, t => {
    const verdict = check(userModel(bounds), STATES_MAX)
    states += verdict.states
    transitions += verdict.transitions
    t.comment(`${verdict.states} states, ${verdict.transitions} transitions, all within ${verdict.depth} moves`)
    for (const step of verdict.violation?.trace ?? []) t.comment(step)
    t.equal(verdict.violation?.promise, undefined, USER_PROMISES[verdict.violation?.promise ?? ''] ?? 'every promise holds')
    t.end()
  })
}

t.test('every configuration has states', t => {
  t.comment(`${states} states, ${transitions} transitions in all`)
  t.ok(states > USER_CONFIGURATIONS.length)
  t.end()
})

for (const { rules, configuration, promise } of USER_MUTATIONS) {
  t.test(`breaks ${promise} without ${rules.join(' and ')}`, t => {
    const { states, violation } = check(userModel({ ...named(configuration), rules: userWithout(...rules) }), MUTATED_STATES_MAX)
    t.comment(`${configuration}, after ${states} states:`)
    for (const step of violation?.trace ?? []) t.comment(step)
    t.equal(violation?.promise, promise)
    t.end()
  })
}

t.test('every rule has a mutation', t => {
  const tried = new Set(USER_MUTATIONS.flatMap(({ rules }) => rules))
  t.strictSame((Object.keys(USER_RULES) as (keyof UserRules)[]).filter(rule => !tried.has(rule)), [])
  t.end()
})

function named(name: string): UserBounds {
  const bounds = USER_CONFIGURATIONS.find(configuration => configuration.name === name)
  if (bounds === undefined) throw new Error(`no configuration ${name}`)
  return bounds
}
