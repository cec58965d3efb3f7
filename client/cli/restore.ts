/**
 * Where fetched files go below a directory: a name with `/` in it makes directories, as it came from them. Whatever a name is, the path
 * stays below the target; no link is followed on the way there, and what would meet is told apart.
 */
import { constants } from 'node:fs'
import { lstat, mkdir, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ClientError } from '../errors.ts'
import type { FileOfTransfer } from '../options.ts'
import { LocalNames } from '../safe-name.ts'

interface Directory {
  readonly path: string
  /** Absent: the target itself. */
  readonly parent?: Directory
  readonly names: LocalNames
  readonly directories: Map<string, Directory>
  made?: Promise<void>
}

export class Restore {
  readonly #root: Directory

  /** @param path a directory, which is there */
  constructor(path: string) {
    this.#root = { path, names: new LocalNames(), directories: new Map(), made: Promise.resolve() }
  }

  /** A file's path, the same each time it is asked for. Equal names are told apart by who asks first. */
  place(name: string, { fid, file }: FileOfTransfer & { readonly file: number }): { readonly path: string; readonly directory: Directory } {
    const components = name.split('/').filter(component => component !== '' && component !== '.')
    const last = components.pop() ?? name
    let directory = this.#root
    for (const component of components) directory = child(directory, component)
    return { path: join(directory.path, directory.names.take(last, `${fid}/${file}`)), directory }
  }

  /** As `place`; the directories above it are there, durably, when it resolves. Throws `unsafe-target` where one is something else. */
  async pathOf(info: { readonly name: string; readonly fid: string; readonly file: number }): Promise<string> {
    const { path, directory } = this.place(info.name, info)
    await make(directory)
    return path
  }
}

/** There, durably, when it resolves. */
function make(directory: Directory): Promise<void> {
  directory.made ??= (async () => {
    if (directory.parent !== undefined) await make(directory.parent)
    await makeDirectory(directory.path)
  })()
  return directory.made
}

/** A directory's key holds a slash at its end, which no file's key does: a file of the same name is told apart. */
function child(parent: Directory, component: string): Directory {
  const known = parent.directories.get(component)
  if (known !== undefined) return known
  const path = join(parent.path, parent.names.take(component, `${component}/`))
  const made: Directory = { path, parent, names: new LocalNames(), directories: new Map() }
  parent.directories.set(component, made)
  return made
}

async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path)
  } catch (cause) {
    if (!(cause instanceof Error) || !('code' in cause) || cause.code !== 'EEXIST') throw cause
    const found = await lstat(path)
    if (found.isDirectory()) return
    throw new ClientError('unsafe-target', `${path} is ${found.isSymbolicLink() ? 'a link' : 'there'}, not a directory`)
  }
  const above = await open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY)
  await above.sync().finally(() => above.close())
}
