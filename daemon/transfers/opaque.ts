/**
 * Opaque chunks of one transfer: which place a UUID has (its pair), and the next free one for a new UUID, in order of arrival, file
 * after file (docs/protocol.md, opaque chunks). Recent pairs are in memory; older ones are asked of the catalog in batches, in order, so
 * that memory stays flat over millions of chunks.
 */
import { TallyError, asTallyError } from '../../protocol/errors.ts'
import { CHUNKS_PER_FILE_MAX, CHUNK_SIZE_BYTES_MAX, FILES_MAX, OPAQUE_CHUNKS_PER_FILE_MAX } from '../../protocol/limits.ts'
import type { Catalog, Pair, TransferId } from '../storage/storage.ts'
import type { Group } from './group.ts'
import type { ChunkReply, StoredFile } from './reply.ts'
import type { Upload } from './upload.ts'

/** Pairs kept in memory. More than any connection may have unanswered, so a pending pair is never among the forgotten. */
const RECENT_PAIRS_MAX = 65_536
const LOOKUP_BATCH_MAX = 1024
/** Refused UUIDs that are remembered; a peer that goes on nevertheless has to authenticate anew. */
const REFUSED_MAX = 65_536
const BEHIND_ALL_PLACES = FILES_MAX * CHUNKS_PER_FILE_MAX

interface Arrival {
  /** 32 hex digits. */
  readonly uuid: string
  readonly data: Uint8Array
  readonly reply: ChunkReply
  /** The connection that sent it. */
  readonly sender: object
  /** Other transfers of the connection that may know the UUID: then it means their chunk, whatever was announced since. */
  readonly others: readonly OpaqueChunks[]
}

export class OpaqueChunks {
  readonly #transfer: TransferId
  readonly #catalog: Catalog
  readonly #uploads: readonly Upload[]
  readonly #recent = new Map<string, Pair>()
  /** Every pair there is stands in `#recent`: an unknown UUID is new. */
  #recentIsAll: boolean
  /** The one connection whose new chunks are placed: the last that authenticated the transfer. */
  #filler: object | undefined
  /**
   * UUIDs that got an Error: each has to come again before a new one is placed, in the order of what they mean. The number orders them:
   * the place that a chunk had before its cycle failed, or, behind all places, a count of arrivals.
   */
  #refused = new Map<string, number>()
  #refusals = 0
  /** More were refused than are remembered. */
  #isStuck = false
  /** Files whose digest differed: their paired places have to be filled again before a new UUID gets one. */
  readonly #mismatched = new Set<Upload>()
  #queue: Arrival[] = []
  #lookingUp = false

  constructor(transfer: TransferId, catalog: Catalog, uploads: readonly Upload[], pairCount: number) {
    this.#transfer = transfer
    this.#catalog = catalog
    this.#uploads = uploads
    this.#recentIsAll = pairCount === 0
  }

  /** This connection authenticated the transfer last. */
  filledBy(sender: object): void {
    this.#filler = sender
    this.#refused.clear()
    this.#isStuck = false
    this.#mismatched.clear()
  }

