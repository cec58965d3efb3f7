/** Which Node the daemon is content with: that of package.json, and newer ones. */
import { spawnSync } from 'node:child_process'
import t from 'tap'
import { refuseOldNode } from '../../daemon/version.ts'
import { MAIN } from '../support/daemon.ts'

t.test('a Node that is too old is named, with the one that is needed', async t => {
  for (const found of ['18.19.0', '20.20.2', '22.5.1', '22.12.9']) {
    t.throws(() => refuseOldNode(found), { message: `tallyd needs Node 22.13.0 or newer, and this is ${found} (${process.execPath}); put a newer one first in PATH` })
  }
  for (const found of ['22.13.0', '22.13.1', '22.20.0', '24.0.0', '25.0.0-nightly', process.versions.node]) t.doesNotThrow(() => refuseOldNode(found), found)
})

t.test('the daemon and its commands say so before anything else', async t => {
  const older = 'data:text/javascript,Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.20.2" } })'
  for (const [status, args] of [[1, ['--store', '/proc/nowhere']], [1, ['--help']], [2, ['fsck', '--store', '/proc/nowhere']]] as const) {
    const ran = spawnSync(process.execPath, ['--import', older, MAIN, ...args], { encoding: 'utf8', timeout: 20_000 })
    t.match(ran, { status, stdout: '', stderr: /^tallyd: tallyd needs Node 22\.13\.0 or newer, and this is 20\.20\.2 / })
  }
})
