/** `ChunkSet` against a plain Set of numbers, its stored form by hand-written bytes, and what it costs at the limits. */
import fc from 'fast-check'
import { test } from 'tap'
import { CHUNKS_PER_PAGE, ChunkSet } from '../../protocol/chunk-set.ts'
import { CHUNKS_PER_FILE_MAX } from '../../protocol/limits.ts'
import type { Run } from '../../protocol/messages.ts'

const PAGE = CHUNKS_PER_PAGE
const seed = Number(process.env['TEST_SEED'] ?? Date.now() & 0x7fffffff)
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

function runsOf(plain: ReadonlySet<number>): Run[] {
  const runs: [number, number][] = []
  for (const index of [...plain].sort((a, b) => a - b)) {
    const last = runs.at(-1)
    if (last !== undefined && last[0] + last[1] === index) last[1]++
    else runs.push([index, 1])
  }
  return runs
}

function gapsOf(plain: ReadonlySet<number>, count: number, limit: number, from: number): Run[] {
  const absent = new Set<number>()
  for (let index = from; index < count; index++) if (!plain.has(index)) absent.add(index)
  return runsOf(absent).slice(0, limit)
}

function reload(set: ChunkSet): ChunkSet {
  return ChunkSet.fromPages([...set.pages()].reverse().map(page => ({ page, bytes: set.encodePage(page) })))
}

/** Near the edges of pages and words, with enough single chunks to make bitmaps out of runs. */
const anyIndex = fc.oneof(
  fc.nat(3 * PAGE - 1),
  fc.tuple(fc.constantFrom(0, 32, PAGE, PAGE + 64, 2 * PAGE), fc.integer({ min: -2, max: 2 })).map(([at, by]) => Math.max(0, at + by)),
)
const anyStep = fc.oneof(
  fc.record({ kind: fc.constant('add' as const), index: anyIndex }),
  fc.record({ kind: fc.constant('run' as const), index: anyIndex, count: fc.oneof(fc.nat(100), fc.constantFrom(PAGE, 2 * PAGE)) }),
  fc.record({ kind: fc.constant('delete' as const), index: anyIndex }),
  fc.record({ kind: fc.constant('comb' as const), index: anyIndex, count: fc.nat(90), step: fc.integer({ min: 2, max: 40 }) }),
)

test(`agrees with a plain set (TEST_SEED=${seed})`, async () => {
  fc.assert(fc.property(fc.array(anyStep, { maxLength: 30 }), fc.nat(5 * PAGE), fc.nat(3 * PAGE), fc.nat(50), (steps, count, from, limit) => {
    const set = new ChunkSet()
    const plain = new Set<number>()
    for (const step of steps) {
      if (step.kind === 'add') {
        if (set.add(step.index) === plain.has(step.index)) throw new Error(`add(${step.index}) said the wrong thing`)
        plain.add(step.index)
      } else if (step.kind === 'delete') {
        if (set.delete(step.index) !== plain.delete(step.index)) throw new Error(`delete(${step.index}) said the wrong thing`)
      } else if (step.kind === 'run') {
        set.addRun(step.index, step.count)
        for (let index = step.index; index < step.index + step.count; index++) plain.add(index)
      } else {
        for (let k = 0; k < step.count; k++) {
          set.add(step.index + k * step.step)
          plain.add(step.index + k * step.step)
        }
      }
    }
    const runs = JSON.stringify(runsOf(plain))
    const end = plain.size === 0 ? 0 : [...plain].reduce((a, b) => Math.max(a, b)) + 1
    for (const [name, one] of [['set', set], ['reloaded', reload(set)]] as const) {
      if (one.size !== plain.size) throw new Error(`${name}: size ${one.size}, not ${plain.size}`)
      if (one.end !== end) throw new Error(`${name}: end ${one.end}, not ${end}`)
      if (JSON.stringify([...one.runs()]) !== runs) throw new Error(`${name}: runs`)
      const gaps = gapsOf(plain, count, limit, from)
      if (JSON.stringify(one.missing(count, limit, from)) !== JSON.stringify(gaps)) throw new Error(`${name}: missing`)
      let free = from
      while (plain.has(free)) free++
      if (one.firstMissing(from) !== free) throw new Error(`${name}: firstMissing(${from})`)
      for (const index of [from, free, end, Math.max(0, end - 1)]) if (one.has(index) !== plain.has(index)) throw new Error(`${name}: has(${index})`)
    }
  }), { seed, numRuns: 300 })
})

test('an empty set', async t => {
  const set = new ChunkSet()
  t.strictSame([set.size, set.end, set.firstMissing(), [...set.runs()], [...set.pages()]], [0, 0, 0, [], []])
  t.strictSame(set.missing(5, 10), [[0, 5]])
  t.strictSame(set.missing(0, 10), [])
  t.strictSame(set.missing(5, 0), [])
  t.equal(hex(set.encodePage(7)), '01')
})