  /**
   * Places one chunk, or answers it for the place that it has, here or in one of the connection's other transfers. Arrivals are judged in
   * order even while a look-up is under way.
   */
  receive(uuid: string, data: Uint8Array, reply: ChunkReply, sender: object, others: readonly OpaqueChunks[] = []): void {
    const arrival = { uuid, data, sender, others, reply: new OpaqueReply(reply, () => this.refused(uuid, sender)) }
    const owner = others.find(other => other.#recent.has(uuid))
    if (owner !== undefined) {
      this.#refused.delete(uuid)
      owner.receive(uuid, data, reply, sender)
    } else if (this.#lookingUp || !this.#isDecided(uuid) || others.some(other => !other.#recentIsAll)) {
      // It outlasts the call, and so do its bytes.
      this.#queue.push({ ...arrival, data: new Uint8Array(data) })
      if (!this.#lookingUp) void this.#lookUp()
    } else {
      this.#judge(arrival, this.#recent.get(uuid))
    }
  }

  /** The group was not marked: its places are free again, and nothing placed after it may become durable before it. */
  failed(group: Group): void {
    this.#forget(group.pairs)
    const error = new TallyError('chunk-unknown', 'an earlier chunk failed and has to come again first')
    for (const upload of this.#uploads) {
      if (upload.kind !== 'opaque') continue
      const dropped = upload.drop()
      this.#forget(dropped?.pairs ?? [])
      dropped?.refuse(error)
    }
  }

  /** Some UUID has a place here, or is about to be given one. */
  get hasPairs(): boolean {
    return !this.#recentIsAll || this.#recent.size > 0 || this.#refused.size > 0 || this.#queue.length > 0
  }

  /** Arrivals wait for the catalog. */
  get isLookingUp(): boolean {
    return this.#lookingUp
  }

  /** The file's digest differed. */
  mismatched(upload: Upload): void {
    this.#mismatched.add(upload)
  }

  #isDecided(uuid: string): boolean {
    return this.#recentIsAll || this.#recent.has(uuid)
  }

  async #lookUp(): Promise<void> {
    this.#lookingUp = true
    while (this.#queue.length > 0) {
      const arrivals = this.#queue.splice(0, LOOKUP_BATCH_MAX)
      try {
        const own = await this.#pairsOf(arrivals.map(({ uuid }) => uuid))
        const elsewhere = new Map<OpaqueChunks, ReadonlyMap<string, Pair>>()
        for (const other of new Set(arrivals.flatMap(({ others }) => others))) {
          const unknown = arrivals.filter(({ uuid, others }) => others.includes(other) && !own.has(uuid))
          elsewhere.set(other, await other.#pairsOf(unknown.map(({ uuid }) => uuid)))
        }
        for (const arrival of arrivals) {
          const owner = arrival.others.find(other => elsewhere.get(other)?.has(arrival.uuid))
          if (owner === undefined) this.#judge(arrival, this.#recent.get(arrival.uuid) ?? own.get(arrival.uuid))
          else {
            this.#refused.delete(arrival.uuid)
            owner.#judge(arrival, elsewhere.get(owner)?.get(arrival.uuid))
          }
        }
      } catch (cause) {
        const error = asTallyError(cause)
        for (const { reply } of arrivals) reply.refused(error)
      }
    }
    this.#lookingUp = false
  }

  /** The pairs among these UUIDs, from memory or the catalog. */
  async #pairsOf(uuids: readonly string[]): Promise<ReadonlyMap<string, Pair>> {
    const asked = uuids.filter(uuid => !this.#isDecided(uuid))
    const found = asked.length === 0 ? [] : await this.#catalog.pairs(this.#transfer, asked)
    const pairs = new Map(found.map(pair => [pair.uuid, pair]))
    for (const uuid of uuids) {
      const recent = this.#recent.get(uuid)
      if (recent !== undefined) pairs.set(uuid, recent)
    }
    return pairs
  }

  #judge(arrival: Arrival, pair: Pair | undefined): void {
    const { uuid, data, reply } = arrival
    const place = pair ?? this.#place(arrival)
    if (place instanceof TallyError) {
      reply.refused(place)
      return
    }
    const upload = this.#uploads[place.file] as Upload
    if (pair !== undefined && arrival.sender !== this.#filler && upload.isFree(place.chunk)) {
      // Freed by a digest mismatch: whoever fills the transfer now may have given it to another UUID already.
      reply.refused(new TallyError('chunk-unknown', 'another connection fills this transfer'))
      return
    }
    this.#refused.delete(uuid)
    if (pair === undefined) this.#remember(place)
    // A known UUID whose place is free again (after a digest mismatch) is marked anew; its pair is there already.
    upload.receive(place.chunk, data, 'opaque', reply, pair === undefined ? place : undefined)
  }

