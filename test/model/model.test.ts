/**
 * The design, explored to the last state within each configuration's bounds. TALLY_TEST_MODEL=wide adds the configurations that take minutes.
 */
import t from 'tap'
import { check } from './checker.ts'
import { CONFIGURATIONS, WIDE_CONFIGURATIONS } from './configurations.ts'
import { transferModel } from './machine.ts'
import { PROMISES } from './promises.ts'

const STATES_MAX = 16_000_000
const isWide = process.env['TALLY_TEST_MODEL'] === 'wide'
t.setTimeout(isWide ? 3_600_000 : 600_000)

let states = 0
let transitions = 0
for (const bounds of isWide ? [...CONFIGURATIONS, ...WIDE_CONFIGURATIONS] : CONFIGURATIONS) {
  t.test(`no promise breaks: ${bounds.name}`, t => {
    const verdict = check(transferModel(bounds), STATES_MAX)
    states += verdict.states
    transitions += verdict.transitions
    t.comment(`${verdict.states} states, ${verdict.transitions} transitions, all within ${verdict.depth} moves`)
    for (const step of verdict.violation?.trace ?? []) t.comment(step)
    t.equal(verdict.violation?.promise, undefined, PROMISES[verdict.violation?.promise ?? ''] ?? 'every promise holds')
    t.end()
  })
}
t.test('every configuration has states', t => {
  t.comment(`${states} states, ${transitions} transitions in all`)
  t.ok(states > CONFIGURATIONS.length)
  t.end()
})