test('a run that fills a page before full ones counts those once', async t => {
  for (const count of [2 * PAGE, 2 * PAGE - 1, 2 * PAGE + 1]) {
    const set = new ChunkSet()
    set.addRun(PAGE, PAGE)
    set.addRun(0, count)
    t.strictSame([set.size, set.end, [...set.runs()]], [Math.max(count, 2 * PAGE), Math.max(count, 2 * PAGE), [[0, Math.max(count, 2 * PAGE)]]])
  }
})

test('a chunk is taken out of a page held as a bitmap', async t => {
  const set = new ChunkSet()
  for (let index = 0; index < 2 * 200; index += 2) set.add(index)
  t.equal(set.delete(64), true)
  t.equal(set.delete(64), false)
  t.strictSame([set.size, set.has(64), set.has(66), set.missing(68, 99).at(-1)], [199, false, true, [67, 1]])
})

test('clear forgets everything', async t => {
  const set = new ChunkSet()
  set.addRun(0, 3 * PAGE + 5)
  set.clear()
  t.strictSame([set.size, set.end, set.has(0), [...set.pages()]], [0, 0, false, []])
})

test('a gap that spans pages is one gap', async t => {
  const set = new ChunkSet()
  set.add(1)
  set.add(3 * PAGE)
  t.strictSame(set.missing(4 * PAGE, 10), [[0, 1], [2, 3 * PAGE - 2], [3 * PAGE + 1, PAGE - 1]])
})

test('a chunk taken out of a full page leaves its neighbours full', async t => {
  const set = new ChunkSet()
  set.addRun(0, 4 * PAGE)
  t.equal(set.delete(PAGE + 1), true)
  t.equal(set.delete(PAGE + 1), false)
  t.strictSame([...set.runs()], [[0, PAGE + 1], [PAGE + 2, 3 * PAGE - 2]])
  t.equal(set.add(PAGE + 1), true)
  t.strictSame([...set.runs()], [[0, 4 * PAGE]])
  t.equal(set.encodePage(3).length, 5)
})

test('deleting the highest chunk finds the next one below', async t => {
  const set = new ChunkSet()
  set.addRun(0, PAGE)
  set.add(5 * PAGE)
  t.equal(set.delete(5 * PAGE), true)
  t.equal(set.end, PAGE)
  t.equal(set.delete(PAGE - 1), true)
  t.equal(set.end, PAGE - 1)
})

test('refuses an index that no file has', async t => {
  const set = new ChunkSet()
  for (const index of [-1, 0.5, Number.NaN, CHUNKS_PER_FILE_MAX, Infinity]) {
    t.throws(() => set.add(index), RangeError)
    t.throws(() => set.has(index), RangeError)
    t.throws(() => set.delete(index), RangeError)
  }
  t.throws(() => set.addRun(CHUNKS_PER_FILE_MAX - 1, 2), RangeError)
  t.throws(() => set.addRun(5, -1), RangeError)
})

test('stored form: written by hand', async t => {
  const set = new ChunkSet()
  set.addRun(2, 3)      // gap 2, length 3
  set.addRun(300, 200)  // gap 295 = a7 02, length 200 = c8 01
  t.equal(hex(set.encodePage(0)), '01' + '0203' + 'a702c801')
  const full = new ChunkSet()
  full.addRun(0, 2 * PAGE)
  t.equal(hex(full.encodePage(1)), '01' + '00' + '808001')
  t.strictSame([...ChunkSet.fromPages([{ page: 2, bytes: Buffer.from('01' + '0203' + 'a702c801', 'hex') }]).runs()],
    [[2 * PAGE + 2, 3], [2 * PAGE + 300, 200]])
})

test('stored form: a bitmap where runs would be longer', async t => {
  const set = new ChunkSet()
  for (let index = 1; index < PAGE; index += 2) set.add(index)
  t.equal(hex(set.encodePage(0)), '02' + 'aa'.repeat(2048))
  t.strictSame(ChunkSet.fromPages([{ page: 0, bytes: set.encodePage(0) }]).missing(6, 9), [[0, 1], [2, 1], [4, 1]])
})

test('stored form: a page held as a bitmap is stored as runs where that is shorter', async t => {
  const set = new ChunkSet()
  for (let index = 0; index < 2 * 200; index += 2) set.add(index)
  const bytes = set.encodePage(0)
  t.equal(hex(bytes), '01' + '0001' + '0101'.repeat(199))
  for (let index = 0; index < PAGE; index++) set.add(index)
  t.equal(set.encodePage(0).length, 5)
  t.strictSame([...set.runs()], [[0, PAGE]])
})

test('a run over a page held as a bitmap fills it', async t => {
  const set = new ChunkSet()
  for (let index = 2; index < 2 * 200; index += 2) set.add(index)
  set.addRun(1, PAGE - 1)
  t.strictSame([...set.runs()], [[1, PAGE - 1]])
  set.add(0)
  t.strictSame([set.size, set.firstMissing()], [PAGE, PAGE])
})