  /** A chunk of the filling connection got an Error, for whatever reason: it may be known only now that there was one. */
  refused(uuid: string, sender: object): void {
    if (sender !== this.#filler || this.#refused.has(uuid)) return
    if (this.#refused.size >= REFUSED_MAX) this.#isStuck = true
    else this.#refused.set(uuid, BEHIND_ALL_PLACES + this.#refusals++)
  }

  /** The place of a new UUID, or why there is none. */
  #place({ uuid, data, sender }: Arrival): Pair | TallyError {
    if (sender !== this.#filler) return new TallyError('chunk-unknown', 'another connection fills this transfer')
    const [first] = this.#refused.keys()
    if (this.#isStuck || (first !== undefined && first !== uuid)) {
      return new TallyError('chunk-unknown', 'an earlier chunk was refused and has to come again first')
    }
    for (const file of this.#mismatched) if (file.isFull || file.state !== 'receiving') this.#mismatched.delete(file)
    if (this.#mismatched.size > 0) return new TallyError('chunk-unknown', 'the chunks of a file whose digest differed have to come again first')
    if (this.#uploads.some(({ mayGetStrayChunks }) => mayGetStrayChunks)) {
      const reason = 'a file of the transfer was removed unfinished or stored without its chunks: nobody can tell which file a new chunk is meant for'
      return new TallyError('chunk-unknown', reason)
    }
    const upload = this.#uploads.find(({ state, kind, isFull }) => state === 'receiving' && kind !== 'numbered' && !isFull)
    if (upload === undefined) return new TallyError('chunk-unknown', 'every place of the transfer is taken')
    if (upload.kind === null) {
      const refusal = takeChunkSize(upload, data.length)
      if (refusal !== undefined) return refusal
    }
    const chunk = upload.firstFree()
    const expected = upload.expectedBytes(chunk)
    if (expected === undefined) return new TallyError('chunk-unknown', 'every place of the transfer is taken')
    if (chunk >= OPAQUE_CHUNKS_PER_FILE_MAX) {
      const limit = OPAQUE_CHUNKS_PER_FILE_MAX * upload.chunkSizeBytes
      return new TallyError('file-too-big', `opaque chunks are at most ${OPAQUE_CHUNKS_PER_FILE_MAX} a file`, { limit })
    }
    if (data.length !== expected) {
      return new TallyError('chunk-length', `chunk ${chunk} of file ${upload.number} has ${expected} bytes, not ${data.length}`, { expected })
    }
    return { uuid, file: upload.number, chunk }
  }

  /** These places are free again; their UUIDs have to come again, in the order of the places. */
  #forget(pairs: readonly Pair[]): void {
    for (const { uuid, file, chunk } of pairs) {
      this.#recent.delete(uuid)
      this.#refused.set(uuid, file * CHUNKS_PER_FILE_MAX + chunk)
    }
    if (pairs.length > 0) this.#refused = new Map([...this.#refused].sort(([, a], [, b]) => a - b))
  }

  #remember(pair: Pair): void {
    this.#recent.set(pair.uuid, pair)
    if (this.#recent.size <= RECENT_PAIRS_MAX) return
    for (const oldest of this.#recent.keys()) {
      this.#recent.delete(oldest)
      break
    }
    this.#recentIsAll = false
  }
}

/** Passes the outcome on, and tells of a refusal first. */
class OpaqueReply implements ChunkReply {
  readonly #reply: ChunkReply
  readonly #onRefused: () => void

  constructor(reply: ChunkReply, onRefused: () => void) {
    this.#reply = reply
    this.#onRefused = onRefused
  }

  acknowledged(file: number, chunk: number, stored: StoredFile | undefined): void {
    this.#reply.acknowledged(file, chunk, stored)
  }

  refused(error: TallyError): void {
    this.#onRefused()
    this.#reply.refused(error)
  }
}

/** A file filled with opaque chunks takes its chunk size from the first one (originals use 1000 or 1024). */
function takeChunkSize(upload: Upload, lengthBytes: number): TallyError | undefined {
  const sizeBytes = upload.sizeBytes
  if (sizeBytes !== null && lengthBytes >= sizeBytes) {
    if (lengthBytes > sizeBytes) return new TallyError('chunk-length', `the file has ${sizeBytes} bytes`, { expected: sizeBytes })
    if (lengthBytes > CHUNK_SIZE_BYTES_MAX) return tooLong()
    // The whole file in one chunk: any chunk size that large fits.
    upload.chunkSizeBytes = Math.max(upload.chunkSizeBytes, lengthBytes)
    return undefined
  }
  if (lengthBytes > CHUNK_SIZE_BYTES_MAX) return tooLong()
  const smallest = Math.max(1, Math.ceil((sizeBytes ?? 0) / OPAQUE_CHUNKS_PER_FILE_MAX))
  if (lengthBytes < smallest) {
    const reason = `opaque chunks are at most ${OPAQUE_CHUNKS_PER_FILE_MAX} a file: this one needs chunks of ${smallest} bytes or more`
    return new TallyError('chunk-length', reason, { expected: smallest })
  }
  upload.chunkSizeBytes = lengthBytes
  return undefined
}

function tooLong(): TallyError {
  return new TallyError('chunk-length', `a chunk has at most ${CHUNK_SIZE_BYTES_MAX} bytes`, { expected: CHUNK_SIZE_BYTES_MAX })
}
