/** What is drawn on terminals: the map of chunks, the progress line, and text that fits whatever characters it has. */
import fc from 'fast-check'
import t from 'tap'
import { cellParts, chunkMap, legend } from '../../../client/cli/chunk-map.ts'
import { Rate, progressLine } from '../../../client/cli/progress.ts'
import { type Terminal, styled, terminalOf } from '../../../client/cli/terminal.ts'
import { ageText, clockText, columnsOf, fitted } from '../../../client/cli/text.ts'

const plain: Terminal = { isLive: true, columns: () => 80, hasColour: false, hasUnicode: false }
const MIB = 1024 ** 2

t.test('a cell is full only when all of its chunks are there, and empty only when none is', async t => {
  t.same(chunkMap(plain, 8, [[2, 1], [4, 4]], 8, 1), ['##.#....'])
  t.same(chunkMap(plain, 16, [[0, 1], [4, 2], [7, 9]], 4, 1), ['*-..'])
  t.same(chunkMap(plain, 1_000_000, [[999_999, 1]], 3, 1), ['##*'], 'one of 333,334 is missing')
  t.same(chunkMap(plain, 1_000_000, [[0, 333_332]], 3, 1), ['-##'], 'one of 333,333 is there')
  t.same(chunkMap(plain, 3, [], 10, 8), ['###'], 'no more cells than chunks')
  t.same(chunkMap(plain, 7, [[6, 1]], 3, 8), ['###', '###', '.'])
  t.same(chunkMap(plain, 2 ** 31, [[0, 2 ** 31 - 1]], 4, 1), ['...-'])
  t.same(chunkMap({ ...plain, hasUnicode: true }, 4, [[1, 1]], 2, 1), ['▒█'])
})

t.test('the legend has every shade that a map may have', async t => {
  t.equal(legend(plain), '# here   -+* partly   . missing')
  t.equal(legend({ ...plain, hasUnicode: true }), '█ here   ░▒▓ partly   · missing')
})

t.test('the cells of a map account for every chunk, whatever is missing', async t => {
  t.doesNotThrow(() => fc.assert(fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 80 }), fc.array(fc.boolean()), (chunks, cells, bits) => {
    const missing: [number, number][] = []
    for (let chunk = 0; chunk < chunks; chunk++) if (bits[chunk % Math.max(1, bits.length)] === true) missing.push([chunk, 1])
    const parts = cellParts(chunks, missing, cells)
    const count = Math.min(chunks, cells)
    const lengths = parts.map((_, cell) => Math.floor((cell + 1) * chunks / count) - Math.floor(cell * chunks / count))
    const present = parts.reduce((sum, part, cell) => sum + part * (lengths[cell] ?? 0), 0)
    return parts.length === count && Math.abs(present - (chunks - missing.length)) < 1e-6
  })))
})

t.test('a progress line fits any width, and shows less where there is less room', async t => {
  const amounts = { acknowledgedBytes: 30 * MIB, sentBytes: 45 * MIB, totalBytes: 60 * MIB, files: { done: 3, total: 7 } }
  for (let columns = 1; columns <= 200; columns++) {
    const line = progressLine(plain, columns, '東京-holiday.tar.gz', amounts, 10 * MIB)
    t.ok(columnsOf(line) <= columns, `${columns} columns: ${line}`)
  }
  t.equal(progressLine(plain, 20, 'name', amounts, 10 * MIB), '[###==..]  50 % 0:03')
  const wide = progressLine(plain, 100, 'name', amounts, 10 * MIB)
  for (const part of ['name ', '#=', '50 %', '3/7 files', '10.0 MiB/s', '0:03', 'of 60.0 MiB']) t.match(wide, part)
  t.match(progressLine(plain, 80, 'x\u001b[2J', { ...amounts, totalBytes: null }), /^x\\x1b\[2J 30\.0 MiB/)
})

t.test('colour and more than ASCII only where the terminal has them', async t => {
  const on = { isTTY: true, columns: 40 }
  t.equal(terminalOf(on, { LANG: 'de_CH.UTF-8' }).hasUnicode, true)
  t.equal(terminalOf(on, { LANG: 'de_CH.UTF-8', LC_ALL: 'C' }).hasUnicode, false)
  t.equal(styled(terminalOf(on, {}), 'red', 'x'), '\u001b[31mx\u001b[m')
  t.equal(styled(terminalOf(on, { NO_COLOR: '1' }), 'red', 'x'), 'x')
  t.equal(styled(terminalOf(on, { NO_COLOR: '' }), 'red', 'x'), '\u001b[31mx\u001b[m')
  t.equal(styled(terminalOf(on, { TERM: 'dumb' }), 'red', 'x'), 'x')
  t.equal(styled(terminalOf({}, {}), 'red', 'x'), 'x')
  t.equal(terminalOf({ isTTY: true, columns: 0 }, {}).columns() > 0, true, 'a terminal that does not know')
})

t.test('a rate is that of the last seconds, and what was there at the beginning is no speed', async t => {
  const rate = new Rate()
  rate.add(1_000_000, 0)
  t.equal(rate.bytesPerSecond(1_000_000, 100), undefined)
  for (let ms = 100; ms <= 20_000; ms += 100) rate.add(1_000_000 + (ms <= 10_000 ? 0 : ms - 10_000) * 100, ms)
  const now = rate.bytesPerSecond(1_000_000 + 10_000 * 100, 20_000) ?? 0
  t.ok(Math.abs(now - 100_000) < 1, `${now}`)
})

t.test('wide characters count two columns, marks none, and what is cut keeps its end', async t => {
  t.equal(columnsOf('東京'), 4)
  t.equal(columnsOf('a😀b'), 4)
  t.equal(columnsOf('e\u0301'), 1)
  t.equal(fitted('a-very-long-name.tar.gz', 12), 'a-very-l….gz')
  t.equal(fitted('short', 12), 'short')
  t.equal(fitted('東京東京東京', 6), '東京…')
  t.doesNotThrow(() => fc.assert(fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), fc.integer({ max: 40, min: 0 }), (text, columns) =>
    columnsOf(fitted(text, columns)) <= columns)))
})

t.test('times for people', async t => {
  t.same([0, 59_999, 60_000, 7_200_000, 86_400_000, 200_000_000].map(ageText), ['0 s', '59 s', '1 min', '2 h', '1 day', '2 days'])
  t.same([0, 6.2, 61, 3600, 1e9].map(clockText), ['0:00', '0:07', '1:01', '1:00:00', '99h+'])
})
