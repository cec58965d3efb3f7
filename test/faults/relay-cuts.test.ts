/** A sample of `npm run faults -- --relay-cuts`, which cuts a put and a get of 60 MB twenty times on each of two links. */
import t from 'tap'
import { chooseSeed } from '../support/random.ts'
import { runRelayCuts } from './relay-cuts.ts'

const CUTS = 7

t.test('a put and a get go on over links that are cut, on one connection, and send nothing acknowledged again', { timeout: 500_000 }, async t => {
  const seed = chooseSeed()
  t.comment(`TALLY_TEST_SEED=${seed}`)
  const tally = await runRelayCuts({ seed, sizeBytes: 30_000_000, cuts: CUTS })
  t.comment(JSON.stringify(tally))
  t.equal(tally.put.cuts, 2 * CUTS)
  t.equal(tally.get.cuts, 2 * CUTS)
})
