/**
 * A sample of the power cuts of `npm run faults`, and the proof that they notice a missing sync.
 */
import t from 'tap'
import { runCampaign } from '../faults/campaign.ts'
import { PowerDisk } from '../faults/power-disk.ts'
import { catchBreak } from '../faults/prove.ts'
import { PoweredMachine } from '../faults/victims.ts'
import { chooseSeed } from '../support/random.ts'
import { lacks } from './needs.ts'

const CUTS = 10
const CUTS_TO_NOTICE = 20
const seed = chooseSeed()
t.comment(`TALLY_TEST_SEED=${seed}`)

t.test(`loses nothing that was acknowledged over ${CUTS} power cuts`, { timeout: 110_000 }, async t => {
  if (lacks(t, PowerDisk.obstacle())) return
  const victim = new PoweredMachine({})
  t.teardown(() => victim.dispose())
  const tally = await runCampaign({ seed, strikes: CUTS, victim })
  t.comment(JSON.stringify({ ...tally, sectors: victim.sectors }))
  t.ok(tally.acked > 0 && tally.filesCompared > 0, 'there was something to lose')
})

t.test('power cuts give away a daemon without syncs', { timeout: 110_000 }, async t => {
  if (lacks(t, PowerDisk.obstacle())) return
  const caught = await catchBreak('no-sync', seed, CUTS_TO_NOTICE, 'cut')
  t.comment(caught?.message.split('\n')[0] ?? '')
  t.ok(caught, 'a violation was found')
})
