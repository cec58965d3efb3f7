/**
 * A sample of the power cuts of `npm run faults -- --only reclaim-cuts`: in the midst of `tallyd gc`, of a daemon's expiry at its start and
 * while it serves, and of the recovery from the cut before; and the proof that they notice an unlink that was not synced.
 */
import t from 'tap'
import { RECLAIMING } from '../faults/aim.ts'
import { runCampaign } from '../faults/campaign.ts'
import { PowerDisk } from '../faults/power-disk.ts'
import { catchBreak } from '../faults/prove.ts'
import { PoweredMachine } from '../faults/victims.ts'
import { chooseSeed } from '../support/random.ts'
import { lacks, lacksFileSystem } from './needs.ts'

const CUTS = 7
const CUTS_TO_NOTICE = 20
const seed = chooseSeed()
t.comment(`TALLY_TEST_SEED=${seed}`)

for (const fileSystem of ['ext4', 'btrfs'] as const) {
  t.test(`${CUTS} power cuts while reclaiming, on ${fileSystem}: nothing is lost, nothing that has expired is left`, { timeout: 240_000 }, async t => {
    if (lacksFileSystem(t, fileSystem) || lacks(t, PowerDisk.obstacle(fileSystem))) return
    const victim = new PoweredMachine({}, fileSystem)
    t.teardown(() => victim.dispose())
    const tally = await runCampaign({ seed, strikes: CUTS, victim, aim: RECLAIMING })
    t.comment(JSON.stringify({ ...tally, sectors: victim.sectors }))
    t.ok(tally.acked > 0 && tally.filesCompared > 0, 'there was something to lose')
    t.ok(tally.expiries > 0 && tally.reclaims + tally.reclaimsStruck > 0, 'there was something to reclaim')
  })
}

t.test('power cuts give away a `tallyd gc` that forgets what it has unlinked without a sync', { timeout: 240_000 }, async t => {
  if (lacksFileSystem(t, 'btrfs') || lacks(t, PowerDisk.obstacle('btrfs'))) return
  const caught = await catchBreak('no-unlink-sync', seed, CUTS_TO_NOTICE, 'cut')
  t.comment(caught?.message.split('\n')[0] ?? '')
  t.ok(caught, 'a violation was found')
})
