/**
 * A sample of the campaigns of `npm run faults` for every test run, and the proof that they can fail.
 */
import t from 'tap'
import { chooseSeed } from '../support/random.ts'
import { runCampaign } from './campaign.ts'
import { catchBreak } from './prove.ts'
import { KilledDaemon } from './victims.ts'

const KILLS = 10
const KILLS_TO_NOTICE = 60
const seed = chooseSeed()
t.comment(`TALLY_TEST_SEED=${seed}`)

for (const durability of ['power', 'process'] as const) {
  t.test(`loses nothing that was acknowledged over ${KILLS} kills with durability ${durability}`, { timeout: 110_000 }, async t => {
    const victim = new KilledDaemon({ durability })
    t.teardown(() => victim.dispose())
    const tally = await runCampaign({ seed, strikes: KILLS, victim })
    t.comment(JSON.stringify(tally))
    t.equal(tally.strikes, KILLS)
    t.ok(tally.acked > 0 && tally.filesCompared > 0, 'there was something to lose')
  })
}

for (const broken of ['ack-before-mark', 'mark-before-bytes'] as const) {
  t.test(`kills give away a daemon with the break ${broken}`, { timeout: 110_000 }, async t => {
    const caught = await catchBreak(broken, seed, KILLS_TO_NOTICE)
    t.comment(caught?.message.split('\n')[0] ?? '')
    t.ok(caught, 'a violation was found')
  })
}
