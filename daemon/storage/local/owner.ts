/**
 * Whose a store is. Whoever else works on it, root above all, leaves files that its daemon cannot open afterwards, so only its owner does:
 * every way into a store that may write begins here.
 */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { SHARD } from './blob-path.ts'

const ROOT = 0
/** What is ours in a store's directory; a file system may have something of its own there (`lost+found`). */
const ENTRIES = ['lock', 'catalog.db', 'catalog.db-wal', 'catalog.db-shm', 'blobs', 'reserve', 'unsynced']

interface Ids {
  readonly uid: number
  readonly gid: number
}

/** It is somebody else's store: `owner`, a user's name or number, could do what was asked for. */
export class NotOwnerError extends Error {
  readonly directory: string
  readonly owner: string
  readonly ids: Ids

  constructor(directory: string, ids: Ids) {
    const [owner, us] = [nameOf(ids.uid), nameOf(effectiveUid())]
    super(`${directory} belongs to ${owner}, and ${us} is running this: a store is worked on by its owner alone`)
    this.directory = directory
    this.owner = owner
    this.ids = ids
  }
}

/**
 * Throws `NotOwnerError` where there is a store of somebody else, and an Error with a remedy where the store is ours and something in it is
 * not. Root may have a store of its own in somebody else's directory.
 */
export function checkOwner(directory: string): void {
  const found = fs.statSync(directory, { throwIfNoEntry: false })
  if (found === undefined) return
  const us = effectiveUid()
  const version = uidIn(directory, 'version', found)
  if (version === undefined) return
  if (found.uid !== us && !(us === ROOT && version === ROOT)) throw new NotOwnerError(directory, found)
  const check = (name: string): void => {
    const uid = uidIn(directory, name, found)
    if (uid === undefined || uid === us) return
    const remedy = `give it back first: chown -R ${nameOf(us)}: ${directory}`
    throw new Error(`${path.join(directory, name)} belongs to ${nameOf(uid)}, in a store of ${nameOf(us)}; ${remedy}`)
  }
  for (const name of ['version', ...ENTRIES]) check(name)
  // One for each 4,096 blobs: cheap to ask, and a single one of another's fails every new file that falls into it.
  for (const shard of shardsOf(directory)) check(path.join('blobs', shard))
}

/** Of a directory that is to become a store: whoever owns it is to own what is in it. Throws `NotOwnerError`. */
export function checkOwnDirectory(directory: string): void {
  const found = fs.statSync(directory, { throwIfNoEntry: false })
  if (found !== undefined && found.uid !== effectiveUid()) throw new NotOwnerError(directory, found)
}

function shardsOf(directory: string): readonly string[] {
  const blobs = path.join(directory, 'blobs')
  return fs.existsSync(blobs) ? fs.readdirSync(blobs).filter(name => SHARD.test(name)) : []
}

/** Undefined where it is not there. Whoever may not even ask is not the owner. */
function uidIn(directory: string, name: string, ids: Ids): number | undefined {
  try {
    return fs.lstatSync(path.join(directory, name), { throwIfNoEntry: false })?.uid
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES') throw new NotOwnerError(directory, ids)
    throw error
  }
}

function effectiveUid(): number {
  return process.geteuid?.() ?? ROOT
}

/** The name, or the number where there is none. */
function nameOf(uid: number): string {
  const { stdout } = spawnSync('getent', ['passwd', '--', String(uid)], { encoding: 'utf8' })
  const [name = ''] = (stdout ?? '').split(':')
  return name === '' ? String(uid) : name
}
