/**
 * One page of a `ChunkSet`: which of 16,384 neighbouring chunks are present. Sorted run boundaries while there are few of them, else
 * a bitmap of 2 KiB, so that a page costs little in order and never much out of order. Owns the form in which receipts are stored.
 */

/** Chunks in one page: a bitmap of 2 KiB, and at most 131,072 pages in the largest file. */
export const CHUNKS_PER_PAGE = 16_384

const BITMAP_WORDS = CHUNKS_PER_PAGE / 32
const BITMAP_BYTES = CHUNKS_PER_PAGE / 8
/** 64 runs; a search among them is 7 steps, and 128 small numbers take no more memory than the bitmap would. */
const BOUNDS_MAX = 128
/** First byte of an encoded page: the format's version and the kind in one. */
const KIND_RUNS = 1
const KIND_BITMAP = 2

/** The chunks of one page, counted from its start. Positions are not checked here: the set does that. */
export class ChunkPage {
  /** How many chunks are present. */
  count = 0
  /** Even places: first of a run; odd places: one past its last. Strictly ascending. Unused once `#bits` is there. */
  #bounds: number[] = []
  #bits: Uint32Array | undefined

  /** True where the chunk was not there before. */
  add(position: number): boolean {
    if (this.#bits === undefined && this.#bounds.length > 0 && this.#bounds.at(-1) === position) { // in order: the last run grows
      this.#bounds[this.#bounds.length - 1] = position + 1
      this.count++
      return true
    }
    if (this.has(position)) return false
    this.addRun(position, position + 1)
    return true
  }

  /** Adds what lies between `first` and `end` (one past the last). */
  addRun(first: number, end: number): void {
    if (this.#bits === undefined) this.#addToBounds(first, end)
    else this.#addToBits(this.#bits, first, end)
    if (this.count === CHUNKS_PER_PAGE && this.#bits !== undefined) {
      this.#bits = undefined
      this.#bounds = [0, CHUNKS_PER_PAGE]
    }
  }

  has(position: number): boolean {
    if (this.#bits !== undefined) return ((this.#bits[position >>> 5] as number) >>> (position & 31) & 1) === 1
    return (this.#boundsUpTo(position) & 1) === 1
  }

  /** Takes out a chunk that is there. */
  delete(position: number): void {
    this.count--
    if (this.#bits !== undefined) {
      this.#bits[position >>> 5] = (this.#bits[position >>> 5] as number) & ~(1 << (position & 31))
      return
    }
    const place = this.#boundsUpTo(position)
    const first = this.#bounds[place - 1] as number
    const end = this.#bounds[place] as number
    const left = first < position ? [first, position] : []
    const right = position + 1 < end ? [position + 1, end] : []
    this.#bounds.splice(place - 1, 2, ...left, ...right)
    this.#useBitsWhenMany()
  }

  /** The first position from `from` on that is present (or absent); `CHUNKS_PER_PAGE` where there is none. */
  next(from: number, present: boolean): number {
    if (this.#bits !== undefined) return nextBit(this.#bits, from, present)
    const place = this.#boundsUpTo(from)
    if (((place & 1) === 1) === present) return from
    return this.#bounds[place] ?? CHUNKS_PER_PAGE
  }

  /**
   * The stored form: a byte 1, then for each run how far it begins behind the end of the one before and its length, as LEB128 varints;
   * or a byte 2, then 2,048 bytes in which chunk i is the bit i % 8 (lowest first) of byte i / 8. Whichever is shorter.
   */
  encode(): Uint8Array {
    const runs = new Uint8Array(1 + BITMAP_BYTES)
    runs[0] = KIND_RUNS
    let length = 1
    let end = 0
    for (let first = this.next(0, true); first < CHUNKS_PER_PAGE; first = this.next(end, true)) {
      if (length + 6 > runs.length) return this.#encodeBits() // a pair of varints below 16,385 takes at most 6 bytes
      length = writeVarint(runs, length, first - end)
      end = this.next(first, false)
      length = writeVarint(runs, length, end - first)
    }
    return runs.slice(0, length)
  }

  /** The page that `encode` gave these bytes for. Throws an Error where no page has them. */
  static decode(bytes: Uint8Array): ChunkPage {
    const page = new ChunkPage()
    if (bytes[0] === KIND_RUNS) page.#readRuns(bytes)
    else if (bytes[0] === KIND_BITMAP && bytes.length === 1 + BITMAP_BYTES) page.#readBits(bytes)
    else throw new Error('chunk set: a page of an unknown kind or of a wrong length')
    return page
  }

  /** How many boundaries are not above the position: odd inside a run. */
  #boundsUpTo(position: number): number {
    let low = 0
    let high = this.#bounds.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#bounds[middle] as number) <= position) low = middle + 1
      else high = middle
    }
    return low
  }

  #addToBounds(first: number, end: number): void {
    const low = this.#boundsUpTo(first - 1)
    const high = this.#boundsUpTo(end)
    for (let place = low - (low & 1); place < high; place += 2) {
      this.count -= (this.#bounds[place + 1] as number) - (this.#bounds[place] as number) // runs that the new one touches or covers
    }
    const merged: number[] = []
    const from = (low & 1) === 1 ? this.#bounds[low - 1] as number : first
    const to = (high & 1) === 1 ? this.#bounds[high] as number : end
    if ((low & 1) === 0) merged.push(first)
    if ((high & 1) === 0) merged.push(end)
    this.#bounds.splice(low, high - low, ...merged)
    this.count += to - from
    this.#useBitsWhenMany()
  }

  #useBitsWhenMany(): void {
    if (this.#bounds.length <= BOUNDS_MAX) return
    const bounds = this.#bounds
    this.#bits = new Uint32Array(BITMAP_WORDS)
    this.#bounds = []
    this.count = 0
    for (let place = 0; place < bounds.length; place += 2) {
      this.#addToBits(this.#bits, bounds[place] as number, bounds[place + 1] as number)
    }
  }

  #addToBits(bits: Uint32Array, first: number, end: number): void {
    for (let position = first; position < end; position = (position | 31) + 1) {
      const word = position >>> 5
      const last = Math.min(end - 1, position | 31) & 31
      const mask = (-1 << (position & 31)) & (-1 >>> (31 - last))
      const before = bits[word] as number
      this.count += countBits(mask & ~before)
      bits[word] = before | mask
    }
  }

  #encodeBits(): Uint8Array {
    const bytes = new Uint8Array(1 + BITMAP_BYTES)
    bytes[0] = KIND_BITMAP
    const view = new DataView(bytes.buffer, 1)
    const bits = this.#bits as Uint32Array // few boundaries always fit as runs
    for (let word = 0; word < BITMAP_WORDS; word++) view.setUint32(word * 4, bits[word] as number, true)
    return bytes
  }

