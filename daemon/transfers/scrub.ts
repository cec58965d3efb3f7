/**
 * The scrub: reads every stored content again, slowly, one pass a month, so that damage is noticed while whoever has the file can still
 * send it again. It goes by the sums of the blocks, remembers where it was across restarts, and rests while the daemon has work.
 */
import { asTallyError } from '../../protocol/errors.ts'
import { BLOCK_BYTES } from '../storage/blocks.ts'
import type { ContentReader, ScrubPosition, Store, StoredContent } from '../storage/storage.ts'
import type { Damage } from './damage.ts'
import { openVerified } from './verified.ts'

const TICK_MS = 1000
/** To open and read a small content costs about as much. */
const READ_COST_BYTES_MIN = 65_536
/** From the beginning of one pass to that of the next. */
const PASS_EVERY_MS = 30 * 86_400_000
/** A crash repeats what was read since it was last written down. */
const REMEMBER_EVERY_MS = 60_000

export interface ScrubOptions {
  readonly store: Store
  readonly damage: Damage
  readonly nowMs: () => number
  /** Asked at every tick. 0: off. */
  readonly bytesPerSecond: () => number
  /** There is work that it would slow down. */
  readonly isBusy: () => boolean
  readonly onPass: (pass: ScrubPass) => void
  readonly onFailure: (cause: unknown) => void
}

/** What was read since this process began the pass, or took it up. Of a damaged content the check reads the rest, which is not counted. */
export interface ScrubPass {
  readonly contents: number
  readonly bytes: number
  readonly damaged: number
}

const NOTHING: ScrubPass = { contents: 0, bytes: 0, damaged: 0 }

/** The content that is being read. */
interface Reading {
  readonly user: string
  readonly content: StoredContent
  reader: ContentReader | undefined
}

export class Scrub {
  readonly #options: ScrubOptions
  #timer: NodeJS.Timeout | undefined
  #ticking: Promise<void> | undefined
  #position: ScrubPosition | undefined
  #remembered: ScrubPosition | undefined
  #rememberedMs = Number.NEGATIVE_INFINITY
  #reading: Reading | undefined
  /** What may be read now; a block that is larger than a second's share is saved up for. */
  #creditBytes = 0
  #read = NOTHING

  constructor(options: ScrubOptions) {
    this.#options = options
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#ticking ??= this.tick().finally(() => {
        this.#ticking = undefined
      })
    }, TICK_MS)
    this.#timer.unref()
  }

  /** Remembers where it is. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#ticking
    await this.#close()
    if (this.#position !== undefined) await this.#remember(this.#position).catch(this.#options.onFailure)
  }

  /** What one second allows; called every second, and by tests. */
  async tick(): Promise<void> {
    const { bytesPerSecond, isBusy, onFailure } = this.#options
    const rate = bytesPerSecond()
    if (rate === 0 || isBusy()) return
    this.#creditBytes = Math.min(this.#creditBytes + rate, Math.max(rate, BLOCK_BYTES))
    try {
      await this.#work()
    } catch (cause) {
      onFailure(cause)
      await this.#close()
    }
  }

  async #work(): Promise<void> {
    const { store, nowMs } = this.#options
    const begun = (): ScrubPosition => ({ beganMs: nowMs(), blob: 0, block: 0, isOver: false })
    this.#remembered ??= await store.catalog.scrubPosition()
    let at = this.#position ?? this.#remembered ?? begun()
    let isPassOver = false
    if (at.isOver && nowMs() - at.beganMs >= PASS_EVERY_MS) at = begun()
    while (!at.isOver) {
      this.#reading ??= await this.#next(at)
      if (this.#reading === undefined) {
        at = { ...at, isOver: true }
        // An empty store has no passes.
        isPassOver = at.blob > 0
        break
      }
      const { blob, sizeBytes } = this.#reading.content
      // The one that was begun, or the first one after it.
      const block = blob === at.blob ? at.block : 0
      const offsetBytes = block * BLOCK_BYTES
      const lengthBytes = Math.min(BLOCK_BYTES, sizeBytes - offsetBytes)
      const costBytes = Math.max(lengthBytes, READ_COST_BYTES_MIN)
      if (costBytes > this.#creditBytes) break
      this.#creditBytes -= costBytes
      const isWhole = await this.#isWhole(this.#reading, offsetBytes, lengthBytes)
      const isOver = !isWhole || offsetBytes + lengthBytes === sizeBytes
      const { contents, bytes, damaged } = this.#read
      this.#read = { contents: contents + (isOver ? 1 : 0), bytes: bytes + lengthBytes, damaged: damaged + (isWhole ? 0 : 1) }
      at = isOver ? { ...at, blob: blob + 1, block: 0 } : { ...at, blob, block: block + 1 }
      this.#position = at
      if (isOver) await this.#close()
    }
    this.#position = at
    if (isPassOver || nowMs() - this.#rememberedMs >= REMEMBER_EVERY_MS) await this.#remember(at)
    if (!isPassOver) return
    this.#options.onPass(this.#read)
    this.#read = NOTHING
  }

  async #next({ blob }: ScrubPosition): Promise<Reading | undefined> {
    const found = await this.#options.store.catalog.contentFrom(blob)
    return found === undefined ? undefined : { ...found, reader: undefined }
  }

  /** False where it is damaged, or the disk cannot read it: then it is looked at as a whole. Throws `busy`. */
  async #isWhole(reading: Reading, offsetBytes: number, lengthBytes: number): Promise<boolean> {
    const { store, damage } = this.#options
    const { user, content } = reading
    const onDamage = () => damage.suspect(user, content)
    try {
      reading.reader ??= await openVerified(store, content, onDamage)
      await reading.reader.read(offsetBytes, lengthBytes)
      return true
    } catch (cause) {
      // That says nothing about the content; the next second tries again.
      if (asTallyError(cause).code === 'busy') throw cause
      onDamage()
      return false
    }
  }

  /** Unless it stands before the first content: that is where a scrub begins anyway, and an idle daemon writes nothing. */
  async #remember(position: ScrubPosition): Promise<void> {
    this.#rememberedMs = this.#options.nowMs()
    if (position === this.#remembered || position.blob === 0) return
    await this.#options.store.catalog.scrubbed(position)
    this.#remembered = position
  }

  async #close(): Promise<void> {
    const reader = this.#reading?.reader
    this.#reading = undefined
    await reader?.close()
  }
}
