/** How long a rate lets wait and whose turn it then is, by a clock of the test's. */
import t from 'tap'
import { Rate } from '../../daemon/rate.ts'
import { Turns } from '../../daemon/turns.ts'

t.test('a tenth of a second is free, then nothing more until it is paid for', async t => {
  const clock = { nowMs: 1000 }
  const rate = new Rate(() => 1000, () => clock.nowMs)
  rate.take(100)
  t.equal(rate.waitMs, 0)
  rate.take(50)
  t.equal(rate.waitMs, 50)
  rate.take(50)
  t.equal(rate.waitMs, 100)
  t.equal(rate.restedMs, 200)
  clock.nowMs += 60
  t.equal(rate.waitMs, 40)
  clock.nowMs += 60_000
  rate.take(100)
  t.equal(rate.waitMs, 0, 'a pause saves no more than the burst')
  rate.take(1000)
  t.equal(rate.waitMs, 1000)
})

t.test('a changed rate holds for what is owed already; no limit waits for nothing', async t => {
  const clock = { nowMs: 0 }
  let bytesPerSecond = Number.POSITIVE_INFINITY
  const rate = new Rate(() => bytesPerSecond, () => clock.nowMs)
  rate.take(2 ** 50)
  t.equal(rate.waitMs, 0)
  bytesPerSecond = 10
  rate.take(11)
  t.equal(rate.waitMs, 1000)
  bytesPerSecond = 100
  t.equal(rate.waitMs, 100)
  bytesPerSecond = Number.POSITIVE_INFINITY
  t.same([rate.waitMs, rate.restedMs], [0, 0])
})

/** Turns of users over a rate of 1,000 bytes a second in all, with the names of those whose chunk was taken. */
function turnsFor(bytesPerSecond: () => number = () => 1000) {
  const clock = { nowMs: 0 }
  const turns = new Turns(new Rate(bytesPerSecond, () => clock.nowMs))
  const taken: string[] = []
  const user = (name: string, own = Infinity) => ({ user: name, connections: 1, pendingBytes: 0, rate: new Rate(() => own, () => clock.nowMs) })
  const ask = (share: ReturnType<typeof user>, bytes = 1000) => {
    const turn = turns.ask(share, bytes)
    if (turn === undefined) taken.push(share.user)
    else void turn.come.then(isMine => taken.push(isMine ? share.user : `not ${share.user}`))
    return turn
  }
  const pass = async (ms: number) => {
    clock.nowMs += ms
    turns.give()
    await Promise.resolve()
  }
  return { turns, taken, user, ask, pass }
}

t.test('nobody waits for the chunks of another beyond one, however many wait', async t => {
  const { turns, taken, user, ask, pass } = turnsFor()
  t.teardown(() => turns.stop())
  const [eve, bob] = [user('eve'), user('bob')]
  for (let i = 0; i < 40; i++) ask(eve)
  ask(bob)
  t.same(taken, ['eve'], 'the burst')
  await pass(900)
  t.same(taken, ['eve', 'eve'])
  await pass(1000)
  t.same(taken, ['eve', 'eve', 'bob'])
})

t.test('who is held up by a rate of their own holds nobody up, and who has gone takes nothing', async t => {
  const { turns, taken, user, ask, pass } = turnsFor(() => Infinity)
  t.teardown(() => turns.stop())
  const [slow, fast] = [user('slow', 10), user('fast')]
  ask(slow)
  const gone = ask(slow)
  ask(slow)
  ask(fast)
  t.same(taken, ['slow', 'fast'])
  gone?.cancel()
  await pass(100_000)
  t.same(taken, ['slow', 'fast', 'not slow', 'slow'])
})

t.test('a faster rate lets in at once who waited for what the slower one owes', async t => {
  let bytesPerSecond = 1
  const { turns, taken, user, ask, pass } = turnsFor(() => bytesPerSecond)
  t.teardown(() => turns.stop())
  const ann = user('ann')
  ask(ann)
  ask(ann)
  await pass(1)
  t.same(taken, ['ann'])
  bytesPerSecond = 1_000_000
  await pass(1)
  t.same(taken, ['ann', 'ann'])
})
