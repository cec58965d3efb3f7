/**
 * The fid of a file that is put by path: derived from who puts it, where it is and what state it is in. The same put after a break finds
 * its transfer again without any record on our side, and a file that changed starts anew.
 */
import { realpath } from 'node:fs/promises'
import { v5 } from 'uuid'
import type { FileIdentity } from './source.ts'

/** Of our own, so that our UUIDs of version 5 meet nobody else's. */
const NAMESPACE = 'd7a1f6c2-64c0-4b6c-9d4f-3b1f0a1c7e55'

/** How often a transfer may be followed by a new one for the same files. */
export const GENERATIONS_MAX = 100

/** @param generation 0, then one more each time the transfer before was removed */
export async function transferId(user: string, path: string, file: FileIdentity, name: string, generation: number): Promise<string> {
  const { sizeBytes, mtimeNs, inode } = file
  return v5(JSON.stringify([user, await realpath(path), sizeBytes, String(mtimeNs), String(inode), name, generation]), NAMESPACE)
}

/**
 * The fid of a group of small files that travel together, by their places in order, whatever state they are in.
 * @param generation 0, then one more each time that none of the files is the one that is stored there
 */
export function groupId(user: string, places: readonly string[], generation: number): string {
  return v5(JSON.stringify([user, places, generation]), NAMESPACE)
}
