/** The directories that are made on the way to a socket, and who may pass through them. */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { preparePath } from '../../daemon/unix-socket.ts'

t.test('each directory that is made lets the group through, or nobody; one that was there stays as it is', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'tally-socket-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const modeOf = (path: string) => (statSync(join(directory, path)).mode & 0o777).toString(8)
  const groupId = process.getgid?.() ?? 0
  await preparePath(join(directory, 'a/b/c/tally.sock'), { groupId })
  t.same(['a', 'a/b', 'a/b/c'].map(modeOf), ['750', '750', '750'])
  t.equal(statSync(join(directory, 'a')).gid, groupId)
  await preparePath(join(directory, 'a/d/../e/tally.sock'))
  t.same(['a', 'a/e', '.'].map(modeOf), ['750', '700', '700'])
})
