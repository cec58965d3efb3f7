import t from 'tap'
import { free } from '../../protocol/index.ts'

t.test('bytes that have their memory for themselves are gone at once', async t => {
  const bytes = new Uint8Array(65_536)
  free(bytes)
  t.equal(bytes.length, 0)
  t.equal(bytes.buffer.detached, true)
})

t.test('bytes that share their memory stay, and so do the others', async t => {
  const whole = Uint8Array.of(1, 2, 3, 4)
  for (const part of [whole.subarray(1), whole.subarray(0, 3)]) free(part)
  t.strictSame([...whole], [1, 2, 3, 4])
})