  #readRuns(bytes: Uint8Array): void {
    let end = 0
    let value = 0
    let shift = 0
    let gap = -1
    for (let at = 1; at < bytes.length; at++) {
      const byte = bytes[at] as number
      value |= (byte & 0x7f) << shift
      shift += 7
      if (byte >= 0x80) {
        if (shift === 21) throw new Error('chunk set: a number that is too long')
        continue
      }
      if (gap === -1) gap = value
      else {
        const first = end + gap
        if (value === 0 || first + value > CHUNKS_PER_PAGE || (gap === 0 && end > 0)) throw new Error('chunk set: an impossible run')
        end = first + value
        this.addRun(first, end)
        gap = -1
      }
      value = 0
      shift = 0
    }
    if (gap !== -1 || shift !== 0) throw new Error('chunk set: a page that ends early')
  }

  #readBits(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset + 1, BITMAP_BYTES)
    const bits = new Uint32Array(BITMAP_WORDS)
    for (let word = 0; word < BITMAP_WORDS; word++) {
      bits[word] = view.getUint32(word * 4, true)
      this.count += countBits(bits[word] as number)
    }
    this.#bits = bits
  }
}

function nextBit(bits: Uint32Array, from: number, present: boolean): number {
  const flip = present ? 0 : -1
  let mask = -1 << (from & 31)
  for (let word = from >>> 5; word < BITMAP_WORDS; word++) {
    const found = ((bits[word] as number) ^ flip) & mask
    if (found !== 0) return word * 32 + 31 - Math.clz32(found & -found)
    mask = -1
  }
  return CHUNKS_PER_PAGE
}

function countBits(word: number): number {
  let v = word - (word >>> 1 & 0x55555555)
  v = (v & 0x33333333) + (v >>> 2 & 0x33333333)
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = value
  let place = at
  while (rest >= 0x80) {
    bytes[place++] = rest & 0x7f | 0x80
    rest >>>= 7
  }
  bytes[place++] = rest
  return place
}
