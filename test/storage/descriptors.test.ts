/** What a process makes of its own want of descriptors: nothing about the files it could not open. */
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { test } from 'tap'
import { freshDirectory } from './support.ts'

test('too many open files make no content damaged, undo no repair and end no thread for good', { timeout: 120_000 }, t => {
  const child = path.join(import.meta.dirname, 'descriptors-child.ts')
  const { status, stdout, stderr } = spawnSync('sh', ['-c', 'ulimit -n 200; exec "$0" "$@"', process.execPath, child, freshDirectory(t)], { encoding: 'utf8' })
  t.equal(status, 0, stderr)
  t.same(JSON.parse(stdout), {
    unstarted: 'busy', afterwards: 'none', out: { checked: 'busy', repaired: 'busy', scrubbed: 'busy' },
    again: { checked: 'none', repaired: 'none', scrubbed: 'none' }, found: 0, noted: [],
  })
  t.end()
})
