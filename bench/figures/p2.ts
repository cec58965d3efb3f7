/**
 * P2: how fast a client goes that sends one chunk of 1 KiB in JSON and waits for its Ok. With durability `process` against ping-pong of
 * frames of the same lengths, with `power` against the syncs that the disk can do.
 */
import { randomUUID } from 'node:crypto'
import type { Form } from '../clients/stop-and-wait.ts'
import { encodeFrame, encodeMessage, MESSAGE_TYPE } from '../../protocol/index.ts'
import { Daemon } from '../support/daemon.ts'
import type { Figure, Row } from '../support/figure.ts'
import { baselines, clients } from '../support/programs.ts'
import { inTurn } from '../support/statistics.ts'

const CHUNK_BYTES = 1024
/** Chunks or rounds in a run: about a third of a second each. */
const COUNT = { pingPong: 10_000, process: 3000, power: 500 }

export const p2: Figure = {
  id: 'P2',
  title: 'stop-and-wait, 1 KiB chunks in JSON, framing A',
  async run(context) {
    const { workspace, pairs, progress } = context
    await using volatile = await Daemon.start(context, 'process')
    await using durable = await Daemon.start(context, 'power')
    await using server = baselines.pingPong()
    await using player = baselines.pingPong()
    await using disk = baselines.sync()
    await using client = clients.stopAndWait(context)
    const socketPath = workspace.socketPath('ping-pong')
    const pingPong = async (form: Form): Promise<number> => {
      const lengths = { requestBytes: transferBytes(form), answerBytes: okBytes(), count: COUNT.pingPong, socketPath }
      await server.run({ role: 'server', ...lengths })
      return await player.run({ role: 'client', ...lengths })
    }
    const sync = async (): Promise<number> => {
      const timesMs = await disk.run({ path: workspace.path('sync'), count: COUNT.power })
      return COUNT.power / timesMs.reduce((sum, timeMs) => sum + timeMs, 0) * 1000
    }
    const stopAndWait = async (daemon: Daemon, form: Form, ids: 'numbered' | 'opaque'): Promise<number> => {
      const count = daemon === volatile ? COUNT.process : COUNT.power
      return (await client.run({ access: daemon.access, form, ids, count })).perSecond
    }
    const samples = await inTurn(pairs, {
      pingBase64: () => pingPong('json-base64'),
      base64: () => stopAndWait(volatile, 'json-base64', 'numbered'),
      base64Opaque: () => stopAndWait(volatile, 'json-base64', 'opaque'),
      pingArray: () => pingPong('json-array'),
      array: () => stopAndWait(volatile, 'json-array', 'numbered'),
      arrayOpaque: () => stopAndWait(volatile, 'json-array', 'opaque'),
      sync,
      power: () => stopAndWait(durable, 'json-base64', 'numbered'),
      powerOpaque: () => stopAndWait(durable, 'json-array', 'opaque'),
    }, progress)
    const row = (name: string, of: readonly number[], baseline?: string, ratio = 0): Row =>
      ({ name, unit: '/s', samples: of, ...(baseline === undefined ? {} : { goal: { baseline, direction: 'at least', ratio } }) })
    return [
      row('ping-pong base64', samples.pingBase64),
      row('process, base64, numbered', samples.base64, 'ping-pong base64', 0.7),
      row('process, base64, opaque', samples.base64Opaque, 'ping-pong base64', 0.7),
      row('ping-pong array', samples.pingArray),
      row('process, array, numbered', samples.array, 'ping-pong array', 0.4),
      row('process, array, opaque (an original client)', samples.arrayOpaque, 'ping-pong array', 0.4),
      row('append and sync', samples.sync),
      row('power, base64, numbered', samples.power, 'append and sync', 0.7),
      row('power, array, opaque (an original client)', samples.powerOpaque, 'append and sync', 0.7),
    ]
  },
}

/** The length of a chunk's frame; for an array it is that of random bytes, whose digits are 2.57 on average. */
function transferBytes(form: Form): number {
  const chunk = [0, 0, 0, 0] as const
  const data = Uint8Array.from({ length: CHUNK_BYTES }, (_, at) => at)
  const options = { data: form === 'json-array' ? 'array' : 'base64' } as const
  const message = { type: MESSAGE_TYPE.TRANSFER, messageId: randomUUID(), chunk, data } as const
  return encodeFrame('A', message.type, encodeMessage(message, 'json', options)).length
}

function okBytes(): number {
  const message = { type: MESSAGE_TYPE.RESPONSE, messageId: randomUUID(), response: 'Ok' } as const
  return encodeFrame('A', message.type, encodeMessage(message, 'json')).length
}
