/** A sample of `npm run faults -- --relay-kills`: client, relays and daemon are killed, and the link between the relays is bad. */
import t from 'tap'
import { chooseSeed } from '../support/random.ts'
import { runRelayCampaign } from './relay-campaign.ts'

const KILLS = 6

t.test('files come whole through relays and a bad link, whoever is killed', { timeout: 550_000 }, async t => {
  const seed = chooseSeed()
  t.comment(`TALLY_TEST_SEED=${seed}`)
  const tally = await runRelayCampaign({ seed, kills: KILLS })
  t.comment(JSON.stringify(tally))
  t.ok(Object.values(tally.kills).reduce((sum, count) => sum + count, 0) >= KILLS)
  t.ok(tally.acked > 0 && tally.fetched > 0, 'there was something to lose')
})
