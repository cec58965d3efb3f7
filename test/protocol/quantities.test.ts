/** The sentences of both programs say how many in one way. */
import t from 'tap'
import { countText, leftText, sizeText } from '../../protocol/quantities.ts'

t.test('one has the singular, everything else the plural', async t => {
  t.strictSame([0, 1, 2, 11].map(count => countText(count, 'file')), ['0 files', '1 file', '2 files', '11 files'])
  t.strictSame([1, 2].map(count => countText(count, 'fetch', 'fetches')), ['1 fetch', '2 fetches'])
})

t.test('sizes go by powers of 1024, bytes without a fraction', async t => {
  const sizes = [0, 1023, 1024, 1536, 1024 ** 2, 5 * 1024 ** 5 - 1, 1024 ** 6]
  t.strictSame(sizes.map(sizeText), ['0 B', '1023 B', '1.0 KiB', '1.5 KiB', '1.0 MiB', '5.0 PiB', '1024.0 PiB'])
})

t.test('what is left of a time is told in the largest unit that fits', async t => {
  const times = [-5, 0, 59_000, 60_000, 3_599_000, 5_400_000, 86_400_000, 604_799_000]
  t.strictSame(times.map(leftText), ['0 s', '0 s', '59 s', '1 min', '59 min', '1.5 h', '1.0 days', '7.0 days'])
})
