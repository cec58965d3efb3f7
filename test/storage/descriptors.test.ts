/** What a process makes of its own want of descriptors: nothing about the files it could not open. */
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { test } from 'tap'
import { freshDirectory } from './support.ts'

test('too many open files make no content damaged, undo no repair and end no thread for good', { timeout: 120_000 }, t => {
  const child = path.join(import.meta.dirname, 'descriptors-child.ts')
  const { status, stdout, stderr } = spawnSync('sh', ['-c', 'ulimit -n 200; exec "$0" "$@"', process.execPath, child, freshDirectory(t)], { encoding: 'utf8' })
  t.equal(status, 0, stderr)
  const { unstarted, ...told } = JSON.parse(stdout) as { unstarted: readonly string[] }
  t.ok(unstarted.length > 1, `the thread's start asks for descriptors: ${unstarted}`)
  t.same(unstarted, unstarted.map((_, left) => left < unstarted.length - 1 ? 'busy' : 'none'), 'however many are left to it')
  t.same(told, {
    afterwards: 'none', out: { checked: 'busy', repaired: 'busy', scrubbed: 'busy' },
    again: { checked: 'none', repaired: 'none', scrubbed: 'none' }, found: 0, noted: [],
  })
  t.end()
})
