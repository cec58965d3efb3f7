/**
 * A sample of the campaigns of `npm run faults` for every test run; `breaks.test.ts` shows that they can fail.
 */
import type { Test } from 'tap'
import { chooseSeed } from '../support/random.ts'
import { runCampaign } from './campaign.ts'
import { KilledDaemon } from './victims.ts'

const KILLS = 10

export async function sampleKills(t: Test, durability: 'power' | 'process'): Promise<void> {
  const seed = chooseSeed()
  t.comment(`TALLY_TEST_SEED=${seed}`)
  const victim = new KilledDaemon({ durability })
  t.teardown(() => victim.dispose())
  const tally = await runCampaign({ seed, strikes: KILLS, victim })
  t.comment(JSON.stringify(tally))
  t.equal(tally.strikes, KILLS)
  t.ok(tally.acked > 0 && tally.filesCompared > 0, 'there was something to lose')
}
