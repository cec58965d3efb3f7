/**
 * Small files, read whole and gathered into groups, each of which travels as one transfer. Where a group ends follows from the paths, so
 * that the same files, or most of them, make the same groups another time and are found again; but nobody waits for an item that is yet to
 * come.
 */
import { createHash } from 'node:crypto'
import { open, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { FileThread } from './file-thread.ts'
import type { PutAllItem, PutLabel } from './options.ts'
import type { ReadFile } from './small-file-now.ts'

/** Up to this size a file is small: one chunk of a transfer's default size. */
export const SMALL_BYTES_MAX = 65_536
const GROUP_FILES_MAX = 256
const GROUP_BYTES_MAX = 2_097_152
/** Names, tags and meta of a group, as JSON: its announcement has to fit into one frame. */
const GROUP_LABEL_BYTES_MAX = 393_216
/** One in so many paths is the last of its group. */
const GROUP_FILES_MEAN = 96
/** Files that are read side by side. */
const READ_AHEAD = 32
/**
 * When no item came for so long, those that did go. A listing, however slow its disk, should not pause so long: its groups would differ.
 */
const PAUSE_MS = 1000

export interface SmallFile {
  readonly item: PutAllItem
  readonly bytes: Uint8Array
  readonly modifiedMs: number
  /** Says which file it is, whatever its state. */
  readonly place: string
}

/** A group of small files; or a single item that is not small, or that cannot be read, which is for others to find out. */
export type Gathered = readonly SmallFile[] | PutAllItem

/**
 * The items in their order. What is asked for next is read then, so memory holds one group.
 * @param common is said of every file
 * @param thread reads the files, where there are many
 */
export async function* gathered(
  items: Iterable<PutAllItem> | AsyncIterable<PutAllItem>, common: PutLabel, thread?: FileThread,
): AsyncGenerator<Gathered, void, void> {
  let group: SmallFile[] = []
  let groupBytes = 0
  let labelBytes = 0
  const all = Buffer.byteLength(JSON.stringify(common))
  for await (const { some, isPausing } of several(items)) {
    for (const found of await Promise.all(some.map(item => readSmall(item, thread)))) {
      if (!('bytes' in found)) {
        yield found
        continue
      }
      group.push(found)
      groupBytes += found.bytes.length
      labelBytes += all + Buffer.byteLength(JSON.stringify(found.item))
      const isFull = group.length >= GROUP_FILES_MAX || groupBytes >= GROUP_BYTES_MAX || labelBytes >= GROUP_LABEL_BYTES_MAX
      if (!isFull && !endsGroup(found.item.path)) continue
      yield group
      group = []
      groupBytes = 0
      labelBytes = 0
    }
    if (!isPausing || group.length === 0) continue
    yield group
    group = []
    groupBytes = 0
    labelBytes = 0
  }
  if (group.length > 0) yield group
}

/** Pausing: the next item is not there yet. */
async function* several(
  items: Iterable<PutAllItem> | AsyncIterable<PutAllItem>,
): AsyncGenerator<{ some: PutAllItem[]; isPausing: boolean }, void, void> {
  let some: PutAllItem[] = []
  for await (const item of Symbol.asyncIterator in items ? withPauses(items) : items) {
    const isPausing = item === undefined
    if (!isPausing && some.push(item) < READ_AHEAD) continue
    yield { some, isPausing }
    some = []
  }
  if (some.length > 0) yield { some, isPausing: false }
}

/** The items, and undefined before one that does not come soon. */
async function* withPauses<Item>(items: AsyncIterable<Item>): AsyncGenerator<Item | undefined, void, void> {
  const input = items[Symbol.asyncIterator]()
  let next: Promise<IteratorResult<Item>> | undefined
  try {
    for (;;) {
      next = input.next()
      if (!await comesSoon(next)) yield undefined
      const { done, value } = await next
      if (done === true) return
      next = undefined
      yield value
    }
  } finally {
    // One that is over, or whose next item is awaited, has nothing to end, or does not hear of it.
    if (next === undefined) await input.return?.()
  }
}

function comesSoon(next: Promise<unknown>): Promise<boolean> {
  return new Promise(resolve => {
    // Where the process was busy so long, what came meanwhile is heard first.
    const timer = setTimeout(() => setImmediate(() => resolve(false)), PAUSE_MS)
    const came = (): void => {
      clearTimeout(timer)
      resolve(true)
    }
    next.then(came, came)
  })
}

function endsGroup(path: string): boolean {
  return createHash('sha256').update(path).digest().readUInt32BE(0) % GROUP_FILES_MEAN === 0
}

/** The file as it is in one moment, or the item itself. */
async function readSmall(item: PutAllItem, thread: FileThread | undefined): Promise<SmallFile | PutAllItem> {
  const read = await thread?.read(item.path).catch(() => undefined) ?? await readInPool(item.path)
  return read === undefined ? item : { item, ...read, place: JSON.stringify([resolve(item.path), item.name]) }
}

/** As `readNow`; undefined also where the file system refuses. */
async function readInPool(path: string): Promise<ReadFile | undefined> {
  // Before it is opened: opening a FIFO waits for its writer.
  const before = await stat(path, { bigint: true }).catch(() => undefined)
  if (before === undefined || !before.isFile() || before.size > SMALL_BYTES_MAX) return undefined
  const handle = await open(path).catch(() => undefined)
  if (handle === undefined) return undefined
  try {
    const sizeBytes = Number(before.size)
    const bytes = Buffer.allocUnsafeSlow(sizeBytes + 1)
    const { bytesRead } = await handle.read(bytes, 0, sizeBytes + 1, 0)
    const after = await handle.stat({ bigint: true })
    if (bytesRead !== sizeBytes || after.mtimeNs !== before.mtimeNs || after.ino !== before.ino) return undefined
    return { bytes: bytes.subarray(0, sizeBytes), modifiedMs: Number(before.mtimeNs / 1_000_000n) }
  } catch {
    return undefined
  } finally {
    await handle.close()
  }
}
