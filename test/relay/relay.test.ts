/** What a relay passes on, and what it does when either side breaks, stalls, or says what is no frame. */
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { FRAME_BYTES_MAX, FrameDecoder } from '../../protocol/index.ts'
import { chooseSeed, Random } from '../support/random.ts'
import { type Framing, decode, frame } from '../support/wire.ts'
import { type Link, setUp } from './setting.ts'

const HELLO = frame('A', 1, Buffer.from('{"hello":1}'))
const ANSWER = frame('A', 2, Buffer.from('{"answer":1}'))

function seeded(t: Test): Random {
  const random = new Random(chooseSeed())
  t.comment(`TALLY_TEST_SEED=${random.seed}`)
  return random
}

/** Frames that can be told apart: each bears its number. */
function numbered(framing: Framing, number: number, sizeBytes: number): Buffer {
  return frame(framing, 3, Buffer.from(`{"n":${number},"x":"${'x'.repeat(sizeBytes)}"}`))
}

function numbersIn(bytes: Buffer): number[] {
  const numbers: number[] = []
  new FrameDecoder().push(bytes, (_, payload) => {
    numbers.push((JSON.parse(Buffer.from(payload).toString()) as { n: number }).n)
  })
  return numbers
}

for (const framing of ['A', 'B', 'N'] as const) {
  t.test(`framing ${framing}: frames of any size pass both ways as they are, however they are split`, async t => {
    const random = seeded(t)
    const { far, near } = await setUp(t)
    const sizes = [0, 1, 1000, 65_536, 1_800_000, 3, ...Array.from({ length: 40 }, () => random.magnitude(1, 100_000))]
    const all = Buffer.concat(sizes.map((size, index) => numbered(framing, index, size)))
    const client = await near()
    const send = async (link: Link): Promise<void> => {
      for (let at = 0; at < all.length;) {
        const end = at + random.magnitude(1, 300_000)
        if (!link.socket.write(all.subarray(at, end))) await new Promise(resolve => link.socket.once('drain', resolve))
        at = end
      }
    }
    void send(client)
    const link = await far.link(0)
    await send(link)
    await link.has(all)
    await client.has(all)
    t.equal(far.links.length, 1)
  })
}

t.test('a far end that is not there yet, or goes away, is waited for; the near connection stays', async t => {
  const { far, near, events } = await setUp(t)
  await far.close()
  const client = await near()
  client.socket.write(HELLO)
  while (events.length < 2) await sleep(1)
  await far.open()
  await (await far.link(0)).has(HELLO)
  far.links[0]?.socket.write(ANSWER)
  await client.has(ANSWER)
  far.links[0]?.socket.destroy()
  await far.link(1)
  client.socket.write(ANSWER)
  await (await far.link(1)).has(ANSWER)
  t.equal(client.hasEnded, false)
  t.strictSame(events.map(({ type }) => type), ['listening', 'broken', 'restored', 'broken', 'restored'])
})

t.test('half a frame passes in neither direction', async t => {
  const { far, near } = await setUp(t)
  const client = await near()
  client.socket.write(Buffer.concat([HELLO, HELLO.subarray(0, -1)]))
  const first = await far.link(0)
  await first.has(HELLO)
  first.socket.write(Buffer.concat([ANSWER, ANSWER.subarray(0, -1)]))
  await client.has(ANSWER)
  first.socket.destroy()
  const second = await far.link(1)
  second.socket.write(ANSWER)
  await client.has(Buffer.concat([ANSWER, ANSWER]))
  client.socket.write(HELLO.subarray(-1))
  await second.has(HELLO)
  t.pass('what was half sent on the first link came whole on the second')
})

t.test('over links that break at random bytes, frames come whole, in order, and none twice', async t => {
  const random = seeded(t)
  const { far, near } = await setUp(t)
  const client = await near()
  const cuts = 40
  const frames = 6000
  let answered = 0
  /** Answers whatever comes, until so much has come: the last answer is torn. */
  const serve = async (index: number): Promise<void> => {
    const link = await far.link(index)
    const leftBytes = index < cuts ? random.magnitude(100, 400_000) : Infinity
    link.socket.on('data', () => {
      const answers = Buffer.concat([0, 1, 2].map(() => numbered('A', answered++, random.magnitude(1, 3000))))
      if (link.received.length < leftBytes) link.socket.write(answers)
      else link.socket.end(answers.subarray(0, random.between(1, answers.length)), () => link.socket.destroy())
    })
    if (index < cuts) await serve(index + 1)
  }
  void serve(0)
  for (let n = 0; n < frames; n++) {
    const bytes = numbered('A', n, random.magnitude(1, 4000))
    if (!client.socket.write(bytes)) await new Promise(resolve => client.socket.once('drain', resolve))
    // A trickle now and then, so that links also break while nothing waits.
    if (random.chance(0.01)) await sleep(2)
  }
  // The last one may be in the gap of a break: then there is another last one.
  let sent = frames
  for (let hasPassed = false; !hasPassed;) {
    const last = numbered('A', sent++, 0)
    client.socket.write(last)
    for (let waits = 0; waits < 50 && !hasPassed; waits++) {
      await sleep(2)
      hasPassed = far.links.at(-1)?.received.subarray(-last.length).equals(last) === true
    }
  }
  const passed = far.links.flatMap(({ received }) => numbersIn(received))
  t.strictSame(passed, [...new Set(passed)].sort((a, b) => a - b), 'ascending, each once')
  t.equal(passed.at(-1), sent - 1)
  const back = numbersIn(client.received)
  t.strictSame(back, [...new Set(back)].sort((a, b) => a - b))
  t.comment(`${far.links.length} links, ${passed.length} of ${sent} frames passed, ${back.length} answers`)
  t.ok(far.links.length > 5)
})

