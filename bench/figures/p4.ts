/**
 * P4: how fast a stored file comes out with the default chunk size, into a file: through the library, which verifies its digest, and with
 * the lean client, which does not (the bench compares its file afterwards). Against a pipe.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { setTimeout } from 'node:timers/promises'
import { Daemon } from '../support/daemon.ts'
import type { Figure } from '../support/figure.ts'
import { Pipe, SETTLE_MS } from '../support/pipe.ts'
import { clients } from '../support/programs.ts'
import { inTurn } from '../support/statistics.ts'
import { LibraryClient } from '../support/upload.ts'

/** What the library asks for (client/download.ts). */
const FETCH_CHUNK_SIZE_BYTES = 262_144

export const p4: Figure = {
  id: 'P4',
  title: 'download with the default chunk size',
  async run(context) {
    const { workspace, pairs, sizeBytes, progress, note } = context
    const input = await workspace.makeInput(sizeBytes)
    await using daemon = await Daemon.start(context, 'power')
    await using pipe = await Pipe.start(workspace)
    await using library = new LibraryClient(context)
    await using lean = clients.download(context)
    const { fid } = await library.keep(daemon.access, input)
    const directory = await workspace.makeDirectory('got')
    note(`The lean client asks for chunks of ${FETCH_CHUNK_SIZE_BYTES} bytes.`)
    const get = async (): Promise<number> => {
      const { seconds, files } = await library.run({ access: daemon.access, do: 'get', fid, directory })
      if (files[0]?.digest !== input.digest) throw new Error(`got ${files[0]?.digest}, is ${input.digest}`)
      await workspace.empty(directory)
      await setTimeout(SETTLE_MS)
      return sizeBytes / seconds / 1e6
    }
    const fetch = async (): Promise<number> => {
      const path = workspace.path('fetched')
      const seconds = await lean.run({ access: daemon.access, fid, chunkSizeBytes: FETCH_CHUNK_SIZE_BYTES, path })
      const hash = createHash('sha256')
      await pipeline(createReadStream(path), hash)
      if (`sha256:${hash.digest('hex')}` !== input.digest) throw new Error('what was fetched is not what was put')
      await workspace.drop(path)
      await setTimeout(SETTLE_MS)
      return sizeBytes / seconds / 1e6
    }
    const samples = await inTurn(pairs, { pipe: () => pipe.rate(input), get, fetch }, progress)
    await Promise.all([workspace.drop(input.path), workspace.drop(directory)])
    const goal = { baseline: 'pipe', direction: 'at least', ratio: 1.5 } as const
    return [
      { name: 'pipe', unit: 'MB/s', samples: samples.pipe },
      { name: 'library', unit: 'MB/s', samples: samples.get, goal },
      { name: 'lean client', unit: 'MB/s', samples: samples.fetch, goal },
    ]
  },
}
