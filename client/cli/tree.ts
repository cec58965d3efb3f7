/**
 * What `tally put` finds below the paths it was given: regular files, each with the name that it has in the store. Links, sockets, FIFOs
 * and devices below a directory are skipped and told: following a link could leave the tree, or never end. A path that was given itself is
 * followed, whatever it is.
 */
import type { Dirent } from 'node:fs'
import { lstat, readdir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { ClientError } from '../errors.ts'

export interface Found {
  /** As the user would write it. */
  readonly path: string
  /** Below a directory: the directory's own name and the path from there, with `/` between. */
  readonly name: string
  readonly sizeBytes: number
}

export interface Skipped {
  readonly path: string
  readonly skipped: 'link' | 'socket' | 'FIFO' | 'device'
}

export interface Failed {
  readonly path: string
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
  for (const path of paths) {
    try {
      const found = await stat(path)
      if (!found.isDirectory()) yield { path, name: basename(path), sizeBytes: found.size }
      else if (!recursive) throw new ClientError('not-a-file', 'this is a directory; --recursive stores what is in it')
      else yield* below({ path, name: nameOf(path), inside: '' }, filter)
    } catch (error) {
      yield { path, error }
    }
  }
}

interface Place {
  readonly path: string
  readonly name: string
  /** The path from the directory that was given, which is what the globs are about. */
  readonly inside: string
}

async function* below(directory: Place, filter: Filter): AsyncGenerator<Found | Skipped | Failed> {
  let entries: readonly Dirent[]
  try {
    entries = await readdir(directory.path, { withFileTypes: true })
  } catch (error) {
    yield { path: directory.path, error }
    return
  }
  for (const entry of entries.toSorted((a, b) => a.name < b.name ? -1 : 1)) {
    const place = {
      path: join(directory.path, entry.name), name: joined(directory.name, entry.name), inside: joined(directory.inside, entry.name),
    }
    if (entry.isDirectory()) {
      if (filter.entersDirectory(place.inside)) yield* below(place, filter)
    } else if (filter.takesFile(place.inside)) yield await looked(place, entry)
  }
}

async function looked({ path, name }: Place, entry: Dirent): Promise<Found | Skipped | Failed> {
  if (!entry.isFile()) {
    return { path, skipped: entry.isSymbolicLink() ? 'link' : entry.isSocket() ? 'socket' : entry.isFIFO() ? 'FIFO' : 'device' }
  }
  try {
    return { path, name, sizeBytes: (await lstat(path)).size }
  } catch (error) {
    // Node gives names that are not UTF-8 with U+FFFD in them, and nothing has that name.
    return { path, error: entry.name.includes('\ufffd') ? new ClientError('not-a-file', 'its name is not UTF-8', { cause: error }) : error }
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