t.test('a near peer that goes takes its link along; a half-close passes, and the answers still come', async t => {
  const { far, near } = await setUp(t)
  const gone = await near()
  gone.socket.write(HELLO)
  const link = await far.link(0)
  await link.has(HELLO)
  gone.socket.destroy()
  await link.until(({ hasEnded, isClosed }) => hasEnded || isClosed)

  for (const [index, lastWords] of [undefined, Buffer.from('000000000000', 'hex')].entries()) {
    const half = await near()
    half.socket.write(HELLO)
    if (lastWords === undefined) half.socket.end()
    else half.socket.write(lastWords)
    const served = await far.link(index + 1)
    await served.until(({ hasEnded }) => hasEnded)
    t.ok(served.received.equals(HELLO))
    served.socket.end(ANSWER)
    await half.until(({ hasEnded }) => hasEnded)
    t.ok(half.received.equals(ANSWER))
  }
})

t.test('who connects and says nothing costs no link', async t => {
  const { far, near } = await setUp(t)
  const client = await near()
  client.socket.end()
  await client.until(({ hasEnded }) => hasEnded)
  t.equal(far.links.length, 0)
})

t.test('a side that does not read stops the other, and loses nothing', async t => {
  const { far, near } = await setUp(t)
  const client = await near()
  client.socket.write(HELLO)
  const link = await far.link(0)
  await link.has(HELLO)
  const bytes = numbered('A', 1, 60_000)
  for (const [from, to] of [[client, link], [link, client]] as const) {
    to.socket.pause()
    const before = to.received.length
    let sentBytes = 0
    const write = (): void => {
      while (sentBytes < 64_000_000) {
        sentBytes += bytes.length
        if (!from.socket.write(bytes)) return
      }
    }
    from.socket.on('drain', write)
    write()
    for (let stuckBytes = -1; stuckBytes !== sentBytes;) {
      stuckBytes = sentBytes
      await sleep(300)
    }
    t.ok(sentBytes < 8_000_000, `${sentBytes} bytes went, then it stopped`)
    from.socket.off('drain', write)
    to.socket.resume()
    await to.until(({ received }) => received.length - before >= sentBytes)
    t.equal(to.received.length - before, sentBytes)
  }
})

t.test('what is no frame is refused as tallyd would, after the answers to what came before', async t => {
  const { far, near } = await setUp(t)
  for (const [index, [framing, bad, code]] of ([
    ['A', Buffer.from('02ffffffff', 'hex'), 'message-too-large'],
    ['A', Buffer.from('0900000000', 'hex'), 'malformed'],
    ['B', Buffer.from('00ffffff03', 'hex'), 'message-too-large'],
    ['N', Buffer.alloc(FRAME_BYTES_MAX + 1, 0x20), 'message-too-large'],
  ] as const).entries()) {
    const client = await near()
    const hello = frame(framing, 1, Buffer.from('{}'))
    client.socket.write(Buffer.concat([hello, bad]))
    const link = await far.link(index)
    await link.until(({ hasEnded }) => hasEnded)
    t.ok(link.received.equals(hello))
    const answer = frame(framing, 2, Buffer.from('{}'))
    link.socket.end(answer)
    await client.until(({ hasEnded }) => hasEnded)
    t.ok(client.received.subarray(0, answer.length).equals(answer))
    const refusals: unknown[] = []
    new FrameDecoder().push(client.received.subarray(answer.length), (_, payload) => { refusals.push(decode(Buffer.from(payload))) })
    t.match(refusals, [{ 'message-id': '00000000-0000-0000-0000-000000000000', response: 'Error', code, fatal: true }])
  }
})

t.test('a far end that sends what is no frame breaks its link only', async t => {
  const { far, near } = await setUp(t)
  const client = await near()
  client.socket.write(HELLO)
  const link = await far.link(0)
  await link.has(HELLO)
  link.socket.write(Buffer.concat([ANSWER, Buffer.from('ff00000000', 'hex')]))
  await far.link(1)
  await client.has(ANSWER)
  t.equal(client.hasEnded, false)
})

