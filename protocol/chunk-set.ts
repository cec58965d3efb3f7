/**
 * The set of chunks of one file that have arrived, in memory: up to 2^31 of them, in pages of 16,384. Answers what is missing, and gives
 * each page the stored form that a catalog keeps as a receipt. Knows nothing of sizes, states or durability.
 */
import { CHUNKS_PER_PAGE, ChunkPage } from './chunk-page.ts'
import { CHUNKS_PER_FILE_MAX } from './limits.ts'
import type { Run } from './messages.ts'

export { CHUNKS_PER_PAGE } from './chunk-page.ts'

const PAGES_MAX = CHUNKS_PER_FILE_MAX / CHUNKS_PER_PAGE
const PAGE_BITS = 14
/** Stands for every full page; never changed, because only `delete` could and it takes a page of its own first. */
const FULL = fullPage()

/** Chunks by index, 0 … 2^31 - 1; an index outside is our own mistake and throws a RangeError. */
export class ChunkSet {
  /** Pages below this number are full and not in `#pages`: a file that comes in order costs one page, however long it is. */
  #fullPages = 0
  /** Pages that are neither empty nor below `#fullPages`. */
  readonly #pages = new Map<number, ChunkPage>()
  #size = 0
  #end = 0

  /** How many chunks are present. */
  get size(): number {
    return this.#size
  }

  /** The highest chunk and one more; 0 where there is none. */
  get end(): number {
    return this.#end
  }

  /** How many pages it keeps in memory: those that are neither empty nor among the full ones at the start. */
  get pageCount(): number {
    return this.#pages.size
  }

  /** Whether adding the chunk takes no further page. */
  hasPageOf(index: number): boolean {
    const number = index >>> PAGE_BITS
    return number < this.#fullPages || this.#pages.has(number)
  }

