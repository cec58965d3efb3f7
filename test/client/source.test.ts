/** What may be put: regular files only, and whatever else it is, nothing waits for it. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { FileSource } from '../../client/source.ts'

test('a FIFO without a writer is refused at once, like a directory and a device', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'tally-source-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const fifo = join(directory, 'fifo')
  execFileSync('mkfifo', [fifo])
  for (const path of [fifo, directory, '/dev/null']) await t.rejects(FileSource.open(path), { code: 'not-a-file' })
})
