/**
 * P13: how many files of 4 KiB a second an app puts and gets through the library (`putAll`, `getAll`), 10,000 of them over one connection.
 * Each pair has files of its own in directories of its own, and nothing is removed before the last one: after a removal ext4 without a
 * journal looks at each inode that was freed in the last minutes before it takes one, which costs a new file up to half a millisecond.
 */
import { randomBytes } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Daemon } from '../support/daemon.ts'
import type { Figure } from '../support/figure.ts'
import { LibraryClient } from '../support/upload.ts'

const FILES = 10_000
const FILE_BYTES = 4096
const SAMPLES_MAX = 5

export const p13: Figure = {
  id: 'P13',
  title: `${FILES.toLocaleString('en-US')} files of 4 KiB through the library, durability power`,
  async run(context) {
    const { workspace, progress } = context
    const pairs = Math.min(context.pairs, SAMPLES_MAX)
    await using daemon = await Daemon.start(context, 'power')
    await using library = new LibraryClient(context)
    const { access } = daemon
    const directories: string[] = []
    const [put, get]: [number[], number[]] = [[], []]
    for (let pair = -1; pair < pairs; pair++) {
      const from = await workspace.makeDirectory('small')
      const to = await workspace.makeDirectory('got')
      directories.push(from, to)
      const contents = Array.from({ length: FILES }, () => randomBytes(FILE_BYTES))
      const paths = contents.map((_, i) => join(from, `${i}`))
      for (const [i, path] of paths.entries()) await writeFile(path, contents[i] as Buffer)
      const stored = await library.run({ access, do: 'putAll', paths })
      const places = new Set(stored.files.map(({ fid, file }) => `${fid}/${file}`))
      const got = await library.run({ access, do: 'getAll', files: stored.files, directory: to })
      if (places.size !== FILES || (await readdir(to)).length !== FILES) throw new Error(`not ${FILES} files went in and came out`)
      for (let i = 0; i < FILES; i += 97) {
        if (!contents[i]?.equals(await readFile(join(to, `${i}`)))) throw new Error(`file ${i} is not what was put`)
      }
      if (pair >= 0) put.push(FILES / stored.seconds)
      if (pair >= 0) get.push(FILES / got.seconds)
      progress(`pair ${pair + 1} of ${pairs}`)
    }
    for (const directory of directories) await workspace.drop(directory)
    return [
      { name: 'put', unit: 'files/s', samples: put, goal: { direction: 'at least', limit: 5000 } },
      { name: 'get', unit: 'files/s', samples: get, goal: { direction: 'at least', limit: 10_000 } },
    ]
  },
}