  /** True where the chunk was not there before. */
  add(index: number): boolean {
    check(index, index + 1)
    const number = index >>> PAGE_BITS
    if (number < this.#fullPages) return false
    const page = this.#page(number)
    if (!page.add(index & (CHUNKS_PER_PAGE - 1))) return false
    this.#size++
    if (index >= this.#end) this.#end = index + 1
    if (page.count === CHUNKS_PER_PAGE) this.#fill(number)
    return true
  }

  /** Adds `count` chunks from `first` on, present already or not. */
  addRun(first: number, count: number): void {
    const end = first + count
    check(first, end)
    let at = Math.max(first, this.#fullPages * CHUNKS_PER_PAGE)
    while (at < end) {
      const number = at >>> PAGE_BITS
      const start = number * CHUNKS_PER_PAGE
      const stop = Math.min(end, start + CHUNKS_PER_PAGE)
      if (stop - at === CHUNKS_PER_PAGE) {
        this.#size += CHUNKS_PER_PAGE - (this.#pages.get(number)?.count ?? 0)
        this.#fill(number)
      } else {
        const page = this.#page(number)
        const before = page.count
        page.addRun(at - start, stop - start)
        this.#size += page.count - before
        if (page.count === CHUNKS_PER_PAGE) this.#fill(number)
      }
      at = Math.max(stop, this.#fullPages * CHUNKS_PER_PAGE) // filling one page may have joined full ones behind it
    }
    if (count > 0 && end > this.#end) this.#end = end
  }

  has(index: number): boolean {
    check(index, index + 1)
    const number = index >>> PAGE_BITS
    if (number < this.#fullPages) return true
    return this.#pages.get(number)?.has(index & (CHUNKS_PER_PAGE - 1)) ?? false
  }

  /** True where the chunk was there. */
  delete(index: number): boolean {
    if (!this.has(index)) return false
    const number = index >>> PAGE_BITS
    for (let page = number; page < this.#fullPages; page++) this.#pages.set(page, FULL)
    this.#fullPages = Math.min(this.#fullPages, number)
    let page = this.#pages.get(number) as ChunkPage
    if (page === FULL) this.#pages.set(number, page = fullPage())
    page.delete(index & (CHUNKS_PER_PAGE - 1))
    if (page.count === 0) this.#pages.delete(number)
    this.#size--
    if (index + 1 === this.#end) this.#end = this.#highestEnd()
    return true
  }

  clear(): void {
    this.#fullPages = 0
    this.#pages.clear()
    this.#size = 0
    this.#end = 0
  }

  /** The lowest chunk from `from` on that is not present; may be one past what any file can hold. */
  firstMissing(from = 0): number {
    let at = Math.max(from, this.#fullPages * CHUNKS_PER_PAGE)
    for (;;) {
      const page = at < this.#end ? this.#pages.get(at >>> PAGE_BITS) : undefined
      if (page === undefined) return at
      const position = page.next(at & (CHUNKS_PER_PAGE - 1), false)
      const start = at - (at & (CHUNKS_PER_PAGE - 1))
      at = start + position
      if (position < CHUNKS_PER_PAGE) return at
    }
  }

  /** The gaps among the chunks from `from` to below `count`, ascending, at most `limit` of them. */
  missing(count: number, limit: number, from = 0): Run[] {
    const gaps: Run[] = []
    const end = Math.min(this.#end, count)
    let at = Math.max(from, this.#fullPages * CHUNKS_PER_PAGE)
    let first: number | undefined // of the gap at hand, which may go on in the next page
    while (at < end && gaps.length < limit) {
      const page = this.#pages.get(at >>> PAGE_BITS)
      const position = at & (CHUNKS_PER_PAGE - 1)
      const start = at - position
      const next = page?.next(position, first !== undefined) ?? (first === undefined ? position : CHUNKS_PER_PAGE)
      at = start + next
      if (next === CHUNKS_PER_PAGE) continue
      if (first === undefined) first = at
      else {
        gaps.push([first, Math.min(at, count) - first])
        first = undefined
      }
    }
    if (gaps.length === limit) return gaps
    first ??= Math.max(from, this.#end)
    if (first < count) gaps.push([first, count - first])
    return gaps
  }

  /** What is present, as ascending runs that do not touch. The set must not change meanwhile. */
  *runs(): Iterable<Run> {
    for (let first = this.#firstPresent(0); first < this.#end;) {
      const end = this.firstMissing(first)
      yield [first, end - first]
      first = this.#firstPresent(end)
    }
  }

  /** The numbers of the pages that hold anything, ascending. */
  *pages(): Iterable<number> {
    for (let number = 0; number < this.#fullPages; number++) yield number
    yield* [...this.#pages.keys()].sort((a, b) => a - b)
  }

  /** The stored form of one page (see `ChunkPage.encode`): 5 bytes when full, at most 2,049, 1 when nothing is in it. */
  encodePage(page: number): Uint8Array {
    if (page < this.#fullPages) return FULL.encode()
    return (this.#pages.get(page) ?? new ChunkPage()).encode()
  }

  /** The set whose pages have these bytes, in any order. Throws an Error where they are corrupt or a page comes twice. */
  static fromPages(pages: Iterable<{ readonly page: number; readonly bytes: Uint8Array }>): ChunkSet {
    const set = new ChunkSet()
    for (const { page: number, bytes } of pages) {
      if (!Number.isInteger(number) || number < 0 || number >= PAGES_MAX) throw new Error(`chunk set: no page has the number ${number}`)
      if (number < set.#fullPages || set.#pages.has(number)) throw new Error(`chunk set: page ${number} comes twice`)
      const page = ChunkPage.decode(bytes)
      if (page.count === 0) continue
      set.#size += page.count
      set.#pages.set(number, page)
      if (page.count === CHUNKS_PER_PAGE) set.#fill(number)
    }
    set.#end = set.#highestEnd()
    return set
  }

  #page(number: number): ChunkPage {
    let page = this.#pages.get(number)
    if (page === undefined) this.#pages.set(number, page = new ChunkPage())
    return page
  }

  /** This page is full: it joins the full ones at the start, or the shared page stands for it. */
  #fill(number: number): void {
    if (number !== this.#fullPages) {
      this.#pages.set(number, FULL)
      return
    }
    this.#pages.delete(number)
    this.#fullPages++
    while (this.#pages.get(this.#fullPages) === FULL) this.#pages.delete(this.#fullPages++)
  }

  #firstPresent(from: number): number {
    if (from < this.#fullPages * CHUNKS_PER_PAGE) return from
    for (let at = from; at < this.#end;) {
      const start = at - (at & (CHUNKS_PER_PAGE - 1))
      const position = this.#pages.get(at >>> PAGE_BITS)?.next(at - start, true) ?? CHUNKS_PER_PAGE
      at = start + position
      if (position < CHUNKS_PER_PAGE) return at
    }
    return Infinity
  }

  /** Finds `end` anew from the pages. */
  #highestEnd(): number {
    let highest = this.#fullPages - 1
    for (const number of this.#pages.keys()) if (number > highest) highest = number
    const page = this.#pages.get(highest)
    if (page === undefined || page === FULL) return (highest + 1) * CHUNKS_PER_PAGE
    let end = 0
    for (let first = page.next(0, true); first < CHUNKS_PER_PAGE; first = page.next(end, true)) end = page.next(first, false)
    return highest * CHUNKS_PER_PAGE + end
  }
}

function check(first: number, end: number): void {
  if (Number.isInteger(first) && first >= 0 && end >= first && end <= CHUNKS_PER_FILE_MAX) return
  throw new RangeError(`chunk set: ${first} to ${end} is outside what a file can have`)
}

function fullPage(): ChunkPage {
  const page = new ChunkPage()
  page.addRun(0, CHUNKS_PER_PAGE)
  return page
}
