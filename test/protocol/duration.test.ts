/** Times as people write them. */
import { test } from 'tap'
import { durationMs } from '../../protocol/duration.ts'

test('a time is digits and a unit', async t => {
  for (const [text, ms] of [['0s', 0], ['30s', 30_000], ['10m', 600_000], ['2h', 7_200_000], ['7d', 604_800_000], ['99999999d', 8_639_999_913_600_000]] as const) {
    t.equal(durationMs(text), ms, text)
  }
})

test('anything else is none', async t => {
  for (const text of ['', '5', 's', '1w', '-1s', '1.5h', '1h30m', ' 1s', '100000000s']) t.equal(durationMs(text), undefined, text)
})
