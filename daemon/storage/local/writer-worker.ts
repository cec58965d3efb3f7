/** The thread that commits with durability `power`: a COMMIT there takes as long as the disk's sync. */
import { workerData } from 'node:worker_threads'
import type { Change } from './transactions.ts'
import { serveLink } from './worker-link.ts'
import { openWriter } from './writer.ts'
import type { Writer, WriterOptions } from './writer.ts'

let writer: Writer | undefined

serveLink({
  open: () => {
    writer = openWriter(workerData as WriterOptions)
  },
  run: (changes: readonly Change[]) => writer?.run(changes),
  close: () => writer?.close(),
})
