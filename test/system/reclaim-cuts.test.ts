/**
 * A sample of the power cuts of `npm run faults -- --only reclaim-cuts`: in the midst of `tallyd gc`, of a daemon's expiry at its start and
 * while it serves, and of the recovery from the cut before. (That such cuts notice a broken order: `npm run faults -- --only prove`.)
 */
import t from 'tap'
import { RECLAIMING } from '../faults/aim.ts'
import { runCampaign } from '../faults/campaign.ts'
import { PowerDisk } from '../faults/power-disk.ts'
import { PoweredMachine } from '../faults/victims.ts'
import { chooseSeed } from '../support/random.ts'
import { lacks } from './needs.ts'

const CUTS = 15

t.test(`over ${CUTS} power cuts while reclaiming nothing is lost, and nothing of what has expired is left`, { timeout: 110_000 }, async t => {
  if (lacks(t, PowerDisk.obstacle())) return
  const seed = chooseSeed()
  t.comment(`TALLY_TEST_SEED=${seed}`)
  const victim = new PoweredMachine({})
  t.teardown(() => victim.dispose())
  const tally = await runCampaign({ seed, strikes: CUTS, victim, aim: RECLAIMING })
  t.comment(JSON.stringify({ ...tally, sectors: victim.sectors }))
  t.ok(tally.acked > 0 && tally.filesCompared > 0, 'there was something to lose')
  t.ok(tally.expiries > 0 && tally.reclaims + tally.reclaimsStruck > 0, 'there was something to reclaim')
})