t.test('over the limit of connections one is closed at once, and the others are served', async t => {
  const { near, events } = await setUp(t, { connectionsMax: 2 })
  const clients = [await near(), await near()]
  const third = await near()
  await third.until(({ isClosed, hasEnded }) => isClosed || hasEnded)
  t.match(events.at(-1), { type: 'turned-away', connectionsMax: 2 })
  clients[0]?.socket.destroy()
  for (let isServed = false; !isServed; await sleep(5)) {
    const next = await near()
    next.socket.end(HELLO)
    isServed = await Promise.race([next.until(({ hasEnded }) => hasEnded).then(() => false), sleep(200, true)])
  }
  t.equal(clients[1]?.isClosed, false)
})

t.test('who says nothing, or leaves a frame unfinished, is closed after 30 s', async t => {
  let nowMs = 0
  const { far, near } = await setUp(t, { timings: { nowMs: () => nowMs } })
  const silent = await near()
  const half = await near()
  half.socket.write(Buffer.concat([HELLO, HELLO.subarray(0, 3)]))
  await (await far.link(0)).has(HELLO)
  const good = await near()
  good.socket.write(HELLO)
  await (await far.link(1)).has(HELLO)
  await sleep(1500)
  t.equal(silent.isClosed || half.isClosed, false)
  nowMs = 30_001
  await Promise.all([silent, half].map(each => each.until(({ hasEnded, isClosed }) => hasEnded || isClosed)))
  t.equal(good.isClosed || good.hasEnded, false)
})

t.test('without a far end for 30 s frames are dropped, so that a peer that goes is noticed', async t => {
  let nowMs = 0
  const { far, near, events } = await setUp(t, { timings: { nowMs: () => nowMs } })
  await far.close()
  const client = await near()
  const bytes = numbered('A', 1, 60_000)
  let sentBytes = 0
  const write = (): void => {
    while (sentBytes < 20_000_000) {
      sentBytes += bytes.length
      if (!client.socket.write(bytes)) return
    }
  }
  client.socket.on('drain', write)
  write()
  for (let stuckBytes = -1; stuckBytes !== sentBytes;) {
    stuckBytes = sentBytes
    await sleep(300)
  }
  t.ok(sentBytes < 8_000_000, 'at first it waits')
  nowMs = 30_001
  while (sentBytes < 20_000_000 || client.socket.writableLength > 0) await sleep(5)
  await far.open()
  while (!events.some(({ type }) => type === 'restored')) await sleep(5)
  client.socket.write(HELLO)
  const link = await far.link(0)
  await link.until(({ received }) => received.length >= HELLO.length)
  t.ok(link.received.subarray(-HELLO.length).equals(HELLO), 'what comes after is passed on, from the next frame')
  t.doesNotThrow(() => new FrameDecoder().push(link.received, () => undefined))
})

t.test('a relay that ends lets the answers out and takes its socket along', async t => {
  const { relay, far, near } = await setUp(t)
  const client = await near()
  client.socket.write(HELLO)
  const link = await far.link(0)
  await link.has(HELLO)
  const closed = relay.close()
  await link.until(({ hasEnded }) => hasEnded)
  link.socket.end(ANSWER)
  await client.until(({ hasEnded }) => hasEnded)
  t.ok(client.received.equals(ANSWER))
  await closed
  await t.rejects(near())
})

t.test('what waits in all connections together is bounded: over that one gets busy and is closed, and the others stay', async t => {
  const { far, near, events } = await setUp(t, { connectionsMax: 100 })
  const bytes = frame('A', 3, Buffer.concat([Buffer.from('{"n":1,"x":"'), Buffer.alloc(1_890_000, 'x'), Buffer.from('"}')]))
  const clients: Link[] = []
  // Each has one frame waiting, which the far end does not read.
  for (let index = 0; index < 60; index++) {
    const client = await near()
    clients.push(client)
    client.socket.write(HELLO)
    const link = await far.link(index)
    await link.has(HELLO)
    link.socket.pause()
    const written = new Promise(resolve => client.socket.write(bytes, resolve))
    await Promise.race([written, client.until(({ hasEnded, isClosed }) => hasEnded || isClosed)])
  }
  const refused = (): number => events.filter(({ type }) => type === 'refused').length
  while (refused() < 20) await sleep(50)
  t.ok(refused() < 40, `${refused()} of 60 were refused`)
  t.match(events.find(({ type }) => type === 'refused'), { reason: 'too much waits to be read by others' })
  for (const link of far.links) link.socket.resume()
  while (clients.some(({ received }) => received.length > 0 && !received.includes('"busy"'))) await sleep(50)
  const whole = (): number => far.links.filter(({ received }) => received.length === HELLO.length + bytes.length).length
  while (whole() + refused() < 60) await sleep(50)
})
