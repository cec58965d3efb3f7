/**
 * A put and a get through two chained relays, the far link of each cut at random bytes. The client keeps its one connection all the while,
 * and nothing that was acknowledged goes over it again, in either direction.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ClientEvent, connect } from '../../client/index.ts'
import { TestDaemon } from '../support/daemon.ts'
import { contentOf, Random } from '../support/random.ts'
import { Violation } from '../support/record.ts'
import { RelayProcess } from '../support/relay-process.ts'
import { CuttingWire } from './cutting-wire.ts'
import { RecordingRelay } from './recording-relay.ts'

export interface RelayCutsOptions {
  readonly seed: number
  readonly sizeBytes: number
  /** Of each of the two links, in each of the two directions. */
  readonly cuts: number
}

export interface RelayCutsTally {
  readonly put: { cuts: number; chunks: number; sent: number; sentTwice: number; retries: number; tookMs: number }
  readonly get: { cuts: number; chunks: number; sent: number; retries: number; tookMs: number }
}

/** Throws a `Violation`. */
export async function runRelayCuts({ seed, sizeBytes, cuts }: RelayCutsOptions): Promise<RelayCutsTally> {
  const random = new Random(seed)
  const daemon = new TestDaemon({ durability: 'process' })
  try {
    await daemon.start()
    const file = join(daemon.directory, 'file')
    const bytes = contentOf(random.uint32(), sizeBytes)
    writeFileSync(file, bytes)
    const put = await through(daemon, random, cuts, sizeBytes, async (socket, onEvent) => {
      await using tally = await connect({ socket, secretFile: daemon.secretFile, onEvent })
      const { fid, counts } = await tally.put(file, { name: 'file', tags: ['cut'], chunkSizeBytes: 1024 })
      expect(counts.acknowledgedLost === 0, `${counts.acknowledgedLost} acknowledged chunks were lost`)
      return fid
    })
    const chunks = Math.ceil(sizeBytes / 1024)
    expect(put.recorded.acknowledgedSentAgain === 0, `${put.recorded.acknowledgedSentAgain} acknowledged chunks were sent again`)
    const target = join(daemon.directory, 'got')
    const get = await through(daemon, random, cuts, sizeBytes, async (socket, onEvent) => {
      await using tally = await connect({ socket, secretFile: daemon.secretFile, onEvent })
      await tally.get({ fid: put.result, file: 0 }, { path: target })
    })
    expect(readFileSync(target).equals(bytes), 'what was fetched differs')
    expect(get.fetched.acknowledgedSentAgain === 0, `${get.fetched.acknowledgedSentAgain} written chunks were fetched again`)
    const { sent, sentTwice } = put.recorded
    return {
      put: { cuts: put.cuts, chunks, sent, sentTwice, retries: put.retries, tookMs: put.tookMs },
      get: { cuts: get.cuts, chunks: get.fetched.acked, sent: get.fetched.sent, retries: get.retries, tookMs: get.tookMs },
    }
  } catch (cause) {
    throw new Violation(`seed ${seed}: ${cause instanceof Error ? cause.message : cause}`, { cause })
  } finally {
    await daemon.dispose()
  }
}

interface Passage<Result> {
  readonly result: Result
  readonly cuts: number
  readonly retries: number
  readonly tookMs: number
  readonly recorded: RecordingRelay['counts']
  readonly fetched: RecordingRelay['fetches']
}

/** client → recorder → relay → wire that is cut → relay → wire that is cut → daemon */
async function through<Result>(
  daemon: TestDaemon, random: Random, cuts: number, withinBytes: number,
  work: (socket: string, onEvent: (event: ClientEvent) => void) => Promise<Result>,
): Promise<Passage<Result>> {
  const directory = join(daemon.directory, `passage-${random.uint32()}`)
  mkdirSync(directory)
  const at = (name: string): string => join(directory, name)
  const second = new CuttingWire(at('2.wire'), daemon.socket, random, cuts, withinBytes)
  const inner = new RelayProcess(at('2.sock'), second.path)
  const first = new CuttingWire(at('1.wire'), inner.socket, random, cuts, withinBytes)
  const outer = new RelayProcess(at('1.sock'), first.path)
  const recorder = new RecordingRelay(at('recorder'), outer.socket)
  let retries = 0
  try {
    await Promise.all([second.listen(), first.listen(), recorder.listen(), inner.start(), outer.start()])
    const startedMs = performance.now()
    const result = await work(recorder.path, event => { if (event.type === 'retry') retries++ })
    const tookMs = Math.round(performance.now() - startedMs)
    expect(recorder.connections === 1, `the client made ${recorder.connections} connections`)
    return { result, cuts: first.cuts + second.cuts, retries, tookMs, recorded: recorder.counts, fetched: recorder.fetches }
  } finally {
    await Promise.all([recorder.close(), outer.kill(), first.close(), inner.kill(), second.close()])
  }
}

function expect(condition: boolean, otherwise: string): void {
  if (!condition) throw new Violation(otherwise)
}
