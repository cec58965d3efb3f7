/** What an operator who is not a store's owner is told to type. */
import t from 'tap'
import { asOwner } from '../../daemon/as-owner.ts'
import { NotOwnerError } from '../../daemon/storage/local/owner.ts'

const NAMELESS = { uid: 4_242_424, gid: 4_242_425 }

t.test('the same command line as the owner, with the store named', async t => {
  const error = new NotOwnerError('/var/lib/tally', { uid: 0, gid: 0 })
  t.equal(error.owner, 'root')
  t.equal(asOwner(error, ['fsck', '--dry-run'], true), 'runuser -u root -- tallyd fsck --dry-run --store /var/lib/tally')
  t.equal(asOwner(error, ['gc', '--store=/var/lib/tally'], false), 'sudo -u root tallyd gc --store=/var/lib/tally')
  t.equal(asOwner(error, ['import', '--from', 'it\'s mine'], false), 'sudo -u root tallyd import --from \'it\'\\\'\'s mine\' --store /var/lib/tally')
})

t.test('a user without a name is told by numbers', async t => {
  const error = new NotOwnerError('/s', NAMELESS)
  t.match(error.message, '/s belongs to 4242424, and ')
  t.equal(asOwner(error, ['--migrate'], true), 'setpriv --reuid=4242424 --regid=4242425 --clear-groups tallyd --migrate --store /s')
  t.equal(asOwner(error, ['fsck'], false), 'sudo -u \'#4242424\' tallyd fsck --store /s')
})