test('stored form: a full bitmap counts as a full page', async t => {
  const set = ChunkSet.fromPages([{ page: 0, bytes: Buffer.from(`02${'ff'.repeat(2048)}`, 'hex') }])
  t.strictSame([set.size, set.firstMissing()], [PAGE, PAGE])
})

test('stored form: a view on a larger buffer is read from its own start', async t => {
  const bytes = Buffer.from(`ffff02${'01'.repeat(2048)}ff`, 'hex').subarray(2, 2 + 2049)
  t.equal(ChunkSet.fromPages([{ page: 0, bytes }]).size, 2048)
})

for (const [why, bytes] of [
  ['nothing', ''],
  ['an unknown kind', '03'],
  ['a bitmap one byte short', `02${'00'.repeat(2047)}`],
  ['a bitmap one byte long', `02${'00'.repeat(2049)}`],
  ['a run without a length', '0105'],
  ['a number that ends early', '0180'],
  ['a number of four bytes', '0180808001' + '01'],
  ['a run of nothing', '010500'],
  ['a run that touches the one before', '01' + '0005' + '0005'],
  ['a run past the page', '01' + '01' + '808001'],
  ['a gap past the page', '01' + 'ffff03' + '01'],
] as const) {
  test(`refuses a page with ${why}`, async t => {
    t.throws(() => ChunkSet.fromPages([{ page: 0, bytes: Buffer.from(bytes, 'hex') }]), { message: /^chunk set: / })
  })
}

test('refuses a page that comes twice or has no place', async t => {
  const full = Buffer.from('0100808001', 'hex')
  const some = Buffer.from('010001', 'hex')
  t.throws(() => ChunkSet.fromPages([{ page: 0, bytes: full }, { page: 0, bytes: some }]))
  t.throws(() => ChunkSet.fromPages([{ page: 1, bytes: some }, { page: 1, bytes: some }]))
  t.equal(ChunkSet.fromPages([{ page: 131_071, bytes: full }]).end, CHUNKS_PER_FILE_MAX)
  for (const page of [-1, 0.5, 131_072]) t.throws(() => ChunkSet.fromPages([{ page, bytes: some }]))
  t.equal(ChunkSet.fromPages([{ page: 0, bytes: Buffer.from('01', 'hex') }]).size, 0)
})

test(`never reads other bytes than its own as a page that it would not write again as an equal set (TEST_SEED=${seed})`, async t => {
  let read = 0
  fc.assert(fc.property(fc.uint8Array({ maxLength: 12 }), tail => {
    let set: ChunkSet
    try {
      set = ChunkSet.fromPages([{ page: 0, bytes: Uint8Array.of(1, ...tail) }])
    } catch {
      return
    }
    read++
    const again = reload(set)
    if (JSON.stringify([...again.runs()]) !== JSON.stringify([...set.runs()])) throw new Error('differs')
  }), { seed, numRuns: 2000 })
  t.ok(read > 0, 'some were pages')
})

test('the largest file in order is one number, not 131,072 pages', async t => {
  const set = new ChunkSet()
  set.addRun(0, CHUNKS_PER_FILE_MAX - 1)
  t.strictSame([set.size, set.end, set.firstMissing()], [CHUNKS_PER_FILE_MAX - 1, CHUNKS_PER_FILE_MAX - 1, CHUNKS_PER_FILE_MAX - 1])
  t.strictSame(set.missing(CHUNKS_PER_FILE_MAX, 9), [[CHUNKS_PER_FILE_MAX - 1, 1]])
  t.equal(set.add(CHUNKS_PER_FILE_MAX - 1), true)
  t.strictSame([...set.runs()], [[0, CHUNKS_PER_FILE_MAX]])
  t.equal(set.firstMissing(), CHUNKS_PER_FILE_MAX)
})

test('every second of 1,048,576 chunks absent: 524,288 gaps, to the limit', async t => {
  const set = new ChunkSet()
  for (let index = 0; index < 1_048_576; index += 2) set.add(index)
  const gaps = set.missing(1_048_576, Infinity)
  t.strictSame([gaps.length, gaps[0], gaps.at(-1)], [524_288, [1, 1], [1_048_575, 1]])
  t.equal(set.missing(1_048_576, 65_536).length, 65_536)
})

test('says how many pages it keeps, and whether a chunk would take one more', async t => {
  const set = new ChunkSet()
  t.equal(set.hasPageOf(5), false)
  set.add(5)
  set.add(3 * 16_384)
  t.same([set.pageCount, set.hasPageOf(6), set.hasPageOf(16_384), set.hasPageOf(3 * 16_384 + 1)], [2, true, false, true])
  set.addRun(0, 16_384)
  t.same([set.pageCount, set.hasPageOf(6)], [1, true], 'a full page at the start is not kept')
})
