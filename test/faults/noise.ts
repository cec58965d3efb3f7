/**
 * Noise against a real daemon, over real sockets: frames whose payload is wrong somewhere, from random bytes to a good message with one
 * byte changed, and now and then a stream that is no frame at all. After each well-framed batch the same connection must still serve.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestDaemon } from '../support/daemon.ts'
import { Random } from '../support/random.ts'
import { Violation } from '../support/record.ts'
import { frame, message, TYPE, type Framing, type Payload } from '../support/wire.ts'

export interface NoiseTally {
  frames: number
  /** RESPONSEs that came back: most frames earn one. */
  answers: number
  connections: number
  grewBytes: number
}

const BATCH_MAX = 500
const PAYLOADS: readonly Payload[] = ['json-array', 'json-base64', 'msgpack']

/** Sends so many frames. Throws `Violation` when a connection that should live ends, or the daemon does. */
export async function makeNoise(daemon: TestDaemon, seed: number, frames: number): Promise<NoiseTally> {
  const random = new Random(seed)
  const tally: NoiseTally = { frames: 0, answers: 0, connections: 0, grewBytes: 0 }
  let before = 0
  while (tally.frames < frames) {
    const framing = random.pick(['A', 'B'] as const)
    const client = await daemon.client({ framing })
    client.onAnswer = () => { tally.answers++ }
    tally.connections++
    if (random.chance(0.5)) await client.authenticate(daemon.token())
    const wild = random.chance(0.1)
    const batch = random.between(1, BATCH_MAX)
    for (let i = 0; i < batch; i++) client.raw(wild ? random.bytes(random.between(1, 300)) : noise(random, framing, daemon.token()))
    tally.frames += batch
    if (wild) {
      await Promise.race([client.ended, sleep(5)])
    } else {
      const answer = await client.authenticate(daemon.token()).catch(() => undefined)
      if (answer?.response !== 'Ok') {
        throw new Violation(`seed ${seed}, after ${tally.frames} frames: ${answer?.code ?? 'the connection ended'}\n${daemon.tail()}`)
      }
    }
    client.destroy()
    if (!daemon.running) throw new Violation(`seed ${seed}, after ${tally.frames} frames: the daemon ended\n${daemon.tail()}`)
    // Counted from where the process has grown warm.
    if (tally.frames < frames / 4) before = daemon.residentBytes()
  }
  tally.grewBytes = daemon.residentBytes() - before
  return tally
}

function noise(random: Random, framing: Framing, token: string): Buffer {
  switch (random.between(0, 5)) {
    case 0: return frame(framing, random.between(0, 255), random.bytes(random.between(0, 300)))
    case 1: return frame(framing, random.between(0, 31), started(random, random.bytes(random.between(1, 300))))
    case 2: {
      const fields = { 'message-id': random.uuid(), token, files: random.between(0, 3) }
      return message(framing, random.pick(PAYLOADS), random.between(0, 31), fields)
    }
    default: return oneByteChanged(random, framing, token)
  }
}

/** Random bytes that begin as a map does. */
function started(random: Random, bytes: Buffer): Buffer {
  bytes[0] = random.pick([0x7b, 0x80, 0x81, 0x85, 0x8f, 0xde, 0xdf])
  return bytes
}

function oneByteChanged(random: Random, framing: Framing, token: string): Buffer {
  const type = random.pick(Object.values(TYPE))
  const good = message(framing, random.pick(PAYLOADS), type, {
    'message-id': random.uuid(),
    ...(type === TYPE.authentication ? { token, files: [{ name: 'noise', size: random.between(0, 100) }], fid: random.uuid() } : {}),
    ...(type === TYPE.transfer ? { chunk: random.uuid(true), data: random.bytes(random.between(0, 50)) } : {}),
    ...(type === TYPE.response ? { response: random.pick(['Ok', 'Error']) } : {}),
    ...(type === TYPE.find || type === TYPE.watch ? { tags: ['noise'], limit: 10 } : {}),
    ...(type === TYPE.fetch || type === TYPE.remove || type === TYPE.tag ? { fid: random.uuid(), file: random.between(0, 3) } : {}),
  })
  const header = framing === 'A' ? 6 : 5
  good[random.between(header, good.length - 1)] = random.between(0, 255)
  return good
}
