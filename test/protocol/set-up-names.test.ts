/** Which variables are somebody's. */
import { test } from 'tap'
import { CLIENT_VARIABLES, DAEMON_VARIABLES, unknownVariables } from '../../protocol/set-up-names.ts'

test('what begins as our variables do is known to one of the programs, for tests, or a slip', async t => {
  const all = Object.fromEntries([...CLIENT_VARIABLES, ...DAEMON_VARIABLES].map(name => [name, 'x']))
  t.strictSame(unknownVariables(all), [])
  t.strictSame(unknownVariables({ ...all, TALLY_TEST_SEED: '1', TALLYD_STORE: '/a', tally_store: '/a', HOME: '/' }), [])
  t.strictSame(unknownVariables({ TALLY_SOKCET: '/a', TALLY_: '1', TALLY_STROE: '/b' }), ['TALLY_SOKCET', 'TALLY_', 'TALLY_STROE'])
  t.strictSame(unknownVariables({ TALLY_STROE: '' }), [], 'an empty one is as unset')
})
