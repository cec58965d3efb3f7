/**
 * What `tally put` finds below the paths it was given: regular files, each with the name that it has in the store. Links, sockets, FIFOs and
 * devices below a directory are skipped and told: following a link could leave the tree, or never end. A path that was given itself is
 * followed, whatever it is.
 */
import type { Dirent } from 'node:fs'
import { lstat, readdir, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { ClientError } from '../errors.ts'

export interface Found {
  /** Absolute. */
  readonly path: string
  /** As the user would write it. */
  readonly shown: string
  /** Below a directory: the directory's own name and the path from there, with `/` between. */
  readonly name: string
  readonly sizeBytes: number
}

export interface Skipped {
  readonly shown: string
  readonly skipped: 'link' | 'socket' | 'FIFO' | 'device'
}

export interface Failed {
  readonly shown: string
  readonly error: unknown
}

/** What may be put, by its path below the directory that was given, with `/` between. */
export interface Filter {
  readonly takesFile: (path: string) => boolean
  readonly entersDirectory: (path: string) => boolean
}

/** Globs without a slash match the last component, others the whole path; an excluded directory is not entered. */
export async function filterOf(include: readonly string[], exclude: readonly string[]): Promise<Filter> {
  if (include.length + exclude.length === 0) return { takesFile: () => true, entersDirectory: () => true }
  // Loaded only when it is needed: most commands start without it.
  const { default: picomatch } = await import('picomatch')
  const matcher = (globs: readonly string[]): (path: string) => boolean => {
    const tests = globs.map(glob => picomatch(glob.replace(/\/+$/, ''), { dot: true, matchBase: !glob.replace(/\/+$/, '').includes('/') }))
    return path => tests.some(test => test(path))
  }
  const isIncluded = include.length === 0 ? () => true : matcher(include)
  const isExcluded = matcher(exclude)
  return { takesFile: path => isIncluded(path) && !isExcluded(path), entersDirectory: path => !isExcluded(path) }
}

/** Each file once, in the order of the paths, below each directory in that of the names. Never throws: what fails is one of the results. */
export async function* filesBelow(
  paths: readonly string[], { recursive, filter }: { recursive: boolean; filter: Filter },
): AsyncGenerator<Found | Skipped | Failed, void, void> {
  for (const given of paths) {
    try {
      const found = await stat(given)
      const path = resolve(given)
      if (!found.isDirectory()) yield { path, shown: given, name: basename(path), sizeBytes: found.size }
      else if (!recursive) throw new ClientError('not-a-file', 'this is a directory; --recursive stores what is in it')
      else yield* below(path, given, nameOf(given), '', filter)
    } catch (error) {
      yield { shown: given, error }
    }
  }
}

/** @param inside the path from the directory that was given, which is what the globs are about */
async function* below(directory: string, shown: string, name: string, inside: string, filter: Filter): AsyncGenerator<Found | Skipped | Failed> {
  let entries: readonly Dirent[]
  try {
    entries = await readdir(directory, { withFileTypes: true })
  } catch (error) {
    yield { shown, error }
    return
  }
  for (const entry of entries.toSorted((a, b) => a.name < b.name ? -1 : 1)) {
    const path = join(directory, entry.name)
    const child = { shown: join(shown, entry.name), name: joined(name, entry.name), inside: joined(inside, entry.name) }
    if (entry.isDirectory()) {
      if (filter.entersDirectory(child.inside)) yield* below(path, child.shown, child.name, child.inside, filter)
    } else if (filter.takesFile(child.inside)) yield await looked(path, child, entry)
  }
}

async function looked(path: string, { shown, name }: { shown: string; name: string }, entry: Dirent): Promise<Found | Skipped | Failed> {
  if (!entry.isFile()) {
    const skipped = entry.isSymbolicLink() ? 'link' : entry.isSocket() ? 'socket' : entry.isFIFO() ? 'FIFO' : 'device'
    return { shown, skipped }
  }
  try {
    return { path, shown, name, sizeBytes: (await lstat(path)).size }
  } catch (error) {
    // Node gives names that are not UTF-8 with U+FFFD in them, and nothing has that name.
    const unreadable = entry.name.includes('\ufffd') ? new ClientError('not-a-file', 'its name is not UTF-8', { cause: error }) : error
    return { shown, error: unreadable }
  }
}

/** The last component of a directory's path; `.`, `..` and `/` are no name that anybody chose. */
function nameOf(given: string): string {
  const last = given.replace(/\/+$/, '').split('/').at(-1) ?? ''
  return last === '.' || last === '..' ? '' : last
}

function joined(before: string, name: string): string {
  return before === '' ? name : `${before}/${name}`
}
