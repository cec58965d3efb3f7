/**
 * The transfers that one connection has open: which of them a numbered chunk is for, at the cost of one look-up however many they are. Most
 * of those that are whole rest: they leave memory, and come back when a chunk for them arrives, so that a connection may bring any number
 * of files after one another.
 */
import type { ChunkIds, ChunkPlace } from '../protocol/chunk-id.ts'
import type { Acks, ChunkWords } from '../protocol/messages.ts'
import type { LiveTransfer } from './transfers/live-transfer.ts'

/** Whole ones that stay in memory, and how many files they may have in all: chunks that come twice come soon. */
const WHOLE_AWAKE_MAX = 16
const FILES_AWAKE_MAX = 4096
/** As many as a connection may have unanswered chunks; what is older is forgotten, and opened again by AUTHENTICATION. */
const RESTING_MAX = 16_384
/** More than one comes at a time, so that those that rest keep up with those that come. */
const LOOKS = 4

/** A transfer as this connection has it open. */
export interface OpenTransfer {
  readonly transfer: LiveTransfer
  acks: Acks
}

/** A whole transfer that is not in memory on behalf of this connection. */
export interface RestingTransfer {
  readonly user: string
  readonly fid: string
  readonly acks: Acks
}

interface Entry {
  readonly chunkIds: ChunkIds
  readonly open: OpenTransfer | undefined
  readonly resting: RestingTransfer | undefined
}

export interface Place extends ChunkPlace {
  readonly entry: Entry
}

export class OpenTransfers {
  /** By what all chunk ids of a transfer end with. */
  readonly #entries = new Map<number, Entry[]>()
  /** In the order in which they came to rest. */
  readonly #resting = new Set<Entry>()
  /** In the order in which they were opened. */
  readonly #awake = new Map<LiveTransfer, OpenTransfer>()
  /** Of those that are awake. */
  #files = 0
  #latest: OpenTransfer | undefined

  /** The transfer that takes the connection's opaque chunks: opened last. */
  get latest(): OpenTransfer | undefined {
    return this.#latest
  }

  get awake(): readonly LiveTransfer[] {
    return [...this.#awake.keys()]
  }

  /** What else may know an opaque chunk's UUID. */
  othersWithPairs(): readonly LiveTransfer[] {
    if (this.#awake.size === 1) return []
    return [...this.#awake.keys()].filter(transfer => transfer !== this.#latest?.transfer && transfer.hasPairs && !transfer.isGone)
  }

  /** One more, or the same again. Answers the transfers that rest from now on. */
  add(transfer: LiveTransfer, acks: Acks): readonly LiveTransfer[] {
    const open = { transfer, acks }
    this.#latest = open
    this.#set(transfer.chunkIds, { chunkIds: transfer.chunkIds, open, resting: undefined })
    this.#keepAwake(transfer, open)
    return this.#rest()
  }

  /** A resting transfer is in memory again. */
  wake(transfer: LiveTransfer, acks: Acks): OpenTransfer {
    const open = { transfer, acks }
    this.#set(transfer.chunkIds, { chunkIds: transfer.chunkIds, open, resting: undefined })
    this.#keepAwake(transfer, open)
    return open
  }

  /** The transfer and the place that a numbered chunk names; undefined where it fits none. */
  placeOf(chunk: ChunkWords): Place | undefined {
    for (const entry of this.#entries.get(chunk[3]) ?? []) {
      const place = entry.chunkIds.decode(chunk)
      if (place !== undefined) return { entry, file: place.file, chunk: place.chunk }
    }
    return undefined
  }

  clear(): void {
    this.#entries.clear()
    this.#resting.clear()
    this.#awake.clear()
    this.#files = 0
    this.#latest = undefined
  }

  /** At the end, also what is there already: it was used just now. */
  #keepAwake(transfer: LiveTransfer, open: OpenTransfer): void {
    this.#letGo(transfer)
    this.#awake.set(transfer, open)
    this.#files += transfer.uploads.length
  }

  #letGo(transfer: LiveTransfer): void {
    if (this.#awake.delete(transfer)) this.#files -= transfer.uploads.length
  }

  #set(chunkIds: ChunkIds, entry: Entry): void {
    this.#forget(chunkIds)
    this.#entries.set(chunkIds.key, [...this.#entries.get(chunkIds.key) ?? [], entry])
    if (entry.resting === undefined) return
    this.#resting.add(entry)
    const [oldest] = this.#resting
    if (oldest !== undefined && this.#resting.size > RESTING_MAX) this.#forget(oldest.chunkIds)
  }

  /** Looks at a few each time, in turn, so that opening costs the same however many are open. */
  #rest(): readonly LiveTransfer[] {
    if (this.#awake.size <= WHOLE_AWAKE_MAX && this.#files <= FILES_AWAKE_MAX) return []
    const resting: LiveTransfer[] = []
    for (const [transfer, open] of [...take(this.#awake, LOOKS)]) {
      if (open === this.#latest) continue
      this.#letGo(transfer)
      if (transfer.isGone) this.#forget(transfer.chunkIds)
      else if (!transfer.mayRest) this.#keepAwake(transfer, open)
      else {
        const { user, fid, chunkIds } = transfer
        this.#set(chunkIds, { chunkIds, open: undefined, resting: { user, fid, acks: open.acks } })
        resting.push(transfer)
      }
    }
    return resting
  }

  #forget(chunkIds: ChunkIds): void {
    const left: Entry[] = []
    for (const entry of this.#entries.get(chunkIds.key) ?? []) {
      if (entry.chunkIds.isSame(chunkIds)) this.#resting.delete(entry)
      else left.push(entry)
    }
    if (left.length > 0) this.#entries.set(chunkIds.key, left)
    else this.#entries.delete(chunkIds.key)
  }
}

function* take<T>(items: Iterable<T>, count: number): Iterable<T> {
  let left = count
  for (const item of items) {
    if (left-- <= 0) return
    yield item
  }
}
