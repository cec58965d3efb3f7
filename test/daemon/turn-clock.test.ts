import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { turnClock } from '../../daemon/turn-clock.ts'

t.test('the time stands still for a turn of the event loop, and goes on with the next', async t => {
  const nowMs = turnClock()
  const first = nowMs()
  for (let ms = first; ms < first + 5; ms = Date.now()) t.equal(nowMs(), first)
  await setImmediate()
  const second = nowMs()
  t.ok(second >= first + 5)
  t.ok(Date.now() >= second)
})
