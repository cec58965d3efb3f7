/**
 * The kill campaigns can fail: daemons that were broken from outside are given away by them. (That a missing sync is noticed takes a power
 * cut: `test/system/power-cuts.test.ts`.)
 */
import t from 'tap'
import { chooseSeed } from '../support/random.ts'
import { catchBreak } from './prove.ts'

const KILLS_TO_NOTICE = 300
const seed = chooseSeed()
t.comment(`TALLY_TEST_SEED=${seed}`)

for (const broken of ['ack-before-mark', 'mark-before-bytes', 'forget-before-unlink', 'unlink-before-commit'] as const) {
  t.test(`kills give away a daemon with the break ${broken}`, { timeout: 550_000 }, async t => {
    const caught = await catchBreak(broken, seed, KILLS_TO_NOTICE, 'kill')
    t.comment(caught?.message.split('\n')[0] ?? '')
    t.ok(caught, 'a violation was found')
  })
}
