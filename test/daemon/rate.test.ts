/** How long a rate lets wait, by a clock of the test's. */
import t from 'tap'
import { Rate } from '../../daemon/rate.ts'

t.test('a tenth of a second is free, then each byte waits until those before it are paid for', async t => {
  const clock = { nowMs: 1000 }
  const rate = new Rate(() => 1000, () => clock.nowMs)
  t.equal(rate.take(100), 0)
  t.equal(rate.take(50), 50)
  t.equal(rate.take(50), 100)
  clock.nowMs += 60
  t.equal(rate.take(0), 40)
  clock.nowMs += 60_000
  t.equal(rate.take(100), 0, 'a pause saves no more than the burst')
  t.equal(rate.take(1000), 1000)
})

t.test('a changed rate holds for what comes then; no limit waits for nothing', async t => {
  let bytesPerSecond = Number.POSITIVE_INFINITY
  const rate = new Rate(() => bytesPerSecond, () => 0)
  t.equal(rate.take(2 ** 50), 0)
  bytesPerSecond = 10
  t.equal(rate.take(11), 1000)
})
