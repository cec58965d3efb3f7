/**
 * The daemon's numbers in Prometheus' text format. Everything is read at the moment of asking, but for the duration of commit cycles,
 * which is a histogram. The library is loaded only where metrics are wanted.
 */
import { statfs } from 'node:fs/promises'
import { MESSAGE_TYPE } from '../../protocol/messages.ts'
import type { Counts } from '../counts.ts'

/** What is read from the daemon besides its counts. */
export interface Gauges {
  readonly connections: number
  readonly transfersInMemory: number
  readonly pendingBytes: number
}

export interface Metrics {
  readonly contentType: string
  text(): Promise<string>
}

/** A sync takes 0.1 ms on a fast disk and 10 on a slow one; a queue on a dying one, seconds. */
const CYCLE_SECONDS = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2]

const TYPE_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(MESSAGE_TYPE).map(([name, type]) => [type, name]))

export async function createMetrics(counts: Counts, gauges: () => Gauges, storePath: string): Promise<Metrics> {
  const { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } = await import('@prometheus-io/client')
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const counter = (name: string, help: string, value: () => number): void => {
    new Counter({ name, help, registers, collect() {
      this.reset()
      this.inc(value())
    } })
  }
  const labelled = (name: string, help: string, label: string, values: () => Iterable<readonly [string, number]>): void => {
    new Counter({ name, help, registers, labelNames: [label], collect() {
      this.reset()
      for (const [labelValue, count] of values()) this.inc({ [label]: labelValue }, count)
    } })
  }
  const gauge = (name: string, help: string, value: () => number | Promise<number>): void => {
    new Gauge({ name, help, registers, async collect() {
      this.set(await value())
    } })
  }
  counter('tally_connections_total', 'connections that were accepted', () => counts.connections)
  counter('tally_connections_refused_total', 'connections that were told busy', () => counts.connectionsRefused)
  labelled('tally_messages_total', 'messages that were received', 'type', () =>
    [...counts.messages].map(([type, count]) => [TYPE_NAMES.get(type) ?? 'other', count] as const))
  counter('tally_received_bytes_total', 'bytes of the payloads of these messages', () => counts.receivedBytes)
  labelled('tally_errors_total', 'Errors that were answered', 'code', () => counts.errors)
  counter('tally_chunks_total', 'chunks that became safe', () => counts.chunksMarked)
  counter('tally_chunk_bytes_total', 'bytes of these chunks', () => counts.bytesMarked)
  counter('tally_files_stored_total', 'files that became whole', () => counts.filesStored)
  counter('tally_contents_damaged_total', 'stored contents in which damage was found', () => counts.contentsDamaged)
  counter('tally_commit_cycles_failed_total', 'commit cycles whose chunks were refused', () => counts.cyclesFailed)
  gauge('tally_connections', 'open connections', () => gauges().connections)
  gauge('tally_transfers', 'transfers in memory', () => gauges().transfersInMemory)
  gauge('tally_pending_bytes', 'memory of chunks that were received and not answered yet', () => gauges().pendingBytes)
  gauge('tally_store_free_bytes', 'room on the store\'s file system', async () => {
    const { bavail, bsize } = await statfs(storePath)
    return bavail * bsize
  })
  const cycles = new Histogram({ name: 'tally_commit_cycle_seconds', help: 'from the first write of a commit cycle to its mark', registers, buckets: CYCLE_SECONDS })
  counts.onCycle = seconds => cycles.observe(seconds)
  return { contentType: registry.contentType, text: () => registry.metrics() }
}
