/**
 * A sample of the campaigns of `npm run faults` for every test run; `breaks.test.ts` shows that they can fail.
 */
import type { Test } from 'tap'
import { chooseSeed } from '../support/random.ts'
import { type Aim, EVERYTHING } from './aim.ts'
import { runCampaign, type Tally } from './campaign.ts'
import { KilledDaemon } from './victims.ts'

const KILLS = 10

export async function sampleKills(t: Test, durability: 'power' | 'process', aim: Aim = EVERYTHING): Promise<Tally> {
  const seed = chooseSeed()
  t.comment(`TALLY_TEST_SEED=${seed}`)
  const victim = new KilledDaemon({ durability })
  t.teardown(() => victim.dispose())
  const tally = await runCampaign({ seed, strikes: KILLS, victim, aim })
  t.comment(JSON.stringify(tally))
  t.equal(tally.strikes, KILLS)
  t.ok(tally.acked > 0 && tally.filesCompared > 0, 'there was something to lose')
  return tally
}
