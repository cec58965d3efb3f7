/** Removing what has expired, by `tallyd gc` and by a daemon that serves, under kill -9; a file of its own, so that it runs beside others. */
import t from 'tap'
import { RECLAIMING } from './aim.ts'
import { sampleKills } from './sample.ts'

for (const durability of ['power', 'process'] as const) {
  t.test(`10 kills while reclaiming lose nothing and leave nothing, durability ${durability}`, { timeout: 550_000 }, async t => {
    const tally = await sampleKills(t, durability, RECLAIMING)
    t.ok(tally.expiries > 0 && tally.reclaims + tally.reclaimsStruck > 0, 'there was something to reclaim')
  })
}
